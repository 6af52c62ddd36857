"""HTTP itself: bodies that never end, heads that never end, requests that are two, clients that never finish."""

from __future__ import annotations

import socket
import time
import urllib.parse

import wire
from checks import Report, expect
from hostile_pki import PROBLEM, problem
from house import SERVICES, House

MEBI = 1 << 20
LARGE = 100 * MEBI
PIECE = 256 * 1024
# What a service may grow by while it refuses a large body.
ROOM = 24 * MEBI
# Three pictures at their limit belong into one form.
ROOM_FOR_PICTURES = 48 * MEBI
# What a refusing service may let through: its own limit, and the buffers of both kernels.
LET_THROUGH = 48 * MEBI
SLOW_CONNECTIONS = 300
HEAD_SECONDS = 5
QUICK = 2.0


def addresses(house: House) -> dict[str, str]:
    ends = house.endpoints
    return {"idp /token": house.issuer + "/token", "idp /par": house.issuer + "/par",
            "idp /sign-in": house.issuer + "/sign-in", "idp /apply/photos": house.issuer + "/apply/photos",
            "idp /sign": house.issuer + "/sign", "idp /": house.issuer + "/", "idp /userinfo": house.issuer + "/userinfo",
            "ca /certificates": ends["ca"] + "/api/v1/certificates", "ca /documents": ends["ca"] + "/api/v1/documents",
            "tsa": ends["tsa"], "ocsp": ends["ocsp"], "ocsp /nowhere": ends["ocsp"].replace("/ocsp", "/nowhere")}


def service_of(name: str) -> str:
    return {"tsa": "ca"}.get(name.split()[0], name.split()[0])


def run(house: House, report: Report) -> None:
    large_bodies(house, report)
    heads(house, report)
    slow(house, report)
    unknown(house, report)


def pour(url: str, head: bytes, chunked: bool) -> tuple[int, int]:
    """Sends up to 100 MB; the status that came back (0: closed without) and the bytes that were taken."""
    parts = urllib.parse.urlsplit(url)
    piece = b"%x\r\n" % PIECE + bytes(PIECE) + b"\r\n" if chunked else bytes(PIECE)
    sent, out = 0, b""
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        try:
            connection.sendall(head)
            connection.settimeout(0.001)
            while sent < LARGE and not out:
                connection.settimeout(20)
                connection.sendall(piece)
                sent += PIECE
                connection.settimeout(0.0005)
                try:
                    out = connection.recv(65536)
                    break
                except (TimeoutError, BlockingIOError):
                    pass
            connection.settimeout(20)
            if not out:
                out = connection.recv(65536)
        except ConnectionError:
            try:
                out = out or connection.recv(65536)
            except OSError:
                pass
        except TimeoutError:
            raise AssertionError(f"no answer after {sent // MEBI} MiB") from None
    return wire.status_of(out), sent


def large_bodies(house: House, report: Report) -> None:
    for name, url in addresses(house).items():
        path = urllib.parse.urlsplit(url).path
        for way in ("with its length", "in chunks"):
            with report.check(f"100 MB {way} to {name}: refused early, memory bounded, served on"):
                kind = {"tsa": "application/timestamp-query", "ocsp": "application/ocsp-request",
                        "ca /documents": "application/pdf", "ca /certificates": "application/json",
                        "idp /apply/photos": "multipart/form-data; boundary=a",
                        "idp /sign": "multipart/form-data; boundary=a"}.get(name, wire.FORM)
                size = "Transfer-Encoding: chunked" if way == "in chunks" else f"Content-Length: {LARGE}"
                head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{size}\r\n\r\n".encode()
                service = service_of(name)
                before = house.resident(service)
                house.forget_peak(service)
                status, sent = pour(url, head, way == "in chunks")
                grown = house.peak(service) - before
                expect(status < 500, f"answered {status}")
                expect(status >= 400 or status in (0, 303) or name == "ocsp", f"answered {status}")
                room = ROOM_FOR_PICTURES if name == "idp /apply/photos" else ROOM
                expect(grown < room, f"{service} grew by {grown // MEBI} MiB")
                expect(sent < LET_THROUGH, f"{sent // MEBI} MiB were taken before the answer {status}")
                expect(house.ready(service), f"{service} is not ready")


