"""The services under load: the demo, started with the programs to be measured and with its rate limits off."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from table import NotMeasured

START_SECONDS = 180
STOP_SECONDS = 30
POLL_SECONDS = 0.05
HTTP_SECONDS = 30
# Limits against abuse would be what is measured; everything else is as it is in the demo.
WITHOUT_LIMITS = {
    "ROMDUOL__IDP__LISTENER__RATE_LIMIT__PER_MINUTE": "0",
    "ROMDUOL__IDP__OIDC__CLIENT_LIMIT__PER_MINUTE": "0",
    "ROMDUOL__CA__LISTENER__RATE_LIMIT__PER_MINUTE": "0",
    "ROMDUOL__CA__TSA_LISTENER__RATE_LIMIT__PER_MINUTE": "0",
    "ROMDUOL__OCSP__ANSWERS__SIGNING_LIMIT__PER_MINUTE": "0",
}


def wait_until(what: str, ready, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise NotMeasured(f"{what} was not ready after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def http(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def answers(url: str) -> bool:
    try:
        return http("GET", url)[0] < 400
    except OSError:
        return False


def basic(identifier: str, secret: str) -> str:
    pair = f"{urllib.parse.quote_plus(identifier)}:{urllib.parse.quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


class World:
    """The demo, started when it is first asked for."""

    def __init__(self, programs: Path, data: Path, port_base: int):
        self.programs, self.data, self.port_base = programs, data, port_base
        self.scratch = data.with_name(data.name + ".scratch")
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._demo: subprocess.Popen | None = None
        self._description: dict = {}

    def program(self, name: str) -> Path:
        path = self.programs / name
        if not path.exists():
            raise NotMeasured(f"{path} is not built")
        return path

    @property
    def demo(self) -> dict:
        if self._demo is None:
            self._start()
        return self._description

    def _start(self) -> None:
        description, log = self.data / "demo.json", self.scratch / "demo.log"
        description.unlink(missing_ok=True)
        command = [self.program("demo"), "--data", self.data, "--port-base", str(self.port_base)]
        with log.open("w") as output:
            self._demo = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                          env={**os.environ, **WITHOUT_LIMITS})

        def ready() -> bool:
            if self._demo.poll() is not None:
                raise NotMeasured(f"the demo ended: {log.read_text().strip()[-400:]}")
            return description.exists() and "Romduol is running" in log.read_text()

        wait_until("the demo", ready, START_SECONDS)
        self._description = json.loads(description.read_text())

    def stop(self) -> None:
        if self._demo is None:
            return
        self._demo.send_signal(signal.SIGTERM)
        try:
            self._demo.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._demo.kill()
            self._demo.wait()
        self._demo = None

    def pid(self, name: str) -> int:
        return int(Path(self.demo["processes"], f"{name}.pid").read_text())

    @contextmanager
    def halted(self, name: str):
        """The program stands still for as long as the block runs: it neither helps nor takes time."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def client(self, identifier: str) -> dict:
        return next(client for client in self.demo["clients"] if client["id"] == identifier)

    def officer_token(self) -> str:
        """An access token of the machine that orders certificates."""
        officer = self.client("ca-officer")
        status, body = http("POST", self.demo["endpoints"]["idp"] + "/token", b"grant_type=client_credentials", {
            "Authorization": basic(officer["id"], officer["secret"]),
            "Content-Type": "application/x-www-form-urlencoded"})
        if status != 200:
            raise NotMeasured(f"no access token: {status} {body[:200]!r}")
        return json.loads(body)["access_token"]

    def ca(self, method: str, path: str, body: dict | None = None) -> dict:
        status, answer = http(method, self.demo["endpoints"]["ca"] + path, json.dumps(body).encode() if body else None, {
            "Authorization": f"Bearer {self.officer_token()}", "Content-Type": "application/json"})
        if status >= 300:
            raise NotMeasured(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def run(self, *command, **options) -> subprocess.CompletedProcess:
        """Runs a program in the scratch folder; its last words become the error."""
        done = subprocess.run([str(part) for part in command], cwd=self.scratch, capture_output=True, **options)
        if done.returncode:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise NotMeasured(f"{Path(command[0]).name}: {words[-300:]}")
        return done

    def openssl(self, *arguments) -> bytes:
        return self.run("openssl", *arguments).stdout


class Server:
    """A baseline's process, for as long as the block runs."""

    def __init__(self, command: list, ready, seconds: float = 20, **options):
        self.command, self.ready, self.seconds, self.options = command, ready, seconds, options

    def __enter__(self) -> subprocess.Popen:
        try:
            self.process = subprocess.Popen([str(part) for part in self.command], process_group=0,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.options)
        except OSError as error:
            raise NotMeasured(str(error)) from error
        try:
            wait_until(str(self.command[0]), self.ready, self.seconds)
        except BaseException:
            self.__exit__()
            raise
        return self.process

    def __exit__(self, *_) -> None:
        # A server with workers of its own is stopped with them: they are its process group. Some of them ignore the
        # polite signal when they hang.
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
