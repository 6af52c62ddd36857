"""The status service beside `openssl ocsp` and, where it is installed, nginx with a file of the same size."""

from __future__ import annotations

import base64
import os
import shutil
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import keys
from area_hsm import token_rate
from load import CONNECTIONS, wrk
from table import NotMeasured, Row, median, notes, row, take
from world import Server, World, answers, http, wait_until

BASELINE = "openssl ocsp -multi 2"
BASELINE_PORT = 40
NGINX_PORT = 41
VISIBLE_SECONDS = 30
VISIBLE_CERTIFICATES = 9
FULL_LOAD = f"{CONNECTIONS} connections, all waiting for their answer"
OPENSSL_NOTE = ("the baseline signs each answer with a key in memory, closes each connection, and gets two at a time: "
                "it hangs with more")
NGINX = "nginx static file"
NGINX_CONFIG = """
{user}
daemon off;
worker_processes auto;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; open_file_cache max=16; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {folder}/site; }}
}}
"""
HEADERS = {"Content-Type": "application/ocsp-request"}


def measure(world: World, setting) -> list[Row]:
    endpoint = world.demo["endpoints"]["ocsp"]
    leaf, issuer = _issue(world, "bench.example.gov.kh")
    query, fresh = _query(world, issuer, leaf, "-no_nonce"), _query(world, issuer, leaf, "-nonce")
    wait_until("the certificate's status", lambda: _status(world, endpoint, query, issuer) == "good", VISIBLE_SECONDS)
    size = len(http("POST", endpoint, query, HEADERS)[1])
    bare = token_rate(world, setting)
    peer = Peer(world)
    # Answers from memory need nobody else.
    with world.halted("ca"):
        get, get_peer, missing = take(setting.runs, lambda: _get(endpoint, query, setting),
                                      lambda: peer.measure(_get, setting))
        post, post_peer, _ = take(setting.runs, lambda: _post(endpoint, query, setting),
                                  lambda: peer.measure(_post, setting))
    live, _, _ = take(setting.runs, lambda: _post(endpoint, fresh, setting, nonce=True), None)
    visible = _visible(world, endpoint)
    static, no_static = _nginx(world, setting, size)
    return [
        row("ocsp.cached", get["rate"], "1/s", BASELINE, get_peer.get("rate"),
            notes("GET, keep-alive, the authority and its database stopped", OPENSSL_NOTE, missing)),
        row("ocsp.cached.nginx", get["rate"], "1/s", NGINX, static.get("rate"),
            notes(f"a file of {size} bytes, as long as our answer", no_static)),
        row("ocsp.cached.p99", get["p99"], "ms", NGINX, static.get("p99"), notes(FULL_LOAD, no_static)),
        row("ocsp.cached_post", post["rate"], "1/s", BASELINE, post_peer.get("rate"), notes("POST, keep-alive", missing)),
        row("ocsp.live", live["rate"], "1/s", "bare token signatures", bare,
            "a nonce in every request, so every answer is signed in the token"),
        row("ocsp.visible", median(visible), "ms",
            note=f"from the answer to the revocation to `revoked`; {len(visible)} certificates, "
                 f"longest {max(visible):.1f} ms"),
    ]


def _get(url: str, query: bytes, setting, **more) -> dict:
    return wrk(f"{url}/{urllib.parse.quote(base64.b64encode(query).decode(), safe='')}", setting.seconds, **more)


def _post(url: str, query: bytes, setting, **more) -> dict:
    return wrk(url, setting.seconds, method="POST", headers=HEADERS, bodies=[query], **more)


def _issue(world: World, name: str) -> tuple[Path, Path]:
    """A certificate of our authority and its issuer's."""
    order = {"profile": "tls-server", "subject": {"common_name": name}, "public_key": keys.public_key(world),
             "san": [{"dns": name}]}
    issued = world.ca("POST", "/api/v1/certificates", order)
    leaf, issuer = world.scratch / f"{issued['serial']}.pem", world.scratch / "issuer.pem"
    leaf.write_text(issued["certificate"])
    issuer.write_text(issued["chain"][0])
    return leaf, issuer


def _query(world: World, issuer: Path, leaf: Path, nonce: str) -> bytes:
    file = world.scratch / "query.der"
    world.openssl("ocsp", nonce, "-issuer", issuer, "-cert", leaf, "-reqout", file)
    return file.read_bytes()


