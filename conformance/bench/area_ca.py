"""Issuance over HTTP: linted, durable, audited, signed in the token."""

from __future__ import annotations

import json
import time
from pathlib import Path

import keys
from area_hsm import token_rate
from load import wrk
from table import Row, median, notes, row, take
from world import World

# Orders for different keys that take turns.
ORDERS = 100
OPENSSL_CERTIFICATES = 400
OPENSSL_CONFIG = """
[ca]
default_ca = own
[own]
new_certs_dir = {folder}/new
database = {folder}/index.txt
rand_serial = yes
certificate = {certificate}
private_key = {key}
default_md = sha256
default_days = 10
unique_subject = no
policy = any
[any]
commonName = supplied
countryName = optional
"""


def measure(world: World, setting) -> list[Row]:
    url = world.demo["endpoints"]["ca"] + "/api/v1/certificates"
    orders = [_order(world, f"n{number}.bench.example.gov.kh") for number in range(ORDERS)]
    bare = token_rate(world, setting)

    def ours() -> dict:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {world.officer_token()}"}
        return wrk(url, setting.seconds, method="POST", headers=headers, bodies=orders)

    figures, peer, missing = take(setting.runs, ours, _OpensslCa(world).rate)
    note = "POST /certificates by access token; linted, intent and certificate durable, audited, in SQLite"
    return [
        row("ca.issue.p256", figures["rate"], "1/s", "bare token signatures", bare, note),
        row("ca.issue.p256.p99", figures["p99"], "ms", note="under the same load"),
        row("ca.issue.openssl", figures["rate"], "1/s", "openssl ca", peer.get("rate"),
            notes("the baseline is one process with a list of requests and a key in memory; no lint, no audit", missing)),
    ]


def _order(world: World, name: str) -> bytes:
    order = {"profile": "tls-server", "subject": {"common_name": name}, "public_key": keys.public_key(world),
             "san": [{"dns": name}]}
    return json.dumps(order).encode()


class _OpensslCa:
    """`openssl ca` with many requests in one call."""

    def __init__(self, world: World):
        self._world, self._requests = world, None
        self._folder = world.scratch / "openssl-ca"

    def _prepare(self) -> None:
        self._folder.mkdir(exist_ok=True)
        (self._folder / "new").mkdir(exist_ok=True)
        certificate, key = keys.authority(self._world, self._folder / "ca")
        config = OPENSSL_CONFIG.format(folder=self._folder, certificate=certificate, key=key)
        (self._folder / "openssl.cnf").write_text(config)
        request = keys.csr(self._world, self._folder / "request.csr", "n.example.gov.kh")
        self._requests: list[Path] = [request] * OPENSSL_CERTIFICATES

    def rate(self) -> dict:
        if self._requests is None:
            self._prepare()
        (self._folder / "index.txt").write_text("")
        began = time.monotonic()
        self._world.openssl("ca", "-batch", "-notext", "-config", self._folder / "openssl.cnf", "-infiles", *self._requests)
        return {"rate": OPENSSL_CERTIFICATES / (time.monotonic() - began)}
