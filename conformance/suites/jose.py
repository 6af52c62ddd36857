"""JSON Web Signatures for the other side of the wire, and on purpose the ones that must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from checks import NotRun, expect

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
except ImportError as missing:
    raise NotRun("the Python package cryptography is not installed") from missing


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def decode(token: str) -> tuple[dict, dict]:
    """Header and claims, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(claims))


def verify_es256(token: str, keys: list[dict]) -> tuple[dict, dict]:
    header, claims = decode(token)
    expect(header.get("alg") == "ES256", f"alg is {header.get('alg')}")
    key = next((k for k in keys if k["kid"] == header.get("kid")), None)
    expect(key, f"kid {header.get('kid')} is not in the key set")
    public = ec.EllipticCurvePublicNumbers(
        int.from_bytes(unb64(key["x"])), int.from_bytes(unb64(key["y"])), ec.SECP256R1()).public_key()
    signed, _, signature = token.rpartition(".")
    octets = unb64(signature)
    expect(len(octets) == 64, f"the signature has {len(octets)} octets")
    try:
        public.verify(encode_dss_signature(int.from_bytes(octets[:32]), int.from_bytes(octets[32:])),
                      signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise AssertionError("the signature does not verify") from None
    return header, claims


def _compact(header: dict, claims: dict) -> str:
    return ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))


def load_key(path: str):
    with open(path, "rb") as file:
        return serialization.load_pem_private_key(file.read(), None)


def new_key(kind: str = "ed25519"):
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def public_jwk(key) -> dict:
    octets = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(octets)}


def sign(claims: dict, key, header: dict | None = None) -> str:
    """EdDSA or ES256, as the key has it."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        head = _compact({"alg": "EdDSA", "typ": "JWT", **(header or {})}, claims)
        return f"{head}.{b64(key.sign(head.encode()))}"
    head = _compact({"alg": "ES256", "typ": "JWT", **(header or {})}, claims)
    r, s = decode_dss_signature(key.sign(head.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{head}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


def unsigned(claims: dict, alg: str = "none") -> str:
    return _compact({"alg": alg, "typ": "JWT"}, claims) + "."


def hs256(claims: dict, secret: bytes, header: dict | None = None) -> str:
    head = _compact({"alg": "HS256", "typ": "JWT", **(header or {})}, claims)
    return f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def public_encodings(key) -> list[bytes]:
    """The forms of a public key that a confused verifier takes for a shared secret."""
    public, encoding, form = key.public_key(), serialization.Encoding, serialization.PublicFormat
    return [public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo),
            public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo),
            public.public_bytes(encoding.Raw, form.Raw)]
