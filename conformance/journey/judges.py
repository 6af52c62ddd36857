"""Programs that nobody here wrote, asked for their verdict.

Each function returns normally when the judge agrees and raises `Verdict` with the judge's own words when it does not.
A judge that is not installed raises `NotRun`: it is reported as not run, never as passed.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
LIMIT = 120


class Verdict(Exception):
    """A judge disagrees."""


class NotRun(Exception):
    """A judge is not installed."""


def tool(name: str) -> str:
    folder = os.environ.get("ROMDUOL_JUDGES")
    if folder and (Path(folder) / name).exists():
        return str(Path(folder) / name)
    found = shutil.which(name)
    if not found:
        raise NotRun(f"{name} is not installed")
    return found


def run(*arguments: str | Path, stdin: bytes | None = None, environment: dict | None = None,
        good: tuple[int, ...] = (0,)) -> str:
    words = [str(argument) for argument in arguments]
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=LIMIT,
                          env={**os.environ, **(environment or {})})
    output = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
    if done.returncode not in good:
        raise Verdict(f"{Path(words[0]).name} {' '.join(words[1:4])}… said {done.returncode}: {output.strip()[-800:]}")
    return output


def refused(*arguments: str | Path, environment: dict | None = None) -> str:
    """The judge must say no."""
    words = [str(argument) for argument in arguments]
    done = subprocess.run(words, capture_output=True, timeout=LIMIT, env={**os.environ, **(environment or {})})
    output = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
    if done.returncode == 0:
        raise Verdict(f"{Path(words[0]).name} accepted what it must refuse: {output.strip()[-400:]}")
    return output


def pem_to_der(pem: str) -> bytes:
    body = re.search(r"-----BEGIN [^-]+-----(.+?)-----END", pem, re.S)
    if not body:
        raise Verdict("no PEM block")
    return base64.b64decode("".join(body.group(1).split()))


def verify_chain(root: Path, intermediates: list[Path], leaf: Path, crls: list[Path] = ()) -> None:
    """`openssl verify`, with revocation lists for every certificate where they are given."""
    arguments: list[str | Path] = [tool("openssl"), "verify", "-x509_strict", "-CAfile", root]
    for certificate in intermediates:
        arguments += ["-untrusted", certificate]
    if crls:
        arguments += ["-crl_check_all"]
        for crl in crls:
            arguments += ["-CRLfile", crl]
    run(*arguments, leaf)


def ocsp(url: str, issuer: Path, root: Path, *, certificate: Path | None = None, serial: str | None = None,
         digest: str = "sha256") -> str:
    """`openssl ocsp`: good, revoked or unknown; the response's signature must verify up to the root."""
    what: list[str | Path] = ["-cert", certificate] if certificate else ["-serial", f"0x{serial}"]
    output = run(tool("openssl"), "ocsp", f"-{digest}", "-issuer", issuer, *what, "-url", url, "-CAfile", root,
                 "-verify_other", issuer)
    if "Response verify OK" not in output:
        raise Verdict(f"openssl ocsp does not accept the response: {output[-500:]}")
    found = re.search(r":\s*(good|revoked|unknown)\b", output)
    if not found:
        raise Verdict(f"openssl ocsp names no status: {output[-500:]}")
    return found.group(1)


def lint_certificate(path: Path) -> None:
    run(tool("lint_pkix_cert"), "lint", "-s", "WARNING", path)


def lint_crl(path: Path, *, of_authorities: bool = False) -> None:
    run(tool("lint_crl"), "lint", "-t", "ARL" if of_authorities else "CRL", "-p", "PKIX", "-s", "WARNING", path)


def lint_ocsp(path: Path) -> None:
    run(tool("lint_ocsp_response"), "lint", "-s", "WARNING", path)


def pyhanko_accepts(document: Path, root: Path, others: list[Path]) -> str:
    arguments: list[str | Path] = [tool("pyhanko"), "sign", "validate", "--trust", root, "--trust-replace",
                                   "--no-strict-syntax"]
    for certificate in others:
        arguments += ["--other-certs", certificate]
    return run(*arguments, document)


def pyhanko_refuses(document: Path, root: Path, others: list[Path]) -> None:
    arguments: list[str | Path] = [tool("pyhanko"), "sign", "validate", "--trust", root, "--trust-replace",
                                   "--no-strict-syntax"]
    for certificate in others:
        arguments += ["--other-certs", certificate]
    refused(*arguments, document)


def pdfsig(document: Path, root: Path, others: list[Path]) -> str:
    """pdfsig always exits 0: its words are the verdict.

    It asks the OCSP responder that the certificate names: with `-no-ocsp`, Poppler 22.12 takes an error that NSS left
    behind for its verdict on every chain, also on one that NSS accepts.
    """
    with tempfile.TemporaryDirectory() as folder:
        certutil = tool("certutil")
        run(certutil, "-N", "-d", f"sql:{folder}", "--empty-password")
        run(certutil, "-A", "-d", f"sql:{folder}", "-n", "root", "-t", "C,C,C", "-i", root)
        for index, certificate in enumerate(others):
            run(certutil, "-A", "-d", f"sql:{folder}", "-n", f"other{index}", "-t", ",,", "-i", certificate)
        return run(tool("pdfsig"), "-nssdir", f"sql:{folder}", document)


def key_cannot_be_read(tokens: dict, label: str, pin_file: Path) -> int:
    """Tries to read every private and secret key of a token through pkcs11-tool; returns how many refused."""
    command = tool("pkcs11-tool")
    pin = pin_file.read_text().strip()
    # The PIN goes through the environment: an argument can be read by every user of the machine.
    tokens = {**tokens, "ROMDUOL_JOURNEY_PIN": pin}
    base = [command, "--module", SOFTHSM, "--token-label", label, "--login", "--pin", "env:ROMDUOL_JOURNEY_PIN"]
    count = 0
    for kind in ("privkey", "secrkey"):
        listing = run(*base, "--list-objects", "--type", kind, environment=tokens)
        for identifier in re.findall(r"^\s*ID:\s+([0-9a-f]+)", listing, re.M):
            with tempfile.NamedTemporaryFile() as out:
                done = subprocess.run([*base, "--read-object", "--type", kind, "--id", identifier, "-o", out.name],
                                      capture_output=True, timeout=LIMIT, env={**os.environ, **tokens})
                if done.returncode == 0 and Path(out.name).stat().st_size:
                    raise Verdict(f"pkcs11-tool read the {kind} {identifier}")
            count += 1
        if re.search(r"Access:.*\bextractable", listing.replace("never extractable", "")):
            raise Verdict(f"a {kind} of {label} is extractable")
    if not count:
        raise Verdict(f"no keys found in {label}")
    return count
