"""Document signing over HTTP: prepared, released by a passkey, signed in the token, each step durable and audited."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.parse
from pathlib import Path

import keys
import people  # noqa: F401  (finds the journey's modules)
from material import pdf
from table import Figures, NotMeasured, Row, row, take
from world import World

CONNECTIONS = 8
WARM_UP_SECONDS = 1
PYHANKO_DOCUMENTS = 60
PYHANKO = Path(__file__).parent / "peers" / "pyhanko_signing.py"
LEVELS = {"sign.pades_bb.1p": "b-b", "sign.pades_bt.1p": "b-t"}


def measure(world: World, setting) -> list[Row]:
    document = pdf("Bench")
    rows = []
    for name, level in LEVELS.items():
        baseline = (lambda: _pyhanko(world, document)) if level == "b-b" else None
        figures, peer, missing = take(setting.runs, lambda: _ours(world, document, level, setting), baseline)
        note = (f"POST document, passkey assertion, POST signature; {CONNECTIONS} connections; two peer tokens a document "
                "are signed in the same token")
        if level == "b-b":
            peer_note = missing or "the baseline signs with a key in memory, one thread"
        else:
            peer_note = "baseline not measured: it would need an authority of its own for time-stamps"
        rows.append(row(name, figures["rate"], "1/s", "pyHanko", peer.get("rate"), f"{note}; {peer_note}"))
        rows.append(row(f"{name}.p99", figures["p99"], "ms", note="under the same load"))
    return rows


def _ours(world: World, document: bytes, level: str, setting) -> Figures:
    ca = world.demo["endpoints"]["ca"]
    host = urllib.parse.urlsplit(ca).netloc
    order = {
        "address": host.replace("localhost", "127.0.0.1"), "host": host, "audience": ca, "rp_id": "localhost",
        "origin": world.demo["issuer"], "level": level, "bridge_socket": world.demo["processes"] + "/bridge-idp.sock",
        "document": base64.b64encode(document).decode(), "connections": CONNECTIONS, "seconds": setting.seconds,
        "warm_up_seconds": WARM_UP_SECONDS,
    }
    return people.load(world, "document-signing", order)


def _pyhanko(world: World, document: bytes) -> Figures:
    """The judges' interpreter, which has pyHanko, signs the same document again and again."""
    judges = os.environ.get("ROMDUOL_JUDGES")
    python = shutil.which("python", path=judges) if judges else None
    if python is None:
        raise NotMeasured("pyHanko is not installed")
    folder = world.scratch / "pyhanko"
    folder.mkdir(exist_ok=True)
    certificate, key = keys.authority(world, folder / "signer")
    (folder / "document.pdf").write_bytes(document)
    done = subprocess.run([python, PYHANKO, folder / "document.pdf", certificate, key, str(PYHANKO_DOCUMENTS)],
                          capture_output=True, text=True)
    if done.returncode:
        raise NotMeasured(f"pyHanko: {done.stderr.strip()[-200:]}")
    return {"rate": json.loads(done.stdout)["rate"]}
