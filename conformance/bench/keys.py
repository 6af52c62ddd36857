"""Keys and certificates for requests and baselines, made by OpenSSL in the scratch folder."""

from __future__ import annotations

import base64
from pathlib import Path

from world import World

CURVE = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def private_key(world: World, file: Path) -> Path:
    world.openssl("genpkey", *CURVE, "-out", file)
    return file


def public_key(world: World) -> str:
    """A new P-256 key's SubjectPublicKeyInfo in base64; the private half is not kept."""
    file = private_key(world, world.scratch / "key.pem")
    spki = world.openssl("pkey", "-in", file, "-pubout", "-outform", "DER")
    file.unlink()
    return base64.b64encode(spki).decode()


def authority(world: World, stem: Path) -> tuple[Path, Path]:
    """A self-signed authority: certificate and key."""
    certificate, key = stem.with_suffix(".pem"), private_key(world, stem.with_suffix(".key"))
    world.openssl("req", "-x509", "-new", "-key", key, "-sha256", "-days", "30", "-subj", "/C=KH/CN=Bench",
                  "-out", certificate)
    return certificate, key


def leaf(world: World, certificate: Path, key: Path, file: Path) -> Path:
    """A certificate of that authority."""
    request = csr(world, file.with_suffix(".csr"), "leaf")
    world.openssl("x509", "-req", "-in", request, "-CA", certificate, "-CAkey", key, "-CAcreateserial", "-days", "10",
                  "-sha256", "-out", file)
    return file


def csr(world: World, file: Path, name: str) -> Path:
    key = private_key(world, file.with_suffix(".key"))
    world.openssl("req", "-new", "-key", key, "-sha256", "-subj", f"/C=KH/CN={name}", "-out", file)
    return file
