"""Headers of every answer: each route of the sources is asked, signed in as nobody, a citizen and an operator.

The routes are read from the sources, so that a new one is held to the same rules without anybody thinking of it.
"""

from __future__ import annotations

import re
import subprocess
import urllib.parse
from pathlib import Path

import wire
from checks import Report, expect, same
from house import House, Page

ROOT = Path(__file__).resolve().parents[2]
ROUTE = re.compile(r'(?:\.route\(|web::resource\()\s*"([^"]+)"')
SCOPE = re.compile(r'web::scope\("([^"]+)"\)')
STAND_INS = {"id": "01a20395-ec54-702f-9f06-1d0505d2c807", "evidence": "01a20395-ec54-702f-9f06-1d0505d2c808",
             "consent": "01a20395-ec54-702f-9f06-1d0505d2c809", "serial": "01" + "ab" * 19, "issuer": "ab" * 16,
             "shard": "0", "file": "0.crl", "path": "style.css", "name": "not-found"}
BANNERS = ("Server", "X-Powered-By", "X-AspNet-Version", "Via")
CACHEABLE = re.compile(r"^/(static/|jwks$|\.well-known/|problems/|ocsp|crl/|issuer/)")


def routes(crate: str) -> list[str]:
    """Addresses that a crate serves, with stand-ins for their variables."""
    found: dict[str, None] = {}
    for path in sorted((ROOT / crate / "src").rglob("*.rs")):
        if "test" in path.name or "tests" in path.parts:
            continue
        text = path.read_text()
        scope = SCOPE.search(text)
        for route in ROUTE.findall(text):
            whole = (scope.group(1) if scope and route != "/tsa" else "") + route
            whole = re.sub(r"\{(\w+)[^}]*\}", lambda m: STAND_INS.get(m.group(1), "x"), whole)
            found[whole] = None
    return list(found)


def rules(where: str, status: int, headers, path: str, *, page: bool) -> list[str]:
    """What an answer lacks."""
    lacks = []

    def need(condition: object, what: str) -> None:
        if not condition:
            lacks.append(f"{where} ({status}): {what}")

    policy = headers.get("Content-Security-Policy") or ""
    need(policy, "no Content-Security-Policy")
    need("frame-ancestors 'none'" in policy, f"frame-ancestors: {policy}")
    need("default-src 'none'" in policy, f"default-src: {policy}")
    need("unsafe-inline" not in policy and "unsafe-eval" not in policy, f"unsafe policy: {policy}")
    need(headers.get("X-Content-Type-Options") == "nosniff", "no nosniff")
    need(headers.get("Referrer-Policy") in ("no-referrer", "same-origin"), f"referrer {headers.get('Referrer-Policy')}")
    for name in BANNERS:
        need(not headers.get(name), f"{name}: {headers.get(name)}")
    cache = headers.get("Cache-Control") or ""
    if not CACHEABLE.match(path):
        need("no-store" in cache, f"Cache-Control is {cache!r}")
    if page and "html" in (headers.get("Content-Type") or ""):
        need(headers.get("Content-Language") in ("km", "en"), f"Content-Language {headers.get('Content-Language')}")
        need(headers.get("Cross-Origin-Opener-Policy") == "same-origin", "no Cross-Origin-Opener-Policy")
    for cookie in headers.get_all("Set-Cookie") or []:
        need(re.search(r";\s*HttpOnly", cookie, re.I), f"cookie without HttpOnly: {cookie.split('=')[0]}")
        need(re.search(r";\s*SameSite=(Lax|Strict)", cookie, re.I), f"cookie without SameSite: {cookie.split('=')[0]}")
        need(not re.search(r";\s*Domain=", cookie, re.I), f"cookie with Domain: {cookie.split('=')[0]}")
    return lacks


def settle(lacks: list[str]) -> None:
    expect(not lacks, f"{len(lacks)} of them: " + "; ".join(lacks[:6]))


