"""node-oidc-provider, installed from npm at the version in package.json into the scratch folder."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

from table import NotMeasured
from world import Server, World, answers, basic, http, memory_mib

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "journey"))

from client import Client  # noqa: E402

NAME = "node-oidc-provider"
PORT = 42
INSTALL_SECONDS = 120
SCOPE = "openid profile"
HERE = Path(__file__).parent
FILES = ("package.json", "oidc_provider.mjs")
REDIRECT_URI = "https://client.example/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class Peer:
    """Started when it is first asked for; every use of one that cannot run says why."""

    client_id, resource = "bench", "https://resource.example"

    def __init__(self, world: World, running: ExitStack):
        self._world, self._running = world, running
        self._process: subprocess.Popen | None = None
        self._reason: str | None = None
        self._start_ms = 0.0
        self._cookie = ""
        self.client_secret = secrets.token_urlsafe(32)
        self._port = world.port_base + PORT

    @property
    def issuer(self) -> str:
        if self._reason:
            raise NotMeasured(self._reason)
        if self._process is None:
            try:
                self._start()
            except NotMeasured as reason:
                self._reason = str(reason)
                raise
        return f"http://localhost:{self._port}"

    def _install(self) -> Path:
        node, npm = shutil.which("node"), shutil.which("npm")
        if not node or not npm:
            raise NotMeasured("node and npm are not installed")
        folder = self._world.scratch / "oidc-provider"
        folder.mkdir(exist_ok=True)
        for name in FILES:
            shutil.copy(HERE / name, folder / name)
        try:
            self._world.run(npm, "install", "--no-audit", "--no-fund", "--prefix", folder, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise NotMeasured("npm took too long") from error
        return folder

    def _start(self) -> None:
        folder, address = self._install(), f"http://localhost:{self._port}"
        settings = {"issuer": address, "port": self._port, "client_id": self.client_id, "scope": SCOPE,
                    "client_secret": self.client_secret, "redirect_uri": REDIRECT_URI, "resource": self.resource,
                    "cookie_key": secrets.token_urlsafe(32)}
        given = folder / "settings.json"
        given.touch(mode=0o600)
        given.write_text(json.dumps(settings))
        with given.open() as text:
            began = time.monotonic()
            server = Server(["node", "oidc_provider.mjs"],
                            lambda: answers(f"http://127.0.0.1:{self._port}/.well-known/openid-configuration"),
                            cwd=folder, stdin=text)
            self._process = self._running.enter_context(server)
            self._start_ms = (time.monotonic() - began) * 1e3

    def token(self) -> str:
        """An opaque access token of the client itself."""
        status, body = http("POST", self.issuer + "/token", b"grant_type=client_credentials", {
            "Authorization": basic(self.client_id, self.client_secret),
            "Content-Type": "application/x-www-form-urlencoded"})
        if status != 200:
            raise NotMeasured(f"{NAME} gave no token: {status}")
        return json.loads(body)["access_token"]

    def flow_order(self) -> dict:
        """What `code-flow` needs."""
        if not self._cookie:
            self._cookie = self._sign_in()
        address = urllib.parse.urlsplit(self.issuer).netloc
        return {"address": address.replace("localhost", "127.0.0.1"), "host": address, "par": "/request",
                "authorize": "/auth", "token": "/token", "userinfo": "/me", "client_id": self.client_id,
                "client_secret": self.client_secret, "redirect_uri": REDIRECT_URI, "scope": SCOPE,
                "cookie": self._cookie}

    def _sign_in(self) -> str:
        browser = Client(self.issuer)
        query = urllib.parse.urlencode({
            "response_type": "code", "client_id": self.client_id, "redirect_uri": REDIRECT_URI, "scope": SCOPE,
            "state": "s", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256"})
        page = browser.get(f"/auth?{query}")
        action = urllib.parse.urlsplit(page.forms[0].action).path if page.forms else ""
        page = browser.submit(page, action, {"login": "citizen", "password": "any"}, follow=False)
        page = browser.get(page.headers["Location"], follow=False)
        if "code=" not in (page.headers["Location"] or ""):
            raise NotMeasured(f"{NAME} gave no code: {page.status} {page.text[:200]}")
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar)

    def size(self) -> dict[str, float]:
        """Memory now and the time to the first answer."""
        assert self.issuer and self._process
        return {"loaded": memory_mib(self._process.pid), "start": self._start_ms}