def heads(house: House, report: Report) -> None:
    bases = {"idp": house.issuer, "ca": house.endpoints["ca"], "ocsp": house.endpoints["ocsp"].removesuffix("/ocsp"),
             "tsa": house.endpoints["tsa"].removesuffix("/tsa")}
    many = b"".join(b"X-H-%d: x\r\n" % n for n in range(10_000))
    cases = {
        "10,000 header lines": b"GET / HTTP/1.1\r\nHost: l\r\n" + many + b"\r\n",
        "one header of 2 MB": b"GET / HTTP/1.1\r\nHost: l\r\nX-H: " + b"x" * (2 * MEBI) + b"\r\n\r\n",
        "an address of 1 MB": b"GET /" + b"a" * MEBI + b" HTTP/1.1\r\nHost: l\r\n\r\n",
        "two lengths": b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "a length below zero": b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: -1\r\n\r\n",
        "a length beyond 64 bits": b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "an unknown coding": b"POST / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunk sizes that are none":
            b"POST /token HTTP/1.1\r\nHost: l\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
        "a chunk beyond 64 bits": b"POST /token HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "TLS on plain HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n", "a space before the colon": b"GET / HTTP/1.1\r\nHost : l\r\n\r\n",
        "NUL in a header": b"GET / HTTP/1.1\r\nHost: l\r\nX: a\x00b\r\n\r\n", "noise": bytes(range(256)) * 20 + b"\r\n\r\n",
        "a lone line end in a header": b"GET / HTTP/1.1\r\nHost: l\r\nX: a\rb\r\n\r\n",
        "an address that is another host": b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "no host": b"GET / HTTP/1.1\r\n\r\n", "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        "a folded header": b"GET / HTTP/1.1\r\nHost: l\r\nX: a\r\n b\r\n\r\n",
    }
    benign = ("an address that is another host", "no host", "CONNECT", "HTTP/9.9", "a folded header")
    for name, base in bases.items():
        with report.check(f"{name}: {len(cases)} requests that break HTTP are refused, none served"):
            for what, payload in cases.items():
                answer = wire.raw(base, payload, 6)
                status = wire.status_of(answer)
                expect(status < 500, f"{what}: answered {status}")
                expect(what in benign or status == 0 or 400 <= status < 500, f"{what}: answered {status}")
                expect(b"evil.example" not in answer.partition(b"\r\n\r\n")[0], f"{what}: the answer's head names it")
        with report.check(f"{name}: length and chunks in one request are never two requests"):
            payload = (b"POST /nowhere HTTP/1.1\r\nHost: l\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: l\r\n\r\n")
            answer = wire.raw(base, payload, 3)
            expect(answer.count(b"HTTP/1.1 ") <= 1 or wire.status_of(answer) == 400,
                   f"answered {answer.count(b'HTTP/1.1 ')} times: {answer[:80]!r}")


def slow(house: House, report: Report) -> None:
    for name, base in (("idp", house.issuer), ("ca", house.endpoints["ca"]), ("ocsp", house.endpoints["ocsp"])):
        with report.check(f"{name}: {SLOW_CONNECTIONS} clients that never finish their head do not hold up others"):
            parts = urllib.parse.urlsplit(base)
            held = [socket.create_connection((parts.hostname, parts.port), 10) for _ in range(SLOW_CONNECTIONS)]
            try:
                worst = 0.0
                end = time.monotonic() + HEAD_SECONDS + 4
                turn = 0
                while time.monotonic() < end:
                    for connection in held:
                        try:
                            connection.send(b"GET / HTTP/1.1\r\n"[turn:turn + 1] or b"x")
                        except OSError:
                            pass
                    turn += 1
                    begun = time.monotonic()
                    expect(wire.call("GET", base).status < 500, "5xx beside slow clients")
                    worst = max(worst, time.monotonic() - begun)
                    time.sleep(0.5)
                expect(worst < QUICK, f"an honest request waited {worst:.1f} s")
                closed = sum(_closed(connection) for connection in held)
                expect(closed == len(held), f"{len(held) - closed} of {len(held)} are still held after their time")
            finally:
                for connection in held:
                    connection.close()
            expect(house.ready(name), f"{name} is not ready")