def _status(world: World, endpoint: str, query: bytes, issuer: Path) -> str:
    """The status word, as OpenSSL reads the answer."""
    file = world.scratch / "answer.der"
    file.write_bytes(http("POST", endpoint, query, HEADERS)[1])
    try:
        text = world.openssl("ocsp", "-respin", file, "-issuer", issuer, "-noverify", "-resp_text").decode()
    except NotMeasured:
        return "unavailable"
    return next((line.split()[-1] for line in text.splitlines() if "Cert Status:" in line), "unavailable")


def _visible(world: World, endpoint: str) -> list[float]:
    """Milliseconds from the acknowledged revocation until the status service says so, certificate by certificate."""
    times = []
    for number in range(VISIBLE_CERTIFICATES):
        leaf, issuer = _issue(world, f"n{number}.example.gov.kh")
        query = _query(world, issuer, leaf, "-no_nonce")
        wait_until("the certificate's status", lambda: _status(world, endpoint, query, issuer) == "good", VISIBLE_SECONDS)
        good = http("POST", endpoint, query, HEADERS)[1]
        world.ca("POST", f"/api/v1/certificates/{leaf.stem}/revocation", {"reason": "superseded"})
        began = time.monotonic()
        while (answer := http("POST", endpoint, query, HEADERS)[1]) == good:
            if time.monotonic() - began > VISIBLE_SECONDS:
                raise NotMeasured("a revocation did not show")
        times.append((time.monotonic() - began) * 1e3)
        (world.scratch / "answer.der").write_bytes(answer)
        if (found := _status(world, endpoint, query, issuer)) != "revoked":
            raise NotMeasured(f"a revoked certificate is {found}")
    return times


class Peer:
    """`openssl ocsp` with an authority of its own; one certificate that is good, as in our query.

    It is started anew for each run and gets one connection per worker: its workers hang for good after a burst of more
    connections than there are workers.
    """

    WORKERS = 2

    def __init__(self, world: World):
        self._world, self._files = world, None
        self._port = world.port_base + BASELINE_PORT
        self._url = f"http://127.0.0.1:{self._port}"

    def _prepare(self) -> tuple[bytes, list]:
        world, folder = self._world, self._world.scratch
        certificate, key = keys.authority(world, folder / "peer")
        leaf = keys.leaf(world, certificate, key, folder / "peer-leaf.pem")
        serial = world.openssl("x509", "-in", leaf, "-noout", "-serial").decode().strip().split("=")[1]
        index = folder / "peer-index.txt"
        index.write_text(f"V\t490101000000Z\t\t{serial}\tunknown\t/CN=leaf\n")
        command = ["openssl", "ocsp", "-port", self._port, "-multi", self.WORKERS, "-index", index, "-CA", certificate,
                   "-rsigner", certificate, "-rkey", key, "-ndays", "1"]
        return _query(world, certificate, leaf, "-no_nonce"), command

    def measure(self, ask, setting) -> dict:
        """Figures of `ask`, one of our own ways of asking, against a fresh responder."""
        if self._files is None:
            self._files = self._prepare()
        query, command = self._files

        def ready() -> bool:
            try:
                return http("POST", self._url, query, HEADERS)[0] == 200
            except OSError:
                return False

        with Server(command, ready):
            return ask(self._url, query, setting, connections=self.WORKERS, warm_up=False)


def _nginx(world: World, setting, size: int) -> tuple[dict, str]:
    """Figures of a static file as long as our answer, and why there are none."""
    try:
        with _static_file(world, size) as url:
            runs = [wrk(url, setting.seconds) for _ in range(setting.runs)]
    except NotMeasured as reason:
        return {}, f"baseline not measured: {reason}"
    return {name: median([run[name] for run in runs]) for name in runs[0]}, ""


@contextmanager
def _static_file(world: World, size: int):
    """nginx with its file in memory and one worker per core, as its packagers have it."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise NotMeasured("nginx is not installed")
    folder, port = world.scratch / "nginx", world.port_base + NGINX_PORT
    (folder / "site").mkdir(parents=True, exist_ok=True)
    (folder / "site" / "answer").write_bytes(bytes(size))
    # Workers of one who has privileges would become somebody who cannot read the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX_CONFIG.format(user=user, folder=folder, port=port))
    url = f"http://127.0.0.1:{port}/answer"
    with Server([program, "-p", folder, "-c", folder / "nginx.conf"], lambda: answers(url)):
        yield url
