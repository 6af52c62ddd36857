"""Malformed certification requests, tokens, OCSP and time-stamp requests."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import jose
import wire
from checks import Report, expect, same
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from house import House
from provider import RelyingParty

SEED = 20261122
MUTATIONS = 300
OCSP_REQUEST, OCSP_RESPONSE = "application/ocsp-request", "application/ocsp-response"
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
PROBLEM = "application/problem+json"
JSON = "application/json"
MALFORMED, UNAUTHORIZED = 1, 6

# Length lies, indefinite lengths, foreign types, deep nesting, nothing at all.
GARBAGE = [b"", b"\x00", b"\x30", b"\x30\x80", b"\x30\x80\x00\x00", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff",
           b"\x30\x82\xff\xff" + b"A" * 100, b"\x30\x03garbage", b"garbage", b"\xff" * 64, b"\x30" * 3000,
           b"\x30\x0b" * 2000, b"\x04\x03abc", b"\x30\x05\x02\x03\x01\x00", b"<html></html>", b"{}", b"\x1f\x8b\x08",
           b"\x30\x88\x00\x00\x00\x00\x00\x00\x00\x02\x05\x00", "អុំ".encode() * 50]


def mutate(noise: random.Random, data: bytes) -> bytes:
    """Bits flipped, bytes cut, doubled or put in, lengths that lie."""
    out = bytearray(data)
    for _ in range(noise.randint(1, 4)):
        at = noise.randrange(len(out)) if out else 0
        match noise.randrange(6):
            case 0 if out:
                out[at] ^= 1 << noise.randrange(8)
            case 1:
                del out[at:]
            case 2:
                out[at:at] = noise.randbytes(noise.randint(1, 8))
            case 3 if out:
                out[at] = noise.choice((0x00, 0x30, 0x80, 0x84, 0xFF))
            case 4:
                out += noise.randbytes(noise.randint(1, 20))
            case _:
                del out[at:at + noise.randint(1, 5)]
    return bytes(out)


def problem(answer: wire.Answer, *statuses: int) -> None:
    """RFC 9457, and nothing of our inside in it."""
    expect(answer.status in (statuses or range(400, 500)), f"answered {answer.brief()}")
    same(answer.kind, PROBLEM, f"media type of {answer.brief()}")
    body = answer.json
    same(body["status"], answer.status, "status in the body")
    expect("/problems/" in body["type"] and body["title"], f"body {body}")
    for word in ("panicked", "src/", "SELECT ", "diesel", "/tmp/"):
        expect(word not in answer.text, f"{word!r} in {answer.brief()}")


def run(house: House, report: Report) -> None:
    requests_for_certificates(house, report)
    bearers(house, report)
    status(house, report)
    stamps(house, report)


def _pem(key, name: str = "host.example", algorithm=None) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, algorithm or hashes.SHA256()) \
        .public_bytes(serialization.Encoding.PEM)


def requests_for_certificates(house: House, report: Report) -> None:
    metadata = wire.call("GET", house.issuer + "/.well-known/openid-configuration").json
    answer = RelyingParty(house, "ca-officer", metadata).post("token_endpoint", {
        "grant_type": "client_credentials", "scope": "ca.issue ca.read", "resource": house.endpoints["ca"]})
    token = answer.json["access_token"]
    url = house.endpoints["ca"] + "/api/v1/certificates"
    noise = random.Random(SEED)

    def order(body: bytes, **headers: str) -> wire.Answer:
        return wire.call("POST", url, body, {"Authorization": f"Bearer {token}", "Content-Type": JSON,
                                             "Idempotency-Key": f"hostile-{noise.getrandbits(64):x}", **headers})

    def with_csr(csr: str | bytes) -> wire.Answer:
        text = csr.decode("latin-1") if isinstance(csr, bytes) else csr
        return order(json.dumps({"profile": "tls-server", "csr": text, "san": [{"dns": "host.example"}],
                                 "subject": {"common_name": "host.example"}}).encode())

    key = ec.generate_private_key(ec.SECP256R1())
    der = x509.load_pem_x509_csr(_pem(key)).public_bytes(serialization.Encoding.DER)

    def armoured(data: bytes) -> str:
        body = base64.encodebytes(data).decode()
        return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"

    with report.check(f"ca: certification requests that are none, and {MUTATIONS} mutations of a sound one"):
        for case in [armoured(g) for g in GARBAGE] + ["", "x", "-----BEGIN CERTIFICATE REQUEST-----", _pem(key)[:-40],
                                                      _pem(key).replace(b"REQUEST", b"REQUESTX"), "\x00" * 50,
                                                      armoured(b"\x30" * 150_000), _pem(key) * 2]:
            problem(with_csr(case), 400, 413, 422)
        for _ in range(MUTATIONS):
            problem(with_csr(armoured(mutate(noise, der))), 400, 403, 422)
    with report.check("ca: proof of possession by another key, weak and odd keys"):
        other = ec.generate_private_key(ec.SECP256R1())
        swapped = der.replace(key.public_key().public_bytes(serialization.Encoding.X962,
                                                            serialization.PublicFormat.UncompressedPoint),
                              other.public_key().public_bytes(serialization.Encoding.X962,
                                                              serialization.PublicFormat.UncompressedPoint))
        problem(with_csr(armoured(swapped)), 400, 422)
        for weak in (rsa.generate_private_key(65537, 1024), rsa.generate_private_key(3, 1024),
                     ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP521R1()),
                     ec.generate_private_key(ec.BrainpoolP256R1())):
            problem(with_csr(_pem(weak)), 400, 403, 422)
        for authority in house.facts["issuing"]:
            certificate = x509.load_pem_x509_certificate(Path(authority["certificate"]).read_bytes())
            spki = certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                         serialization.PublicFormat.SubjectPublicKeyInfo)
            body = {"profile": "tls-server", "public_key": base64.b64encode(spki).decode(),
                    "san": [{"dns": "host.example"}], "subject": {"common_name": "host.example"}}
            problem(order(json.dumps(body).encode()), 400, 403, 409, 422)
    with report.check("ca: JSON that is deep, broken, of wrong types, repeated, not UTF-8, of another media type"):
        for body in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b"",
                     b"null", b"[]", b"1e999", b'"x"', b"{", b'{"profile":1}', b'{"profile":"tls-server","x":1}',
                     b'{"profile":"root"}', b'{"profile":"nothing"}', b'{"profile":"tls-server","profile":"root"}',
                     b'\xff\xfe{}', b'{"profile":"tls-server","csr":"' + b"\\u0000" * 1000 + b'"}',
                     b'{"profile":"tls-server","san":' + b"[" * 500 + b"]" * 500 + b"}", b"\xef\xbb\xbf{}"):
            problem(order(body), 400, 403, 413, 422)
        problem(order(b"{}", **{"Content-Type": "text/plain"}), 400, 415, 422)
        problem(order(b'{"profile":"tls-server"}', **{"Idempotency-Key": "x" * 5000}), 400, 422)
        problem(order(b'{"profile":"tls-server"}', **{"Idempotency-Key": "ខ្មែរ".encode().decode("latin-1")}), 400, 422)
    with report.check("ca: serial numbers, pages and identifiers that are none"):
        for path in ("/api/v1/certificates/zz", "/api/v1/certificates/" + "f" * 4000, "/api/v1/certificates/%00",
                     "/api/v1/certificates/..%2f..", "/api/v1/certificates/-1", "/api/v1/certificates/01" + "ab" * 19):
            problem(wire.call("GET", house.endpoints["ca"] + path, headers={"Authorization": f"Bearer {token}"}))
        for query in ("after=-1", "after=x", "after=99999999999999999999", "limit=0&after=x", "after=1&after=2&limit=-5"):
            answer = wire.call("GET", f"{house.endpoints['ca']}/api/v1/status-log?{query}",
                               headers={"Authorization": f"Bearer {token}"})
            expect(answer.status < 500, f"{query}: {answer.brief()}")
            if answer.status != 200:
                problem(answer)


def bearers(house: House, report: Report) -> None:
    ca = house.endpoints["ca"]
    now = int(time.time())
    claims = {"iss": house.issuer, "aud": ca, "sub": "ca-officer", "client_id": "ca-officer", "scope": "ca.issue",
              "iat": now, "exp": now + 60, "jti": "x"}
    peer = {"iss": "idp", "sub": "idp", "aud": ca, "iat": now, "exp": now + 30, "jti": "y"}
    foreign, curve = jose.new_key(), jose.new_key("p256")
    with report.check("tokens that are none, unsigned, of a foreign key or nested deep: 401 as the protocol has it"):
        tokens = ["", "x", ".", "..", "a.b.c", "A" * 30_000, jose.unsigned(claims), jose.unsigned(claims, "ES256"),
                  jose.sign(claims, foreign, {"typ": "at+jwt"}), jose.sign(claims, curve, {"typ": "at+jwt"}),
                  jose.sign(peer, curve, {"typ": "peer+jwt"}), jose.sign(peer, curve, {"typ": "peer+jwt", "kid": "../x"}),
                  jose.hs256(claims, b"secret", {"typ": "at+jwt"}), jose.unsigned({"a": 1}) + "x",
                  jose.b64(b"[" * 20_000) + ".e30.x", jose.b64(b'{"alg":"ES256","crit":["x"]}') + ".e30.x",
                  jose.b64(b'{"alg":' + b'{"a":' * 5000 + b"1" + b"}" * 5001) + ".e30.x", "e30.e30.e30",
                  jose.b64(b"\xff\xfe") + ".." + "A" * 86]
        for token in tokens:
            for header in (f"Bearer {token}", f"bearer {token}"):
                answer = wire.call("GET", ca + "/api/v1/status-log?after=0", headers={"Authorization": header})
                problem(answer, 400, 401, 431)
                if answer.status == 401:
                    expect(answer.header("WWW-Authenticate").startswith("Bearer"), f"no challenge for {token[:30]!r}")
            answer = wire.call("GET", house.issuer + "/userinfo", headers={"Authorization": f"Bearer {token}"})
            expect(answer.status in (400, 401, 431), f"userinfo: {answer.brief()}")
        for header in ("Basic eDp5", "Negotiate x", "Bearer", "Bearer a b c"):
            problem(wire.call("GET", ca + "/api/v1/status-log?after=0", headers={"Authorization": header}), 400, 401)


def status(house: House, report: Report) -> None:
    url = house.endpoints["ocsp"]
    noise = random.Random(SEED)
    issuers = [x509.load_pem_x509_certificate(Path(i["certificate"]).read_bytes()) for i in house.facts["issuing"]]

    def sound(algorithm=hashes.SHA256(), nonce: bytes | None = None, serial: int = 0x01AB) -> bytes:
        issuer = issuers[0]
        name = hashes.Hash(algorithm)
        name.update(issuer.subject.public_bytes())
        key = hashes.Hash(algorithm)
        key.update(issuer.public_key().public_bytes(serialization.Encoding.X962,
                                                    serialization.PublicFormat.UncompressedPoint))
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name.finalize(), key.finalize(), serial, algorithm)
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(serialization.Encoding.DER)

    def verdict(answer: wire.Answer) -> int:
        """The status of an OCSPResponse; its certificate statuses are looked at elsewhere."""
        same((answer.status, answer.kind), (200, OCSP_RESPONSE), f"form of {answer.brief()}")
        return ocsp.load_der_ocsp_response(answer.body).response_status.value

    def post(body: bytes, kind: str = OCSP_REQUEST) -> wire.Answer:
        return wire.call("POST", url, body, {"Content-Type": kind})

    with report.check(f"ocsp: {len(GARBAGE)} requests that are none are malformedRequest"):
        for case in GARBAGE:
            same(verdict(post(case)), MALFORMED, f"status for {case[:20]!r}")
    with report.check(f"ocsp: {MUTATIONS} mutations of a sound request never say good"):
        request = sound()
        for _ in range(MUTATIONS):
            answer = post(mutate(noise, request))
            if verdict(answer) == 0:
                found = ocsp.load_der_ocsp_response(answer.body).certificate_status
                expect(found != ocsp.OCSPCertStatus.GOOD, "good for a serial number that was never issued")
    with report.check("ocsp: every spelling of a GET is the same request"):
        encoded = base64.b64encode(sound(serial=0x01FFFBFE)).decode()
        quoted = urllib.parse.quote(encoded, safe="")
        spelled = [encoded, quoted, quoted.lower() if quoted.lower() == quoted else quoted, encoded.rstrip("="),
                   encoded.replace("+", "%2b"), encoded.replace("/", "%2f"), "/" + encoded, "".join(
                       f"%{ord(c):02X}" for c in encoded)]
        for text in spelled:
            answer = wire.call("GET", f"{url}/{text}")
            same(verdict(answer), 0, f"status for {text[:30]!r}")
            same(ocsp.load_der_ocsp_response(answer.body).serial_number, 0x01FFFBFE, "serial number")
    with report.check("ocsp: GET paths that are no request are malformedRequest"):
        for path in ("", "/", "//", "/%", "/%zz", "/%00", "/=", "/====", "/MA", "/" + "A" * 4000, "/..%2f..%2fetc",
                     "/MAo?x=1", "/%F0%9F%98%80", "/" + "%2f" * 500):
            answer = wire.call("GET", url + path)
            if answer.kind == OCSP_RESPONSE:
                same(verdict(answer), MALFORMED, f"status for {path[:20]!r}")
            else:
                expect(400 <= answer.status < 500, f"{path[:20]!r}: {answer.brief()}")
    with report.check("ocsp: nonces of 1, 32 and 128 octets, other digests, the empty nonce"):
        for size in (1, 32, 128):
            nonce = noise.randbytes(size)
            answer = post(sound(nonce=nonce))
            if verdict(answer) == 0:
                back = ocsp.load_der_ocsp_response(answer.body).extensions.get_extension_for_class(x509.OCSPNonce)
                same(back.value.nonce, nonce, "nonce")
            else:
                expect(size > 32, f"a nonce of {size} octets is refused")
        expect(verdict(post(sound(nonce=b""))) in (0, MALFORMED), "the empty nonce")
        for algorithm in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
            expect(verdict(post(sound(algorithm))) in (0, UNAUTHORIZED), algorithm.name)
    with report.check("ocsp: an issuer that is not ours is unauthorized"):
        foreign = ocsp.OCSPRequestBuilder().add_certificate_by_hash(b"\1" * 32, b"\2" * 32, 1, hashes.SHA256()).build()
        same(verdict(post(foreign.public_bytes(serialization.Encoding.DER))), UNAUTHORIZED, "status")
    with report.check("ocsp: lists and certificates that are not there"):
        base = url.rsplit("/", 1)[0]
        for path in ("/crl/x/0.crl", "/crl/" + "ab" * 16 + "/0.crl", "/crl/../../etc/passwd", "/crl/%2e%2e/%2e%2e",
                     "/issuer/..%2f..%2fx.cer", "/issuer/" + "a" * 3000 + ".cer", "/crl/" + "ab" * 16 + "/-1.crl"):
            problem(wire.call("GET", base + path), 400, 404)


def stamps(house: House, report: Report) -> None:
    url = house.endpoints["tsa"]
    noise = random.Random(SEED)

    def query(*arguments: str) -> bytes:
        with tempfile.NamedTemporaryFile() as data:
            data.write(b"data")
            data.flush()
            return subprocess.run(["openssl", "ts", "-query", "-data", data.name, *arguments], capture_output=True,
                                  check=True).stdout

    def granted(answer: wire.Answer) -> bool:
        """PKIStatusInfo of a TimeStampResp (RFC 3161 §2.4.2): SEQUENCE { SEQUENCE { INTEGER status ..."""
        same((answer.status, answer.kind), (200, REPLY), f"form of {answer.brief()}")
        content = answer.body
        for _ in range(2):
            expect(content[:1] == b"\x30", f"no TimeStampResp: {answer.body[:20]!r}")
            content = content[2 + (content[1] & 0x7F if content[1] & 0x80 else 0):]
        expect(content[:2] == b"\x02\x01", f"no PKIStatusInfo: {answer.body[:20]!r}")
        expect(content[2] in (0, 2), f"status {content[2]}")
        return content[2] == 0

    def ask(body: bytes, kind: str = QUERY) -> wire.Answer:
        return wire.call("POST", url, body, {"Content-Type": kind})

    with report.check(f"tsa: {len(GARBAGE)} queries that are none are rejected in a TimeStampResp"):
        for case in GARBAGE:
            expect(not granted(ask(case)), f"granted for {case[:20]!r}")
    with report.check(f"tsa: {MUTATIONS} mutations of a sound query, each granted or rejected"):
        sound = query("-sha256", "-cert")
        expect(granted(ask(sound)), "the sound query is rejected")
        for _ in range(MUTATIONS):
            granted(ask(mutate(noise, sound)))
    with report.check("tsa: SHA-1 and MD5, a foreign policy, another media type, GET"):
        for weak in ("-sha1", "-md5"):
            expect(not granted(ask(query(weak))), f"{weak} is stamped")
        expect(not granted(ask(query("-sha256", "-tspolicy", "1.2.3.4"))), "a foreign policy is granted")
        problem(ask(query("-sha256"), "text/plain"), 415)
        problem(wire.call("GET", url), 404, 405)
