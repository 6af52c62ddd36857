"""An official signs a PDF; software that nobody here wrote says whether it is valid."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import judges
from material import pdf
from steps_identity import use_passkey
from webdriver import Browser
from world import World, check


def sign(world: World, browser: Browser) -> str:
    """The official adds a passkey, sets up a signing credential, uploads a PDF and confirms it with the passkey."""
    person = world.person("official")
    login = person["login"]
    browser.open(f"{world.issuer}/sign-in?lang=en&return_to=/account/passkeys/add")
    browser.delete_cookies()
    browser.add_authenticator()
    browser.open(f"{world.issuer}/sign-in?lang=en&return_to=/account/passkeys/add")
    browser.type("#identifier", login["identifier"])
    browser.press("#identifier-continue")
    browser.wait_for("#password")
    browser.type("#password", login["password"])
    browser.type("#code", world.codes(login["totp_secret"]).next())
    browser.press("#password-submit")
    browser.wait_for("#passkey-create")
    browser.wait_until(lambda: browser.attribute("#passkey-register", "hidden") is False, "the passkey button")
    browser.click("#passkey-create")
    browser.wait_until(lambda: browser.has("#greeting"), "the account page after adding a passkey")
    # Setting up takes a session that the passkey opened.
    browser.delete_cookies()
    browser.open(f"{world.issuer}/sign-in?lang=en&return_to=/sign/setup")
    use_passkey(browser, "#sign-setup-submit")
    browser.press("#sign-setup-submit")
    browser.wait_for("#sign-form")
    plain = world.work / "letter.pdf"
    plain.write_bytes(pdf("Letter of the ministry", pages=2))
    browser.upload("#document", plain)
    if browser.has("#reason"):
        browser.type("#reason", "Approved")
    browser.press("#sign-upload")
    browser.wait_for("#sign-confirm-form")
    browser.wait_until(lambda: browser.attribute("#sign-confirm-form", "hidden") is False, "the signing button")
    browser.click("#sign-confirm")
    browser.wait_for("#download")
    cookies = "; ".join(f"{c['name']}={c['value']}" for c in browser._call("GET", "/cookie"))
    request = urllib.request.Request(browser.attribute("#download", "href"), headers={"Cookie": cookies})
    with urllib.request.urlopen(request, timeout=30) as answer:
        signed = answer.read()
    check(signed.startswith(plain.read_bytes()), "the signed document does not begin with the document")
    target = world.work / "signed.pdf"
    target.write_bytes(signed)
    tampered = bytearray(signed)
    position = signed.index(b"Letter of the ministry")
    tampered[position] ^= 1
    (world.work / "tampered.pdf").write_bytes(bytes(tampered))
    return f"{len(signed)} bytes"


def sign_again(world: World, browser: Browser) -> str:
    """The official comes back with a second passkey, sets up again, and signs with that one."""
    return sign(world, browser)


def judge(world: World) -> str:
    """pyHanko, pdfsig and openssl ts accept it and refuse a copy with one byte changed."""
    signed, tampered = world.work / "signed.pdf", world.work / "tampered.pdf"
    others = list(world.issuing.values())
    output = judges.pyhanko_accepts(signed, world.root, others)
    check("INTACT" in output and "TRUSTED" in output and "TIMESTAMP_TOKEN" in output, f"pyHanko says {output.strip()}")
    judges.pyhanko_refuses(tampered, world.root, others)
    words = judges.pdfsig(signed, world.root, others)
    check("Signature is Valid" in words and "ETSI.CAdES.detached" in words, f"pdfsig says {words}")
    check("Certificate is Trusted" in words, f"pdfsig says of the signer's certificate: {words}")
    check("Total document signed" in words, "pdfsig does not see the whole document signed")
    words = judges.pdfsig(signed, _strange_root(world), others)
    check("Certificate is Trusted" not in words, f"pdfsig trusts our signer with a stranger's root alone: {words}")
    words = judges.pdfsig(tampered, world.root, others)
    check("Digest Mismatch" in words, f"pdfsig says of the changed copy: {words}")
    judges.run(judges.tool("qpdf"), "--check", signed)
    _openssl_cms(world, signed)
    return "pyHanko, pdfsig, qpdf and openssl cms agree"


def _strange_root(world: World) -> Path:
    """A root that is not ours."""
    key, certificate = world.work / "stranger.key", world.work / "stranger.pem"
    judges.run(judges.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/C=KH/CN=Stranger",
               "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return certificate


def _openssl_cms(world: World, signed: Path) -> None:
    content = signed.read_bytes()
    found = re.search(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", content)
    check(found is not None, "no ByteRange")
    start, length, second, rest = (int(part) for part in found.groups())
    cms = bytes.fromhex(content[start + length:second].strip(b"<>").decode())
    (world.work / "signature.der").write_bytes(cms)
    (world.work / "content.bin").write_bytes(content[start:start + length] + content[second:second + rest])
    chain = world.work / "issuing.pem"
    chain.write_text("".join(path.read_text() for path in world.issuing.values()))
    judges.run(judges.tool("openssl"), "cms", "-verify", "-cades", "-binary", "-inform", "DER",
               "-in", world.work / "signature.der", "-content", world.work / "content.bin",
               "-CAfile", world.root, "-certfile", chain, "-purpose", "any", "-out", world.work / "out.bin")


def time_stamp(world: World) -> str:
    """`openssl ts` asks the time-stamping authority and accepts its answer, not one for other data."""
    openssl = judges.tool("openssl")
    data = world.work / "data.txt"
    data.write_text("stamped\n")
    query, reply = world.work / "query.tsq", world.work / "reply.tsr"
    judges.run(openssl, "ts", "-query", "-data", data, "-sha256", "-cert", "-out", query)
    request = urllib.request.Request(world.endpoints["tsa"], data=query.read_bytes(),
                                     headers={"Content-Type": "application/timestamp-query"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        check(answer.headers["Content-Type"] == "application/timestamp-reply", "wrong media type")
        reply.write_bytes(answer.read())
    untrusted = world.issuing["ca/servers/g1"]
    judges.run(openssl, "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", world.root,
               "-untrusted", untrusted)
    other = world.work / "other.txt"
    other.write_text("not stamped\n")
    judges.refused(openssl, "ts", "-verify", "-data", other, "-in", reply, "-CAfile", world.root,
                   "-untrusted", untrusted)
    return "accepted, and refused for other data"
