"""The identity provider beside node-oidc-provider: tokens, flows, pages for machines, memory, start."""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from contextlib import ExitStack

import people
from load import wrk
from peers.oidc_provider import NAME as PEER_NAME
from peers.oidc_provider import Peer
from table import Figures, NotMeasured, Row, median, notes, row, take
from world import Server, World, answers, basic, http, memory_mib

FLOW_CONNECTIONS = 16
WARM_UP_SECONDS = 1
# Ports of a second provider that only starts.
START_PORT = 43
START_ADMIN_PORT = 44
START_RUNS = 5
FORM = "application/x-www-form-urlencoded"
IN_MEMORY = "the baseline keeps all in memory, in one process, with a key in memory"


def measure(world: World, setting) -> list[Row]:
    issuer = world.demo["issuer"]
    idle, start = _fresh(world)
    with ExitStack() as running:
        peer = Peer(world, running)
        rows = _discovery(issuer, peer, setting) + _machine(world, issuer, peer, setting)
        rows += _introspection(world, issuer, peer, setting) + _flow(world, peer, setting)
        loaded = memory_mib(world.pid("idp"))
        rows += _size(idle, start, loaded, peer)
    return rows


def _discovery(issuer: str, peer: Peer, setting) -> list[Row]:
    path = "/.well-known/openid-configuration"
    ours, theirs, missing = take(setting.runs, lambda: wrk(issuer + path, setting.seconds),
                                 lambda: wrk(peer.issuer + path, setting.seconds))
    return _pair("idp.discovery", ours, theirs, missing)


def _machine(world: World, issuer: str, peer: Peer, setting) -> list[Row]:
    officer = world.client("ca-officer")

    def ours() -> Figures:
        return _tokens(issuer + "/token", officer["id"], officer["secret"], {}, setting)

    def theirs() -> Figures:
        address = peer.issuer + "/token"
        return _tokens(address, peer.client_id, peer.client_secret, {"resource": peer.resource}, setting)

    note = "ES256 by a key in the token, recorded and audited; " + IN_MEMORY
    return _pair("idp.client_credentials", *take(setting.runs, ours, theirs), note)


def _introspection(world: World, issuer: str, peer: Peer, setting) -> list[Row]:
    officer = world.client("ca-officer")

    def ours() -> Figures:
        return _asked(issuer + "/introspect", officer["id"], officer["secret"], world.officer_token(), setting)

    def theirs() -> Figures:
        address = peer.issuer + "/token/introspection"
        return _asked(address, peer.client_id, peer.client_secret, peer.token(), setting)

    note = "of a signed token, looked up in the database; the baseline's is opaque, in memory"
    return _pair("idp.introspect", *take(setting.runs, ours, theirs), note)


def _asked(url: str, identifier: str, secret: str, token: str, setting) -> Figures:
    body = urllib.parse.urlencode({"token": token}).encode()
    headers = {"Content-Type": FORM, "Authorization": basic(identifier, secret)}
    status, answer = http("POST", url, body, headers)
    if status != 200 or not json.loads(answer)["active"]:
        raise NotMeasured(f"a live token is not active: {status}")
    return wrk(url, setting.seconds, method="POST", headers=headers, bodies=[body])


def _tokens(url: str, identifier: str, secret: str, more: dict[str, str], setting) -> Figures:
    body = urllib.parse.urlencode({"grant_type": "client_credentials", **more}).encode()
    headers = {"Content-Type": FORM, "Authorization": basic(identifier, secret)}
    return wrk(url, setting.seconds, method="POST", headers=headers, bodies=[body])


def _flow(world: World, peer: Peer, setting) -> list[Row]:
    order = people.flow_order(world)
    shape = {"connections": FLOW_CONNECTIONS, "seconds": setting.seconds, "warm_up_seconds": WARM_UP_SECONDS}

    def ours() -> Figures:
        return people.flows(world, {**order, **shape})

    def theirs() -> Figures:
        return people.flows(world, {**peer.flow_order(), **shape})

    note = (f"PAR, authorize with a session, token, userinfo; {FLOW_CONNECTIONS} connections; all durable and audited; "
            + IN_MEMORY)
    return _pair("idp.code_flow", *take(setting.runs, ours, theirs), note)


def _pair(name: str, ours: Figures, theirs: Figures, missing: str, note: str = "") -> list[Row]:
    return [
        row(name, ours["rate"], "1/s", PEER_NAME, theirs.get("rate"), notes(note, missing)),
        row(f"{name}.p99", ours["p99"], "ms", PEER_NAME, theirs.get("p99"), notes("under the same load", missing)),
    ]


def _fresh(world: World) -> tuple[float, float]:
    """Idle memory and milliseconds to readiness of a provider that is started beside the running one."""
    settings = world.demo["data"] + "/romduol.toml"
    port, admin = world.port_base + START_PORT, world.port_base + START_ADMIN_PORT
    environment = {**os.environ, "ROMDUOL__IDP__LISTENER__ADDRESS": f"127.0.0.1:{port}",
                   "ROMDUOL__IDP__MONITOR__ADDRESS": f"127.0.0.1:{admin}"}
    memories, times = [], []
    for _ in range(START_RUNS):
        began = time.monotonic()
        with Server([world.program("idp"), "serve", "--config", settings],
                    lambda: answers(f"http://127.0.0.1:{admin}/health/ready"), env=environment) as process:
            times.append((time.monotonic() - began) * 1e3)
            memories.append(memory_mib(process.pid))
    return median(memories), median(times)


def _size(idle: float, start: float, loaded: float, peer: Peer) -> list[Row]:
    try:
        figures = peer.size()
        missing = ""
    except NotMeasured as reason:
        figures, missing = {}, f"baseline not measured: {reason}"
    return [
        row("idp.rss", loaded, "MiB", PEER_NAME, figures.get("loaded"),
            notes(f"resident after the load above; idle {idle:.0f} MiB", missing)),
        row("idp.start", start, "ms", PEER_NAME, figures.get("start"),
            notes("from the start of the process to readiness, keys in the token checked", missing)),
    ]
