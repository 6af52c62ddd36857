"""Things that the journey hands in: pictures, documents, one-time codes, machine-readable zones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import struct
import time
import zlib
from pathlib import Path

TOTP_STEP = 30

# Used where the folder with test data is absent; the same shapes as its `mrz.json`.
OWN_MRZ = [
    {"name": "khmer id card", "valid": True, "format": "TD1", "document_number": "123456789", "surname": "SOK",
     "given_names": "DARA", "birth_date": "1990-01-01", "sex": "F",
     "lines": ["IDKHM1234567897<<<<<<<<<<<<<<<", "9001011F3301018KHM<<<<<<<<<<<2",
               "SOK<<DARA<<<<<<<<<<<<<<<<<<<<<"]},
    {"name": "wrong document check digit", "valid": False, "error": "document_number_check_digit",
     "lines": ["IDKHM1234567890<<<<<<<<<<<<<<<", "9001011F3301018KHM<<<<<<<<<<<2",
               "SOK<<DARA<<<<<<<<<<<<<<<<<<<<<"]},
]


def machine_readable_zones() -> list[dict]:
    folder = Path(os.environ.get("ROMDUOL_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    path = folder / "mrz.json"
    return json.loads(path.read_text()) if path.exists() else OWN_MRZ


def zone(name: str) -> dict:
    return next(z for z in machine_readable_zones() if z["name"] == name)


def check_digit(text: str) -> str:
    total = 0
    for index, character in enumerate(text):
        value = 0 if character == "<" else int(character, 36)
        total += value * (7, 3, 1)[index % 3]
    return str(total % 10)


def td1(number: str, birth: str, sex: str, expiry: str, surname: str, given: str) -> list[str]:
    """A TD1 zone (ICAO 9303-5) of a Khmer identity card; dates as YYMMDD."""
    first = ("IDKHM" + number.ljust(9, "<") + check_digit(number.ljust(9, "<"))).ljust(30, "<")
    start = birth + check_digit(birth) + sex + expiry + check_digit(expiry) + "KHM" + "<" * 11
    composite = check_digit(first[5:30] + start[0:7] + start[8:15] + start[18:29])
    return [first, start + composite, f"{surname}<<{given}".ljust(30, "<")[:30]]


def totp(secret: str, at: float | None = None) -> str:
    """RFC 6238 with SHA-1, six digits, steps of thirty seconds."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = int((time.time() if at is None else at) // TOTP_STEP)
    digest = hmac.new(key, struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class Codes:
    """One-time codes of one secret; never the same step twice, since a code is accepted once."""

    def __init__(self, secret: str, used_until: float = 0):
        self._secret, self._last = secret, int(used_until // TOTP_STEP)

    def next(self) -> str:
        while True:
            now = time.time()
            step = int(now // TOTP_STEP)
            # The service accepts the step before and the step after: use a later one before waiting.
            for candidate in (step, step + 1):
                if candidate > self._last:
                    self._last = candidate
                    return totp(self._secret, candidate * TOTP_STEP)
            time.sleep(max(0.05, (step + 1) * TOTP_STEP - now))


def png(width: int = 640, height: int = 400, seed: int = 1) -> bytes:
    """A picture that no other seed makes."""
    noise = random.Random(seed)
    tint = [noise.randrange(120, 220) for _ in range(3)]
    rows = b""
    for y in range(height):
        row = bytearray(b"\0")
        for x in range(width):
            stripe = 25 if (x // 40 + y // 40 + seed) % 2 else 0
            row += bytes(min(255, t + stripe) for t in tint)
        rows += bytes(row)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    text = chunk(b"tEXt", b"Comment\0GPS 11.5564 104.9282 seed %d" % seed)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + text
            + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


def pdf(title: str = "Letter", pages: int = 1) -> bytes:
    """A plain PDF 1.7 with a cross-reference table."""
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for page in range(pages):
        stream = f"BT /F1 18 Tf 72 760 Td ({title}, page {page + 1} of {pages}) Tj ET".encode()
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
                       f"/Contents {5 + 2 * page} 0 R >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
