"""The demo as the suites use it: started on ports of its own, stopped at the end, watched in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "journey"))

from client import Client, Page  # noqa: E402
import material  # noqa: E402, F401 - suites find it here
from material import Codes  # noqa: E402

import wire  # noqa: E402

START_LIMIT = 240.0
STOP_LIMIT = 30.0
SIGN_IN_TRIES = 3
SERVICES = ("idp", "ca", "ocsp")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class House:
    """All services, from the programs in one folder."""

    def __init__(self, programs: Path, port_base: int, data: Path | None = None, attach: Path | None = None):
        self.folder = attach or data or Path(tempfile.mkdtemp(prefix="romduol-suites-"))
        self._process = None if attach else self._start(programs, port_base)
        self.facts = json.loads((self.folder / "demo.json").read_text())
        self.issuer: str = self.facts["issuer"]
        self.endpoints: dict = self.facts["endpoints"]
        self._codes: dict[str, Codes] = {}

    def _start(self, programs: Path, port_base: int) -> subprocess.Popen:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "demo.json").unlink(missing_ok=True)
        words = self.folder / "suites-demo.log"
        with open(words, "wb") as log:
            process = subprocess.Popen(
                [str(programs / "demo"), "--data", str(self.folder), "--port-base", str(port_base)],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        end = time.monotonic() + START_LIMIT
        while "Romduol is running" not in words.read_text():
            if process.poll() is not None or time.monotonic() > end:
                _end(process)
                raise SystemExit(f"the demo did not start:\n{words.read_text()[-1500:]}")
            time.sleep(0.2)
        return process

    def stop(self) -> None:
        if self._process is not None:
            _end(self._process)

    # --- who and what -------------------------------------------------------------------------------------------

    def client_facts(self, identifier: str) -> dict:
        return next(c for c in self.facts["clients"] if c["id"] == identifier)

    def person(self, role: str, state: str = "active", index: int = 0) -> dict:
        return [p for p in self.facts["people"] if p["role"] == role and p["state"] == state][index]

    def codes(self, person: dict) -> Codes:
        """One per person: a one-time code counts once, whoever asks."""
        secret = person["login"]["totp_secret"]
        return self._codes.setdefault(secret, Codes(secret))

    def browser(self, language: str = "en") -> Client:
        return Client(self.issuer, language)

    def answer_sign_in(self, browser: Client, page: Page, person: dict, follow: bool = True) -> Page:
        """Goes through the sign-in pages, without script, from the page that asks who one is."""
        login = person["login"]
        page = browser.submit(page, "/sign-in", {"identifier": login["identifier"]})
        for _ in range(SIGN_IN_TRIES):
            page = browser.submit(page, "/sign-in/password",
                                  {"password": login["password"], "code": self.codes(person).next()}, follow=follow)
            # The demo itself may have used up the code of this half minute.
            if not page.has("password-form"):
                break
        return page

    def signed_in(self, person: dict, language: str = "en") -> Client:
        browser = self.browser(language)
        page = self.answer_sign_in(browser, browser.get("/sign-in"), person)
        if page.status != 200 or page.path.startswith("/sign-in"):
            raise AssertionError(f"sign-in ended on {page.path} with {page.status}: {page.text[:300]}")
        return browser

    # --- watching -----------------------------------------------------------------------------------------------

    def process_of(self, service: str) -> int:
        return int((self.folder / "run" / f"{service}.pid").read_text().split()[0])

    def resident(self, service: str) -> int:
        """Bytes of memory that a service holds now."""
        fields = Path(f"/proc/{self.process_of(service)}/statm").read_text().split()
        return int(fields[1]) * PAGE_BYTES

    def peak(self, service: str) -> int:
        """Most bytes that a service held since `forget_peak`."""
        text = Path(f"/proc/{self.process_of(service)}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) * 1024

    def forget_peak(self, service: str) -> None:
        Path(f"/proc/{self.process_of(service)}/clear_refs").write_text("5")

    def ready(self, service: str) -> bool:
        try:
            return wire.call("GET", self.facts["health"][service] + "/health/ready", timeout=10).status == 200
        except (OSError, urllib.error.URLError):
            return False

    def logs(self) -> dict[str, str]:
        return {path.name: path.read_text(errors="replace") for path in sorted((self.folder / "log").glob("*.log"))}


def _end(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
