"""Certificates: every chain verifies, status is right and quick, nothing is to be found by a linter, keys stay inside."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import judges
from world import World, check, http

PROMISE = 2.0
# The demo looks every ten seconds, a listener every thirty.
RENEWAL = 75.0


def _request(world: World, name: str, subject: str) -> str:
    key, csr = world.work / f"{name}.key", world.work / f"{name}.csr"
    judges.run(judges.tool("openssl"), "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-keyout", key, "-out", csr, "-subj", subject)
    return csr.read_text()


def issue(world: World) -> str:
    """Certificates of each kind are issued over HTTP; a retried request gives the same one."""
    orders = {
        "citizen": {"profile": "citizen-auth", "csr": _request(world, "citizen", "/C=KH/CN=x"),
                    "subject": {"country": "KH", "common_name": "SOK DARA", "surname": "SOK", "given_name": "DARA"}},
        "server": {"profile": "tls-server", "csr": _request(world, "server", "/CN=tax.example.gov.kh"),
                   "subject": {"common_name": "tax.example.gov.kh"}, "san": [{"dns": "tax.example.gov.kh"}]},
    }
    issued = {}
    for name, order in orders.items():
        headers = {"Idempotency-Key": f"journey-{name}"}
        status, answer = world.ca("POST", "/api/v1/certificates", order, headers)
        check(status == 201, f"{name}: {status} {json.dumps(answer)[:400]}")
        status, again = world.ca("POST", "/api/v1/certificates", order, headers)
        check(status in (200, 201) and again["serial"] == answer["serial"], f"{name}: a retry made another certificate")
        path = world.work / f"{name}.pem"
        path.write_text(answer["certificate"])
        issued[name] = answer
    world.notes["issued"] = issued
    status, _ = world.ca("POST", "/api/v1/certificates", {"profile": "citizen-auth", "csr": "nonsense"},
                         {"Idempotency-Key": "journey-bad"})
    check(400 <= status < 500, f"a malformed CSR was answered with {status}")
    return ", ".join(f"{name} {answer['serial'][:8]}…" for name, answer in issued.items())


def _issuer_of(world: World, name: str) -> Path:
    return world.issuing["ca/persons/g1" if name == "citizen" else "ca/servers/g1"]


def _der_to_pem(path: Path) -> Path:
    target = path.with_suffix(".crl.pem")
    judges.run(judges.tool("openssl"), "crl", "-inform", "DER", "-in", path, "-out", target)
    return target


def chains(world: World) -> str:
    """`openssl verify` accepts every chain, with the revocation lists that the certificates name."""
    lists = []
    for path in _crls(world):
        lists.append(_der_to_pem(path))
    for path in world.issuing.values():
        judges.verify_chain(world.root, [], path, lists)
    for service in world.hierarchy["services"]:
        leaf = Path(world.demo["hierarchy"]).parent / service["certificate"]
        issuer = next(i for i in world.hierarchy["issuing"] if i["id"] == service["issuer"])
        judges.verify_chain(world.root, [world.issuing[issuer["key"]]], leaf)
    for name in world.notes["issued"]:
        judges.verify_chain(world.root, [_issuer_of(world, name)], world.work / f"{name}.pem", lists)
    return f"{len(world.issuing) + len(world.hierarchy['services']) + len(world.notes['issued'])} chains, {len(lists)} lists"


def _crls(world: World) -> list[Path]:
    """Fetches every revocation list from where certificates say it is."""
    paths = []
    for authority in [world.hierarchy["root"], *world.hierarchy["issuing"]]:
        for shard in range(authority.get("shards", 1)):
            status, headers, body = http("GET", f"{world.endpoints['crl']}/{authority['id']}/{shard}.crl")
            check(status == 200 and headers["Content-Type"] == "application/pkix-crl" and body[:1] == b"0",
                  f"list {authority['name']}/{shard}: {status} {headers.get('Content-Type')}")
            path = world.work / f"{authority['id']}-{shard}.crl"
            path.write_bytes(body)
            paths.append(path)
        status, headers, body = http("GET", f"{world.endpoints['crl'].rsplit('/', 1)[0]}/issuer/{authority['id']}.cer")
        check(status == 200 and headers["Content-Type"] == "application/pkix-cert" and body[:1] == b"0",
              f"certificate of {authority['name']}: {status} {headers.get('Content-Type')}")
    return paths


def status(world: World) -> str:
    """`openssl ocsp` says good, then revoked within two seconds of revocation, then unknown for a made-up serial."""
    url, issuer = world.endpoints["ocsp"], _issuer_of(world, "citizen")
    leaf, serial = world.work / "citizen.pem", world.notes["issued"]["citizen"]["serial"]
    for digest in ("sha1", "sha256"):
        verdict = judges.ocsp(url, issuer, world.root, certificate=leaf, digest=digest)
        check(verdict == "good", f"the live certificate is {verdict}")
    code, answer = world.ca("POST", f"/api/v1/certificates/{serial}/revocation", {"reason": "superseded"})
    revoked_at = time.monotonic()
    check(code in (200, 201, 204), f"revocation: {code} {answer}")
    while (verdict := judges.ocsp(url, issuer, world.root, certificate=leaf)) != "revoked":
        check(time.monotonic() - revoked_at < PROMISE, f"still {verdict} {PROMISE:.0f} s after revocation")
    took = time.monotonic() - revoked_at
    made_up = "1f" + "ab" * 18
    verdict = judges.ocsp(url, issuer, world.root, serial=made_up)
    check(verdict == "unknown", f"a made-up serial is {verdict}")
    shard_limit = time.monotonic() + 12
    while True:
        text = "".join(judges.run(judges.tool("openssl"), "crl", "-inform", "DER", "-in", path, "-noout", "-text")
                       for path in _crls(world))
        if serial.upper() in text:
            break
        check(time.monotonic() < shard_limit, "the revoked certificate is on no revocation list after 12 s")
        time.sleep(0.3)
    return f"revoked seen after {took * 1000:.0f} ms"


def lint(world: World) -> str:
    """pkilint finds nothing at WARNING or above in any certificate, list or OCSP answer."""
    work = []
    folder = Path(world.demo["hierarchy"]).parent
    certificates = [world.root, *world.issuing.values(),
                    *(folder / s["certificate"] for s in world.hierarchy["services"]),
                    *(world.work / f"{name}.pem" for name in world.notes["issued"])]
    signer = world.work / "official.pem"
    if (world.work / "signature.der").exists():
        output = judges.run(judges.tool("openssl"), "pkcs7", "-inform", "DER", "-in", world.work / "signature.der",
                            "-print_certs")
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", output, re.S)
        signer.write_text(blocks[0] + "\n")
        certificates.append(signer)
    work += [(judges.lint_certificate, path) for path in certificates]
    crls = _crls(world)
    root = world.hierarchy["root"]["id"]
    sample = [path for path in crls if path.name.startswith(root)] + crls[1:4] + crls[-2:]
    for path in sample:
        authorities = path.name.startswith(root)
        work.append((lambda p, a=authorities: judges.lint_crl(p, of_authorities=a), path))
    for name, serial in (("good", None), ("unknown", "1f" + "cd" * 18)):
        path = world.work / f"{name}.ocsp"
        what = ["-serial", f"0x{serial}"] if serial else ["-cert", world.work / "server.pem"]
        judges.run(judges.tool("openssl"), "ocsp", "-issuer", _issuer_of(world, "server"), *what, "-url",
                   world.endpoints["ocsp"], "-noverify", "-respout", path)
        work.append((judges.lint_ocsp, path))
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(judge, path) for judge, path in work]:
            done.result()
    return f"{len(certificates)} certificates, {len(sample)} lists, 2 answers"


def keys(world: World) -> str:
    """Reading a private or secret key out of either token fails for every key."""
    total = 0
    for token in world.demo["tokens"]:
        total += judges.key_cannot_be_read({"SOFTHSM2_CONF": token["softhsm_conf"]}, token["label"],
                                           Path(token["pin_file"]))
    text = subprocess.run(["grep", "-rlE", "BEGIN (EC |RSA )?PRIVATE KEY", str(world.data), "--include=*"],
                          capture_output=True, text=True).stdout.split()
    ours = [path for path in text if "/journey/" not in path and not path.endswith("nssf-key.pem") and "/tls/" not in path]
    check(not ours, f"private keys in files: {ours}")
    return f"{total} keys refused"


def alone(world: World) -> str:
    """With `ca` and its database gone, OCSP still answers; afterwards everything goes on."""
    told = "good and revoked, also after kill -9 of ocsp"
    if world.postgres_control:
        _server_gone(world)
        told += "; idp and ca came back by themselves when PostgreSQL did"
    world.stop_service("ca")
    database = world.data / "ca.db"
    hidden = world.data / "ca.db.hidden"
    if world.postgres_control:
        world.database("stop")
    else:
        os.rename(database, hidden)
    try:
        _status_stands(world, "with ca and its database gone")
        world.kill("ocsp")
        _status_stands(world, "after a restart of ocsp with ca and its database gone")
    finally:
        if world.postgres_control:
            world.database("start")
        else:
            os.rename(hidden, database)
        world.start_services()
    return told


def _status_stands(world: World, when: str) -> None:
    for name, issuer, wanted in (("server", "server", "good"), ("citizen", "citizen", "revoked")):
        verdict = judges.ocsp(world.endpoints["ocsp"], _issuer_of(world, issuer), world.root,
                              certificate=world.work / f"{name}.pem")
        check(verdict == wanted, f"{when} the certificate {name}.pem is {verdict}")


def _server_gone(world: World) -> None:
    """The PostgreSQL server stops under the running services and comes back."""
    before = {name: world.pid(name) for name in world.demo["health"]}
    world.database("stop")
    try:
        _status_stands(world, "with the database server stopped")
        for name in ("ca", "idp"):
            code = http("GET", world.demo["health"][name] + "/health/ready", timeout=20)[0]
            check(code == 503, f"{name} says {code} about its readiness without a database")
        code = http("POST", f"{world.issuer}/token", b"grant_type=client_credentials&client_id=gdt&client_secret=x",
                    {"Content-Type": "application/x-www-form-urlencoded"}, timeout=60)[0]
        check(code in (500, 503), f"idp answers {code} to what it cannot look up")
    finally:
        world.database("start")
    for name in world.demo["health"]:
        world.ready(name)
    check(before == {name: world.pid(name) for name in before}, "a service was started again when the database came back")
    serial = world.notes["issued"]["server"]["serial"]
    code, _ = world.ca("GET", f"/api/v1/certificates/{serial}")
    check(code == 200, f"after the database came back ca answers {code}")


def renewed(world: World) -> str:
    """TLS certificates are renewed while everything runs: the services show the new ones and are not started again."""
    address = {name: urllib.parse.urlsplit(world.endpoints[name]) for name in ("idp", "ca")}

    def shown(name: str) -> bytes:
        with socket.create_connection((address[name].hostname, address[name].port), timeout=10) as plain:
            with world.office().wrap_socket(plain, server_hostname=address[name].hostname) as tls:
                return tls.getpeercert(binary_form=True)

    pids = {name: world.pid(name) for name in world.demo["health"]}
    before = {name: shown(name) for name in address}
    # The way a certificate that is past half of its life is treated, without waiting for that.
    for name in (*address, "idp-client", "ocsp-client"):
        (world.data / "tls" / f"{name}.pem").unlink()
    end = time.monotonic() + RENEWAL
    while any(shown(name) == before[name] for name in address):
        check(time.monotonic() < end, f"no new certificate is shown after {RENEWAL:.0f} s")
        time.sleep(0.5)
    for name in address:
        path = world.work / f"tls-{name}.pem"
        path.write_text(ssl.DER_cert_to_PEM_cert(shown(name)))
        judges.verify_chain(world.root, [_issuer_of(world, "server")], path)
    check(pids == {name: world.pid(name) for name in pids}, "a service was started again")
    return "idp and ca show new certificates, in the same processes"


def killed(world: World) -> str:
    """kill -9 of each service in mid-work loses nothing that was acknowledged."""
    csr = [_request(world, f"load{index}", "/CN=load.example.gov.kh") for index in range(12)]
    acknowledged: dict[str, str] = {}

    def order(index: int) -> None:
        body = {"profile": "tls-server", "csr": csr[index],
                "subject": {"common_name": f"n{index}.example.gov.kh"}, "san": [{"dns": f"n{index}.example.gov.kh"}]}
        for _try in range(60):
            try:
                code, answer = world.ca("POST", "/api/v1/certificates", body, {"Idempotency-Key": f"kill-{index}"})
            except Exception:
                time.sleep(0.2)
                continue
            if code == 201 or code == 200:
                acknowledged[f"kill-{index}"] = answer["serial"]
                return
            time.sleep(0.2)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(order, index) for index in range(len(csr))]
        for name in ("ca", "idp", "hsm-bridge", "ocsp"):
            time.sleep(0.3)
            world.kill(name)
        for done in work:
            done.result()
    for name in world.demo["health"]:
        world.ready(name)
    check(len(acknowledged) == len(csr), f"{len(acknowledged)} of {len(csr)} orders were acknowledged in the end")
    check(len(set(acknowledged.values())) == len(csr), "two orders got the same certificate")
    for key, serial in acknowledged.items():
        code, answer = world.ca("GET", f"/api/v1/certificates/{serial}")
        check(code == 200 and answer["serial"] == serial, f"acknowledged certificate {serial} is lost ({code})")
        limit = time.monotonic() + 10
        while judges.ocsp(world.endpoints["ocsp"], _issuer_of(world, "server"), world.root, serial=serial) != "good":
            check(time.monotonic() < limit, f"acknowledged certificate {serial} is not good")
            time.sleep(0.2)
    return f"{len(acknowledged)} certificates acknowledged around four kills, none lost"
