"""Load by `wrk`, told what to send by a file, so that no token stands in its arguments."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from table import Figures, NotMeasured

SCRIPT = Path(__file__).with_name("load.lua")
# One thread of wrk sends more than two cores answer; a second one would take their time.
THREADS = 1
CONNECTIONS = 32
WARM_UP_SECONDS = 1
# How much longer than its time a run may take.
GRACE_SECONDS = 30


def _lua_string(value: bytes) -> str:
    return '"' + "".join(f"\\{octet:03d}" for octet in value) + '"'


def _lua(order: dict) -> str:
    headers = "".join(f"[{_lua_string(k.encode())}]={_lua_string(v.encode())}," for k, v in order["headers"].items())
    bodies = "".join(_lua_string(body) + "," for body in order["bodies"])
    nonce = "true" if order["nonce"] else "false"
    return f'return {{method="{order["method"]}",nonce={nonce},headers={{{headers}}},bodies={{{bodies}}}}}\n'


def wrk(url: str, seconds: int, *, method: str = "GET", headers: dict[str, str] | None = None,
        bodies: list[bytes] | None = None, nonce: bool = False, connections: int = CONNECTIONS,
        warm_up: bool = True) -> Figures:
    """Requests a second and latencies in ms. `nonce` makes the last octets of the body new in every request."""
    order = {"method": method, "headers": headers or {}, "bodies": bodies or [], "nonce": nonce}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "order.lua")
        file.touch(mode=0o600)
        file.write_text(_lua(order))
        if warm_up:
            _once(url, WARM_UP_SECONDS, connections, file)
        answer = _once(url, seconds, connections, file)
    if answer["refused"]:
        raise NotMeasured(f"{answer['refused']} of {answer['requests']} requests to {url} were refused")
    # A server that closes each connection makes wrk count the last ones as broken.
    if not answer["requests"] or answer["broken"] > answer["requests"] / 100:
        raise NotMeasured(f"{answer['broken']} of {answer['requests']} requests to {url} broke")
    return {"rate": answer["requests"] * 1e6 / answer["microseconds"], "p50": answer["p50_us"] / 1e3,
            "p99": answer["p99_us"] / 1e3}


def _once(url: str, seconds: int, connections: int, order: Path) -> dict:
    command = ["wrk", "-t", str(THREADS), "-c", str(connections), "-d", f"{seconds}s", "-s", str(SCRIPT), url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "BENCH_ORDER": str(order)},
                              timeout=seconds + GRACE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"wrk: {error}") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise NotMeasured(f"wrk: {(done.stderr or done.stdout).strip()[-300:]}")
    return json.loads(lines[-1])
