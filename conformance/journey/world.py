"""The running demo: started, described, stopped; and the small things that several steps ask of it."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from pathlib import Path

from client import Client
from material import Codes

START_LIMIT = 180
STOP_LIMIT = 30
POLL = 0.1
PORTS = 23
# The provider's offset over TLS.
TLS_PORT = 363


class StepFailed(Exception):
    """Something is not as it must be."""


def check(condition: bool, what: str) -> None:
    if not condition:
        raise StepFailed(what)


def free_base() -> int:
    """A port with the demo's range free above it, below the ports that the system gives to outgoing connections: those come and go."""
    chooser = random.Random(os.getpid())
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        base = chooser.randrange(20000, max(outgoing - max(PORTS, TLS_PORT), 20001))
        try:
            for port in (*range(base, base + PORTS), base + TLS_PORT):
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise StepFailed("no free range of ports")


def http(method: str, url: str, body: bytes | None = None, headers: dict | None = None,
         timeout: float = 30, context: ssl.SSLContext | None = None) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


class World:
    """A demo with a data folder of its own."""

    def __init__(self, programs: Path, *, postgres: str | None = None, control: Path | None = None,
                 data: Path | None = None, base: int | None = None, tls: bool = False):
        self.programs = programs
        self.postgres, self.postgres_control = postgres, control
        self._temporary = None
        if data is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="romduol-journey-", ignore_cleanup_errors=True)
            data = Path(self._temporary.name)
        self.data = data.resolve()
        self.base = base or free_base()
        arguments = [str(programs / "demo"), "--data", str(self.data), "--port-base", str(self.base)]
        if postgres:
            arguments += ["--postgres", postgres]
        if tls:
            arguments += ["--tls"]
        self._log = open(self.data.with_name(self.data.name + ".log"), "wb")
        self._demo = subprocess.Popen(arguments, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)
        self._wait_for_start()
        self.demo = json.loads((self.data / "demo.json").read_text())
        self.issuer = self.demo["issuer"]
        self.endpoints = self.demo["endpoints"]
        self.root = Path(self.demo["root"])
        self.issuing = {entry["key"]: Path(entry["certificate"]) for entry in self.demo["issuing"]}
        self.hierarchy = json.loads(Path(self.demo["hierarchy"]).read_text())
        # Everything that speaks TLS here trusts the demo's root and nothing else.
        self.trusted = self.data / "tls" / "root.pem" if tls else None
        if self.trusted:
            os.environ["SSL_CERT_FILE"] = str(self.trusted)
        self.work = self.data / "journey"
        self.work.mkdir(exist_ok=True)
        self._codes: dict[str, Codes] = {}
        # The demo signed people in itself while it introduced them; those codes are spent.
        self._introduced_at = (self.data / "demo.json").stat().st_mtime
        self.notes: dict = {}

    def _wait_for_start(self) -> None:
        end = time.monotonic() + START_LIMIT
        while not (self.data / "demo.json").exists():
            if self._demo.poll() is not None or time.monotonic() > end:
                raise StepFailed(f"the demo did not start: {self.output()[-1500:]}")
            time.sleep(POLL)

    def output(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def stop(self) -> None:
        if self._demo.poll() is None:
            self._demo.send_signal(signal.SIGTERM)
            try:
                self._demo.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(self._demo.pid, signal.SIGKILL)
        self._log.close()
        if self._temporary:
            self._temporary.cleanup()
            Path(self._log.name).unlink(missing_ok=True)

    # people

    def person(self, role: str, state: str = "active", index: int = 0) -> dict:
        return [p for p in self.demo["people"] if p["role"] == role and p["state"] == state][index]

    def codes(self, secret: str) -> Codes:
        return self._codes.setdefault(secret, Codes(secret, self._introduced_at))

    def sign_in(self, person: dict, return_to: str = "/account") -> Client:
        """Signs in with password and code, without script."""
        login = person["login"]
        client = Client(self.issuer)
        page = client.get(f"/sign-in?return_to={urllib.parse.quote(return_to)}")
        page = client.submit(page, "/sign-in", {"identifier": login["identifier"]})
        page = client.submit(page, "/sign-in/password", {"password": login["password"],
                                                         "code": self.codes(login["totp_secret"]).next()})
        check(page.path == return_to.split("?")[0], f"{login['identifier']} cannot sign in: {page.text[:300]}")
        return client

    def message(self, to: str, before: str) -> str:
        """The word after `before` in the newest message to an address."""
        page = Client(self.issuer).get("/outbox").body.decode()
        for article in page.split("<article")[1:]:
            if f'data-to="{to}"' in article and before in article:
                return article.split(before, 1)[1].split()[0].rstrip(".").split("<")[0]
        raise StepFailed(f"no message with {before!r} for {to} in the outbox")

    # machines

    def token(self, client_id: str, scope: str, resource: str) -> str:
        client = next(c for c in self.demo["clients"] if c["id"] == client_id)
        credentials = base64.b64encode(f"{client_id}:{client['secret']}".encode()).decode()
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": scope, "resource": resource})
        status, _, answer = http("POST", f"{self.issuer}/token", body.encode(), {
            "Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"})
        check(status == 200, f"no access token for {client_id}: {status} {answer[:300]!r}")
        return json.loads(answer)["access_token"]

    def office(self) -> ssl.SSLContext | None:
        """The certificate office's side of a TLS connection: `demo.json` names its client certificate."""
        if not self.trusted:
            return None
        client = next(c for c in self.demo["clients"] if c["id"] == "ca-officer")
        context = ssl.create_default_context(cafile=str(self.trusted))
        context.load_cert_chain(client["client_certificate_file"], client["client_key_file"])
        return context

    def raw_ca(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None,
               timeout: float = 30) -> tuple[int, Message, bytes]:
        """A call to the certificate authority with a client certificate where it wants one, and no token."""
        return http(method, self.endpoints["ca"] + path, body, headers, timeout, self.office())

    def ca(self, method: str, path: str, body: dict | None = None, headers: dict | None = None) -> tuple[int, dict]:
        """A call to the certificate authority as the certificate office."""
        token = self.token("ca-officer", "ca.issue ca.revoke ca.read", self.endpoints["ca"])
        status, _, answer = self.raw_ca(method, path, None if body is None else json.dumps(body).encode(),
                                        {"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                                         **(headers or {})})
        return status, json.loads(answer) if answer else {}

    # processes

    def pid(self, name: str) -> int:
        for _try in range(50):
            text = (self.data / "run" / f"{name}.pid").read_text().strip()
            if text:
                return int(text)
            time.sleep(POLL)  # just being written
        raise StepFailed(f"{name} has no process id")

    def ready(self, name: str, limit: float = 60) -> None:
        end = time.monotonic() + limit
        while True:
            try:
                if http("GET", self.demo["health"][name] + "/health/ready", timeout=3)[0] == 200:
                    return
            except OSError:
                pass
            check(time.monotonic() < end, f"{name} is not ready after {limit:.0f} s")
            time.sleep(POLL)

    def gone(self, name: str, limit: float = 40) -> None:
        end = time.monotonic() + limit
        while True:
            try:
                http("GET", self.demo["health"][name] + "/health/live", timeout=2)
            except OSError:
                return
            check(time.monotonic() < end, f"{name} does not stop")
            time.sleep(POLL)

    def kill(self, name: str) -> None:
        """kill -9; the supervisor starts it again."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        end = time.monotonic() + 30
        while self.pid(name) == before:
            check(time.monotonic() < end, f"{name} was not started again")
            time.sleep(POLL)
        if name in self.demo["health"]:
            self.ready(name)

    def stop_service(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGTERM)
        self.gone(name)

    def database(self, verb: str) -> None:
        """Stops or starts the PostgreSQL server."""
        subprocess.run([self.postgres_control, verb], check=True, capture_output=True, timeout=60)

    def start_services(self) -> None:
        for name in self.demo["health"]:
            for _try in range(30):
                # The supervisor may not have noticed yet that a program stopped: ask again.
                os.kill(self.demo["supervisor_pid"], signal.SIGHUP)
                try:
                    self.ready(name, 2)
                    break
                except StepFailed:
                    continue
            self.ready(name)