def _closed(connection: socket.socket) -> bool:
    """Whether the other side has said goodbye (an answer such as 408 may stand before it)."""
    connection.settimeout(1.0)
    try:
        while connection.recv(4096):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def unknown(house: House, report: Report) -> None:
    with report.check("unknown addresses: a page at idp, a problem at the interfaces"):
        for path in ("/nowhere", "/account/nowhere", "/desk/cases/x/y/z", "/%00", "/%ff%fe", "/a/../b", "//", "/.git/config",
                     "/.env", "/api", "/static/nothing.css"):
            answer = wire.call("GET", house.issuer + path, headers={"Accept": "text/html"})
            expect(answer.status in (400, 404), f"{path}: {answer.brief()}")
            expect(answer.kind == "text/html", f"{path}: {answer.brief()}")
        for base in (house.endpoints["ca"], house.endpoints["ocsp"].removesuffix("/ocsp"),
                     house.endpoints["tsa"].removesuffix("/tsa")):
            for path in ("/nowhere", "/%00", "/api/v2/x", "/health/ready", "/metrics"):
                problem(wire.call("GET", base + path), 400, 404)
    with report.check("unknown methods: 405 with Allow"):
        paths = [(house.issuer, "/token", "POST"), (house.issuer, "/par", "POST"), (house.issuer, "/userinfo", "GET"),
                 (house.issuer, "/jwks", "GET"), (house.issuer, "/sign-in", "GET"),
                 (house.endpoints["ca"], "/api/v1/certificates", "POST"), (house.endpoints["ocsp"], "", "POST"),
                 (house.endpoints["tsa"], "", "POST"), (house.endpoints["ca"], "/api/v1/issuers", "GET")]
        lacks = []
        for base, path, real in paths:
            for method in ("DELETE", "PUT", "PATCH", "BREW"):
                answer = wire.call(method, base + path)
                if answer.status != 405 or real not in answer.header("Allow"):
                    lacks.append(f"{method} {base}{path}: {answer.status} Allow={answer.header('Allow')!r}")
                elif answer.kind != ("text/html" if path == "/sign-in" else PROBLEM):
                    lacks.append(f"{method} {base}{path}: answered as {answer.kind!r}")
        expect(not lacks, f"{len(lacks)} of them: " + "; ".join(lacks[:6]))
    with report.check("HEAD is the head of GET, OPTIONS names the methods"):
        for base, path, real in paths:
            get, head, options = (wire.call(method, base + path) for method in ("GET", "HEAD", "OPTIONS"))
            expect((head.status, head.kind, head.body) == (get.status, get.kind, b""), f"HEAD {base}{path}: {head.brief()}")
            expect(options.status == 204 and real in options.header("Allow"), f"OPTIONS {base}{path}: {options.brief()}")
    with report.check("bodies over the limit at the protocol's endpoints: its own error form"):
        for path in ("/token", "/par", "/introspect", "/revoke", "/userinfo"):
            answer = wire.call("POST", house.issuer + path, b"x=" + b"A" * 300_000, {"Content-Type": wire.FORM})
            expect((answer.status, answer.kind) == (413, "application/json"), f"{path}: {answer.brief()}")
            expect(answer.json["error"] == "invalid_request", f"{path}: {answer.brief()}")
        answer = wire.call("POST", house.issuer + "/authorize", b"x=" + b"A" * 300_000, {"Content-Type": wire.FORM})
        expect((answer.status, answer.kind) == (413, "text/html"), f"/authorize: {answer.brief()}")
    with report.check("services stand"):
        for name in SERVICES:
            expect(house.ready(name), f"{name} is not ready")