def run(house: House, report: Report) -> None:
    citizen = house.signed_in(house.person("citizen"))
    operator = house.signed_in(house.person("operator"))
    visitors = {"nobody": house.browser(), "a citizen": citizen, "an operator": operator}
    pages = routes("idp")
    for who, browser in visitors.items():
        with report.check(f"idp: {len(pages)} routes by GET as {who}"):
            expect(len(pages) > 50, f"only {len(pages)} routes were found in the sources")
            settle([lack for path in pages if path not in ("/sign-out",) for lack in _of(browser.get(path, follow=False), path)])
    with report.check(f"idp: {len(pages)} routes by POST without the hidden field change nothing and carry the headers"):
        lacks = []
        for path in pages:
            answer = citizen.request("POST", path, b"x=1", {"Content-Type": wire.FORM}, follow=False)
            lacks += _of(answer, path)
            expect(answer.status >= 300, f"POST {path} without a token answered {answer.status}")
        settle(lacks)
        expect(citizen.get("/account").path == "/account", "the citizen was signed out")
    with report.check("idp: HEAD, PUT, DELETE, PATCH, OPTIONS, TRACE carry the headers and fit the method"):
        lacks = []
        for path in ("/", "/sign-in", "/token", "/jwks", "/account", "/nowhere", "/static/style.css"):
            for method in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
                answer = wire.call(method, house.issuer + path)
                lacks += rules(f"{method} {path}", answer.status, answer.headers, path, page=False)
                expect(answer.status < 500, f"{method} {path}: {answer.status}")
        settle(lacks)
    with report.check("idp: static files are typed, immutable or short-lived, and never listed"):
        for path, kind in (("/static/style.css", "text/css"), ("/static/mark.svg", "image/svg+xml"),
                           ("/static/passkey.js", "text/javascript")):
            answer = wire.call("GET", house.issuer + path)
            same((answer.status, answer.kind), (200, kind), path)
        for path in ("/static/", "/static/../Cargo.toml", "/static/%2e%2e/%2e%2e/etc/passwd", "/static//etc/passwd"):
            answer = wire.call("GET", house.issuer + path)
            expect(answer.status in (400, 404), f"{path}: {answer.brief()}")
    with report.check("idp: cookies of a signed-in browser"):
        names = {cookie.name: cookie for cookie in citizen.jar}
        expect(any("session" in name for name in names), f"cookies are {sorted(names)}")
        for cookie in citizen.jar:
            same(cookie.path, "/", f"path of {cookie.name}")
            expect(cookie.has_nonstandard_attr("HttpOnly"), f"{cookie.name} is not HttpOnly")
            if house.issuer.startswith("https"):
                expect(cookie.secure and cookie.name.startswith("__Host-"), f"{cookie.name} is not a __Host- cookie")
    for name, base, paths in _interfaces(house):
        with report.check(f"{name}: {len(paths)} routes, and one that is not there"):
            lacks = []
            for path in [*paths, "/nowhere"]:
                for method in ("GET", "POST"):
                    answer = wire.call(method, base + path, b"" if method == "POST" else None)
                    lacks += rules(f"{method} {path}", answer.status, answer.headers, path, page=False)
            settle(lacks)
    with report.check("refusals below the routes carry no banner either"):
        for base in (house.issuer, *_bases(house).values()):
            for payload in (b"BAD\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
                head = wire.raw(base, payload, 3).partition(b"\r\n\r\n")[0].lower()
                expect(b"\nserver:" not in head and b"actix" not in head, f"{payload!r} shows {head!r}")
    with report.check("ministries: their pages carry the headers"):
        lacks = []
        for base in house.endpoints["relying_parties"].values():
            for path in ("/", "/callback", "/nowhere"):
                answer = wire.call("GET", base + path)
                lacks += rules(f"{base}{path}", answer.status, answer.headers, path, page=False)
        settle(lacks)


def _of(answer: Page, path: str) -> list[str]:
    return rules(path, answer.status, answer.headers, urllib.parse.urlsplit(path).path, page=True)


def _bases(house: House) -> dict[str, str]:
    tsa, ocsp = (house.endpoints[n].rsplit("/", 1)[0] for n in ("tsa", "ocsp"))
    return {"ca": house.endpoints["ca"], "tsa": tsa, "ocsp": ocsp}


def _interfaces(house: House) -> list[tuple[str, str, list[str]]]:
    bases = _bases(house)
    ca = [route for route in routes("ca") if route != "/tsa"]
    return [("ca", bases["ca"], ca), ("tsa", bases["tsa"], ["/tsa"]),
            ("ocsp", bases["ocsp"], routes("ocsp") + published(house, bases["ocsp"]))]


def published(house: House, base: str) -> list[str]:
    """Addresses of lists and certificates, as the issuing certificates name them."""
    found = []
    for issuer in house.facts["issuing"]:
        text = subprocess.run(["openssl", "x509", "-noout", "-ext", "crlDistributionPoints,authorityInfoAccess", "-in",
                               issuer["certificate"]], capture_output=True, text=True, check=True).stdout
        found += [url.removeprefix(base) for url in re.findall(r"URI:(\S+)", text) if url.startswith(base)]
    return found
