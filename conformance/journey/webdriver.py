"""A small WebDriver client (W3C WebDriver, WebAuthn extension commands) over the standard library.

It drives Chromium through chromedriver. Only what the journey needs: navigation, elements by CSS selector, forms,
screenshots, window size, cookies and a virtual authenticator.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import judges

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
START_LIMIT = 20.0
WAIT_LIMIT = 15.0
POLL = 0.05


class BrowserError(Exception):
    """What the browser or its driver answered instead of success."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _trust(home: Path, root: Path) -> None:
    """Makes the NSS database of a home folder with one trusted root."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    certutil = judges.tool("certutil")
    judges.run(certutil, "-N", "-d", f"sql:{folder}", "--empty-password")
    judges.run(certutil, "-A", "-d", f"sql:{folder}", "-n", "root", "-t", "C,,", "-i", root)


class Browser:
    """One Chromium window; use it as a context manager."""

    def __init__(self, *, language: str = "en", width: int = 1180, height: int = 1000, script: bool = True,
                 trusted: Path | None = None):
        driver = shutil.which("chromedriver") or "/usr/bin/chromedriver"
        self._profile = tempfile.mkdtemp(prefix="romduol-browser-")
        environment = dict(os.environ)
        if trusted:
            # Chromium takes roots from the NSS database of its home; a certificate error would forbid passkeys.
            environment["HOME"] = self._profile
            _trust(Path(self._profile), trusted)
        port = free_port()
        self._driver = subprocess.Popen([driver, f"--port={port}"], env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self._base = f"http://127.0.0.1:{port}"
        self._session = ""
        self._wait_for_driver()
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={self._profile}",
                     f"--window-size={width},{height}", f"--lang={language}"]
        preferences: dict = {"intl.accept_languages": language, "credentials_enable_service": False}
        if not script:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        capabilities = {"alwaysMatch": {"browserName": "chrome",
                                        "goog:chromeOptions": {"args": arguments, "prefs": preferences}}}
        self._session = self._raw("POST", "/session", {"capabilities": capabilities})["sessionId"]

    def _wait_for_driver(self) -> None:
        limit = time.monotonic() + START_LIMIT
        while True:
            try:
                if self._raw("GET", "/status")["ready"]:
                    return
            except OSError:
                pass
            if time.monotonic() > limit:
                raise BrowserError("chromedriver did not start")
            time.sleep(POLL)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_exception) -> None:
        try:
            self._call("DELETE", "")
        except (BrowserError, OSError):
            pass
        self._driver.terminate()
        self._driver.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _raw(self, method: str, path: str, body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise BrowserError(f"{value.get('error')}: {value.get('message', '').splitlines()[0]}") from None

    def _call(self, method: str, path: str, body: dict | None = None):
        return self._raw(method, f"/session/{self._session}{path}", body)

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return self._call("GET", "/url")

    @property
    def title(self) -> str:
        return self._call("GET", "/title")

    @property
    def source(self) -> str:
        return self._call("GET", "/source")

    def text(self, selector: str = "main") -> str:
        return self._call("GET", f"/element/{self.find(selector)}/text")

    def find(self, selector: str) -> str:
        return self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def find_all(self, selector: str) -> list[str]:
        return [e[ELEMENT] for e in self._call("POST", "/elements", {"using": "css selector", "value": selector})]

    def has(self, selector: str) -> bool:
        return bool(self.find_all(selector))

    def attribute(self, selector: str, name: str) -> str | None:
        return self._call("GET", f"/element/{self.find(selector)}/property/{name}")

    def wait_for(self, selector: str, limit: float = WAIT_LIMIT) -> None:
        self.wait_until(lambda: self.has(selector), f"element {selector}", limit)

    def wait_until(self, condition, what: str, limit: float = WAIT_LIMIT) -> None:
        end = time.monotonic() + limit
        while True:
            try:
                if condition():
                    return
            except BrowserError:
                pass
            if time.monotonic() > end:
                raise BrowserError(f"waited {limit:.0f} s for {what} at {self.url}: {self.text('body')[:600]!r}")
            time.sleep(POLL)

    def click(self, selector: str) -> None:
        self._call("POST", f"/element/{self.find(selector)}/click", {})

    def press(self, selector: str) -> None:
        """Clicks something that leads to another page and waits until this page is gone."""
        element = self.find(selector)
        self._call("POST", f"/element/{element}/click", {})
        end = time.monotonic() + WAIT_LIMIT
        while time.monotonic() < end:
            try:
                self._call("GET", f"/element/{element}/name")
            except BrowserError:
                break
            time.sleep(POLL)
        self.wait_until(lambda: self.script("return document.readyState") == "complete", "the next page")

    def type(self, selector: str, value: str, clear: bool = True) -> None:
        element = self.find(selector)
        if clear:
            self._call("POST", f"/element/{element}/clear", {})
        self._call("POST", f"/element/{element}/value", {"text": value})

    def upload(self, selector: str, path: Path) -> None:
        self._call("POST", f"/element/{self.find(selector)}/value", {"text": str(path)})

    def script(self, source: str, *arguments):
        return self._call("POST", "/execute/sync", {"script": source, "args": list(arguments)})

    def resize(self, width: int, height: int) -> None:
        self._call("POST", "/window/rect", {"width": width, "height": height})

    def emulate(self, width: int, height: int, scale: float = 1.0, mobile: bool = False) -> None:
        """Sets the viewport itself, below the smallest window width as well."""
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}})

    def screenshot(self, path: Path, whole_page: bool = True) -> None:
        if whole_page:
            value = self._call("POST", "/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {
                "captureBeyondViewport": True}})["data"]
        else:
            value = self._call("GET", "/screenshot")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(value))

    def delete_cookies(self) -> None:
        self._call("DELETE", "/cookie")

    def add_authenticator(self, *, user_verification: bool = True, resident_key: bool = True) -> str:
        """A virtual platform authenticator (Web Authentication §11.3); it confirms by itself."""
        return self._call("POST", "/webauthn/authenticator", {
            "protocol": "ctap2_1", "transport": "internal", "hasResidentKey": resident_key,
            "hasUserVerification": user_verification, "isUserConsenting": True, "isUserVerified": user_verification})

    def remove_authenticator(self, authenticator: str) -> None:
        self._call("DELETE", f"/webauthn/authenticator/{authenticator}")

    def credentials(self, authenticator: str) -> list[dict]:
        return self._call("GET", f"/webauthn/authenticator/{authenticator}/credentials")

    def add_credential(self, authenticator: str, credential: dict) -> None:
        self._call("POST", f"/webauthn/authenticator/{authenticator}/credential", credential)
