"""Bad input: a clear error in the right protocol's form, nothing lost, no panic."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.parse
from pathlib import Path

from client import Client
from world import StepFailed, World, check, free_base, http

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LARGE = 100 * 1024 * 1024


def refused(world: World) -> str:
    """Malformed requests of every protocol are refused in that protocol's own form."""
    issuer, count = world.issuer, 0

    def expect(what: str, answer: tuple[int, dict, bytes], statuses: tuple[int, ...], needle: str = "") -> None:
        nonlocal count
        code, _, body = answer
        check(code in statuses, f"{what}: answered {code}: {body[:200]!r}")
        check(needle.encode() in body, f"{what}: {needle!r} is not in {body[:200]!r}")
        count += 1

    gdt = next(c for c in world.demo["clients"] if c["id"] == "gdt")
    basic = {"Authorization": "Basic " + base64.b64encode(f"gdt:{gdt['secret']}".encode()).decode(), **FORM}
    wrong = {"Authorization": "Basic " + base64.b64encode(b"gdt:wrong").decode(), **FORM}
    expect("unknown client", http("POST", f"{issuer}/token", b"grant_type=client_credentials&client_id=nobody&client_secret=x",
                                  FORM), (400, 401), "invalid_client")
    expect("wrong secret", http("POST", f"{issuer}/token", b"grant_type=authorization_code&code=x", wrong), (401,),
           "invalid_client")
    expect("made-up code", http("POST", f"{issuer}/token", urllib.parse.urlencode({
        "grant_type": "authorization_code", "code": "made-up", "redirect_uri": gdt["redirect_uris"][0],
        "code_verifier": "a" * 43}).encode(), basic), (400,), "invalid_grant")
    expect("unknown request_uri", http("GET", f"{issuer}/authorize?client_id=gdt&request_uri=urn:ietf:params:oauth:request_uri:none"),
           (400,), "<html")
    expect("wrong redirect URI", http("POST", f"{issuer}/par", urllib.parse.urlencode({
        "response_type": "code", "client_id": "gdt", "redirect_uri": "https://evil.example/", "scope": "openid",
        "code_challenge": "a" * 43, "code_challenge_method": "S256"}).encode(), basic), (400,), "invalid_re")
    expect("no token at userinfo", http("GET", f"{issuer}/userinfo"), (401,))
    expect("nonsense token", http("GET", f"{issuer}/userinfo", None, {"Authorization": "Bearer a.b.c"}), (401,))
    expect("unknown page", http("GET", f"{issuer}/nowhere"), (404,), "<html")
    order = json.dumps({"profile": "tls-server", "csr": "none", "subject": {"common_name": "x.example.gov.kh"}})
    json_body = {"Content-Type": "application/json", "Idempotency-Key": "journey-nobody"}
    # Over TLS the office's certificate alone proves a name that may only read.
    expect("ca without a token", world.raw_ca("POST", "/api/v1/certificates", order.encode(), json_body),
           (403,) if world.trusted else (401,), "problems/")
    if world.trusted:
        try:
            code, _, _ = http("GET", f"{world.endpoints['ca']}/api/v1/issuers")
            raise StepFailed(f"ca answered {code} to a caller without a client certificate")
        except OSError:
            count += 1  # TLS ends in an alert
    code, headers, body = http("POST", world.endpoints["ocsp"], b"\x30\x03garbage",
                               {"Content-Type": "application/ocsp-request"})
    check(code == 200 and body == bytes.fromhex("30030a0101"), f"garbage to OCSP: {code} {body!r}")
    code, headers, body = http("POST", world.endpoints["tsa"], b"garbage", {"Content-Type": "application/timestamp-query"})
    check(code in (200, 400) and (code == 400 or body[:1] == b"0"), f"garbage to the TSA: {code} {body[:60]!r}")
    citizen = Client(issuer)
    page = citizen.get("/apply")
    expect("form without its token", http("POST", f"{issuer}/apply", b"", FORM), (400, 403))
    check(page.status == 200, "the first page of the application is gone")
    return f"{count + 2} refusals"


