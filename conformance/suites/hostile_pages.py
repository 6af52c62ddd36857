"""Forms and pictures that no honest browser sends; answers are pages with words."""

from __future__ import annotations

import struct
import urllib.parse
import zlib

import headers
import wire
from checks import Report, expect
from house import Client, House, Page, material

MEBI = 1 << 20
# What decoding one refused picture may take: 40 million pixels of three octets, with what is read and kept.
ROOM = 320 * MEBI


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, data: bytes, colour: int = 2) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bad_pictures() -> dict[str, tuple[str, str, bytes]]:
    """Name of the fault -> file name, declared type, content."""
    good = material.png()
    flood = zlib.compress(bytes(60_000_000), 9)
    pdf = material.pdf()
    script = pdf.replace(b"/Type /Catalog", b"/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >>")
    jpeg_size = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03"
    return {
        "text under the name of a picture": ("a.png", "image/png", b"this is no picture" * 100),
        "a page": ("a.png", "image/png", b"<html><script>alert(1)</script></html>"),
        "SVG": ("a.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        "GIF": ("a.gif", "image/gif", b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00;"),
        "PNG declared as JPEG": ("a.jpg", "image/jpeg", good),
        "cut PNG": ("a.png", "image/png", good[:len(good) // 2]),
        "PNG without data": ("a.png", "image/png", good[:33]),
        "signature alone": ("a.png", "image/png", good[:8]),
        "flood of pixels": ("a.png", "image/png", png_of(30_000, 30_000, flood)),
        "largest size a PNG can say": ("a.png", "image/png", png_of(2**31 - 1, 2**31 - 1, zlib.compress(b""))),
        "size zero": ("a.png", "image/png", png_of(0, 0, zlib.compress(b""))),
        "grey line of 20001 pixels": ("a.png", "image/png", png_of(20_001, 1, zlib.compress(bytes(20_002)), 0)),
        "stamp": ("a.png", "image/png", png_of(1, 1, zlib.compress(bytes(4)))),
        "wrong check sums": ("a.png", "image/png", good.replace(b"IDAT", b"IDAT\x00", 1)),
        "JPEG of 65535 by 65535": ("a.jpg", "image/jpeg", jpeg_size + b"\x00" * 200),
        "cut JPEG": ("a.jpg", "image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF"),
        "PDF with a script": ("a.pdf", "application/pdf", script),
        "cut PDF": ("a.pdf", "application/pdf", pdf[:200]),
        "PDF and PNG in one": ("a.png", "image/png", b"%PDF-1.7\n" + good),
        "ZIP": ("a.png", "image/png", b"PK\x03\x04" + bytes(300)),
        "9 MB": ("a.png", "image/png", good + bytes(9 * MEBI)),
        "name that climbs": ("../../../../etc/passwd", "image/png", b"x"),
    }


def is_page(page: Page, what: str, statuses: range | tuple[int, ...] = range(400, 500)) -> None:
    expect(page.status in statuses, f"{what}: answered {page.status}: {page.text[:200]}")
    kind = page.headers.get("Content-Type") or ""
    expect("text/html" in kind, f"{what}: answered {page.status} as {kind or 'nothing'}: {page.body[:120]!r}")
    expect(page.text, f"{what}: an empty page")


def run(house: House, report: Report) -> None:
    forms(house, report)
    pictures(house, report)


def at_photos(house: House) -> tuple[Client, Page]:
    """A person who applies, at the page that asks for pictures."""
    browser = house.browser()
    page = browser.submit(browser.get("/apply"), "/apply")
    page = browser.submit(page, "/apply/who", {"choice": "national"})
    page = browser.submit(page, "/apply/document", {"choice": "national_id_card"})
    card = material.td1("998877665", "950505", "F", "330101", "TEST", "HOSTILE")
    page = browser.submit(page, "/apply/number", {"number": "998877665", "zone": "\n".join(card)})
    expect(page.path == "/apply/photos", f"the application stands at {page.path}: {page.text[:300]}")
    return browser, page


def pictures(house: House, report: Report) -> None:
    browser, page = None, None
    with report.check("an application comes to its pictures"):
        browser, page = at_photos(house)
    if page is None:
        return
    for what, file in bad_pictures().items():
        with report.check(f"picture: {what} is refused on the page, beside its field"):
            before = house.resident("idp")
            house.forget_peak("idp")
            answer = browser.submit(page, "/apply/photos", files={"front": file})
            is_page(answer, what, (413, 415, 422))
            expect(answer.has("error-summary") or answer.status == 413, f"no words: {answer.text[:200]}")
            expect(answer.has("front-error") or answer.status == 413, "no words beside the field")
            grown = house.peak("idp") - before
            expect(grown < ROOM, f"idp grew by {grown // MEBI} MiB")
    with report.check("multipart forms that break their own rules"):
        hidden = page.form("/apply/photos").fields["csrf"]
        part = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        for what, kind, body in (
                ("no boundary", "multipart/form-data", b"x"),
                ("another boundary", "multipart/form-data; boundary=a", b"--b\r\n\r\nx\r\n--b--\r\n"),
                ("cut", "multipart/form-data; boundary=a", b"--a\r\n" + part.format("csrf", hidden).encode() + b"--a\r\nCont"),
                ("no name", "multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nx\r\n--a--\r\n"),
                ("1000 parts", "multipart/form-data; boundary=a",
                 b"--a\r\n" + part.format("csrf", hidden).encode() + (b"--a\r\n" + part.format("x", "y").encode()) * 1000
                 + b"--a--\r\n"),
                ("long head", "multipart/form-data; boundary=a",
                 b'--a\r\nContent-Disposition: form-data; name="' + b"n" * 100_000 + b'"\r\n\r\nx\r\n--a--\r\n'),
                ("not multipart", "application/json", b"{}"), ("nothing", "multipart/form-data; boundary=a", b"")):
            answer = browser.request("POST", "/apply/photos", body, {"Content-Type": kind}, follow=False)
            is_page(answer, what)


def forms(house: House, report: Report) -> None:
    posts = [path for path in headers.routes("idp") if not path.startswith(
        ("/token", "/par", "/userinfo", "/introspect", "/revoke", "/jwks", "/.well-known", "/outbox.json", "/authorize"))
        and not path.endswith(("/options", "/passkey", "/passkeys"))]
    browser = house.signed_in(house.person("citizen"))
    bodies = {"not UTF-8": (wire.FORM, b"csrf=\xff\xfe&identifier=\xc3\x28"),
              "10,000 fields": (wire.FORM, b"&".join(b"f%d=1" % n for n in range(10_000))),
              "one field of 200 kB": (wire.FORM, b"identifier=" + b"A" * 200_000),
              "NUL and line ends": (wire.FORM, b"csrf=%00%0d%0a&identifier=a%00b&code=%0a%0d&choice=%00"),
              "another media type": ("text/plain", b"csrf=x"), "JSON": ("application/json", b"{}"),
              "no type": ("", b"csrf=x"), "nothing": (wire.FORM, b""),
              "300 kB": (wire.FORM, b"x=" + b"A" * 300_000)}
    for what, (kind, body) in bodies.items():
        with report.check(f"forms: {what} at {len(posts)} addresses: a page, or where the method is none, 404 or 405"):
            lacks = []
            for path in posts:
                extra = {"Content-Type": kind} if kind else {}
                answer = browser.request("POST", path, body, extra, follow=False)
                try:
                    if answer.status in (303,):
                        continue
                    is_page(answer, f"POST {path}")
                except AssertionError as lack:
                    lacks.append(str(lack))
            expect(not lacks, f"{len(lacks)} of them: " + "; ".join(lacks[:5]))
    with report.check("forms: a sound token with nonsense in every field"):
        nonsense = "'\"><script>alert(1)</script>\u202e\u0000" + "ខ" * 500
        stranger = house.browser()
        for path in ("/sign-in", "/apply/continue", "/account/activate", "/sign-in/recover"):
            page = stranger.get(path)
            for form in page.forms:
                values = {name: nonsense for name in form.fields if name not in ("csrf",)}
                answer = stranger.submit(page, urllib.parse.urlsplit(form.action or path).path, values, follow=False)
                expect(answer.status < 500, f"{path}: {answer.status}")
                expect(b"<script>alert" not in answer.body, f"{path} gives the script back")
    with report.check("queries: nonsense in the address of every page"):
        for path in posts:
            for query in ("?lang=xx", "?lang=en&lang=km", "?%00=%ff", "?" + "a=1&" * 3000, "?return_to=%ff%fe", "?after=x"):
                answer = browser.get(path + query, follow=False)
                expect(answer.status < 500, f"{path}{query[:20]}: {answer.status}")
