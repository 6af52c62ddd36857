"""Time-stamps over HTTP (RFC 3161), each with a durable record, signed in the token."""

from __future__ import annotations

from area_hsm import token_rate
from load import wrk
from table import NotMeasured, Row, row, take
from world import World, http

HEADERS = {"Content-Type": "application/timestamp-query"}


def measure(world: World, setting) -> list[Row]:
    url = world.demo["endpoints"]["tsa"]
    query, reply = world.scratch / "stamp.tsq", world.scratch / "stamp.tsr"
    world.openssl("ts", "-query", "-digest", "5a" * 32, "-sha256", "-cert", "-out", query)
    status, answer = http("POST", url, query.read_bytes(), HEADERS)
    reply.write_bytes(answer)
    text = world.openssl("ts", "-reply", "-in", reply, "-text").decode(errors="replace")
    if status != 200 or "Status: Granted." not in text:
        raise NotMeasured(f"no time-stamp: {status} {text[:200]}")
    bare = token_rate(world, setting)
    figures, _, _ = take(setting.runs, lambda: wrk(url, setting.seconds, method="POST", headers=HEADERS,
                                                   bodies=[query.read_bytes()]), None)
    return [
        row("tsa.p256", figures["rate"], "1/s", "bare token signatures", bare,
            "POST /tsa with the certificate in the answer; each stamp recorded and audited before it is signed"),
        row("tsa.p256.p99", figures["p99"], "ms", note="under the same load"),
    ]