def large(world: World) -> str:
    """A body of 100 MB is refused by every service without taking the memory for it."""
    blob = bytes(LARGE)
    targets = [f"{world.issuer}/token", f"{world.issuer}/apply", f"{world.endpoints['ca']}/api/v1/certificates",
               world.endpoints["ocsp"], world.endpoints["tsa"]]
    for url in targets:
        try:
            code, _, _ = http("POST", url, blob, {"Content-Type": "application/octet-stream"}, timeout=60,
                              context=world.office() if url.startswith(world.endpoints["ca"]) else None)
            check(400 <= code < 500 or (code == 200 and url == world.endpoints["ocsp"]), f"{url}: {code}")
        except OSError:
            pass  # refused while we were still sending: the connection is closed
    for name in world.demo["health"]:
        world.ready(name)
        memory = _resident(world.pid(name))
        check(memory < 300, f"{name} holds {memory} MiB after a large body")
    return ", ".join(f"{name} {_resident(world.pid(name))} MiB" for name in world.demo["health"])


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def start_errors(world: World) -> str:
    """What cannot start says why in one line: a port or folder in use, no bridge, a wrong PIN, a missing token."""
    demo, elsewhere = str(world.programs / "demo"), world.work / "second"
    base = str(world.base)
    _one_line([demo, "--data", str(elsewhere), "--port-base", base], "is in use")
    _one_line([demo, "--data", str(world.data), "--port-base", base], "in use by another start")
    absent = str(world.work / "absent.sock")
    for name in world.demo["health"]:
        _one_line([str(world.programs / name), "serve", "--config", str(world.data / "romduol.toml")], absent,
                  {f"ROMDUOL__{name.upper()}__BRIDGE_SOCKET": absent})
    # A copy of the folder, on other ports, with what is wrong in it.
    for part in ("token", "secrets", "ceremony"):
        shutil.copytree(world.data / part, elsewhere / part, dirs_exist_ok=True)
    purpose = json.loads((world.data / "purpose.json").read_text())
    purpose["port_base"] = free_base()
    (elsewhere / "purpose.json").write_text(json.dumps(purpose))
    command = [demo, "--data", str(elsewhere), "--port-base", str(purpose["port_base"]), "--no-people"]
    command += ["--tls"] if purpose["tls"] else []
    command += ["--postgres", world.postgres] if purpose["postgres"] else []
    pin = elsewhere / "secrets" / "online.pin"
    right = pin.read_text()
    pin.write_text("0" * len(right.strip()))
    _one_line(command, "PIN")
    pin.write_text(right)
    shutil.rmtree(elsewhere / "token" / "tokens")
    _one_line(command, "there is no token")
    return "port, folder, three services without the bridge, PIN, token"


def _one_line(command: list[str], words: str, environment: dict | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **(environment or {})})
    what = f"{Path(command[0]).name} {' '.join(command[1:3])}"
    check(done.returncode != 0, f"{what} started")
    lines = done.stderr.strip().splitlines()
    check(len(lines) == 1 and words in lines[0], f"{what} says {lines}, not one line with {words!r}")


def quiet(world: World) -> str:
    """No program panicked, and no secret of a person is in a log."""
    secrets = [p["login"]["password"] for p in world.demo["people"] if p.get("login")]
    secrets += [p["login"]["totp_secret"] for p in world.demo["people"] if p.get("login")]
    secrets += [c["secret"] for c in world.demo["clients"] if c.get("secret")]
    secrets += ["dara@example.org", "123456789", "ដារ៉ា"]
    for log in (path for path in (world.data / "log").rglob("*") if path.is_file()):
        text = log.read_text(errors="replace")
        check("panicked" not in text, f"{log.name} tells of a panic: {text[text.find('panicked') - 200:][:500]}")
        for secret in secrets:
            check(secret not in text, f"{log.name} contains what it must not: …{secret[:3]}…")
    return f"{len(secrets)} secrets looked for"


def audit(world: World) -> str:
    """The audit chains of the provider and of the bridge are whole."""
    import judges
    settings = world.data / "romduol.toml"
    output = judges.run(world.programs / "idp", "audit", "verify", "--config", settings)
    provider = output.strip().splitlines()[-1]
    output = judges.run(world.programs / "hsm-bridge", "audit", "verify", world.data / "log" / "bridge" / "online")
    return json.dumps([provider, output.strip().splitlines()[0]])
