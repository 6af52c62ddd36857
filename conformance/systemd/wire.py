"""The bridge's wire protocol as a caller outside this house would write it: just enough to find, make and use one key."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys

VERSION = 2
PATIENCE_MS = 10_000
P256, ECDSA_P256_SHA256 = 1, 1
ALPN = "romduol-hsm/2"
FIND, DESCRIBE, GENERATE, SIGN, ATTACH = 2, 3, 4, 6, 11
REFUSALS = {128: "not permitted", 129: "busy", 130: "unknown key", 131: "key exists", 133: "token unavailable", 134: "deadline",
            135: "PIN refused", 136: "PIN locked", 137: "bad request", 140: "outcome unknown"}


class Refused(Exception):
    """The bridge said no; the words are its own."""


def lettered(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


class Caller:
    def __init__(self, stream: socket.socket):
        self._stream = stream
        self._next = 1

    def ask(self, operation: int, operands: bytes) -> bytes:
        head = struct.pack(">BQIB", VERSION, self._next, PATIENCE_MS, operation)
        # One that is refused at the door may hear so before it has said anything.
        with contextlib.suppress(BrokenPipeError):
            self._stream.sendall(lettered(head + operands))
        reply = self._whole(struct.unpack(">I", self._whole(4))[0])
        version, number, status = struct.unpack(">BQB", reply[:10])
        if version != VERSION or number not in (self._next, 0):
            raise ValueError(f"a reply of version {version} to request {number}")
        self._next += 1
        if status >= 128:
            words = reply[14:].decode()
            raise Refused(REFUSALS.get(status, str(status)) + (f": {words}" if words else ""))
        return reply[10:]

    def _whole(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._stream.recv(count - len(found))
            if not more:
                raise EOFError("the connection was closed")
            found += more
        return found

    def key(self, label: str) -> bytes:
        """The id of a key, which is made when it is not there."""
        named = lettered(label.encode())
        self.ask(ATTACH, b"\0" + named)
        found = self.ask(FIND, named)
        return found[1:] if found[0] else self.ask(GENERATE, named + bytes([P256]))

    def public_key(self, key: bytes, label: str) -> bytes:
        info = self.ask(DESCRIBE, key)
        behind = 20 + 4 + len(label.encode()) + 1
        return info[behind + 4:]

    def sign(self, key: bytes, message: bytes) -> bytes:
        return self.ask(SIGN, key + bytes([ECDSA_P256_SHA256, 0]) + lettered(message))[4:]


def connect(where: str) -> socket.socket:
    """`unix:PATH`, or `tls:HOST:PORT:FROM:FOLDER` with ca.pem, client.pem and client.key in the folder."""
    kind, _, rest = where.partition(":")
    if kind == "unix":
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(PATIENCE_MS / 1000)
        stream.connect(rest)
        return stream
    host, port, source, folder = rest.split(":")
    context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(f"{folder}/client.pem", f"{folder}/client.key")
    plain = socket.create_connection((host, int(port)), timeout=3, source_address=(source, 0))
    return context.wrap_socket(plain, server_hostname="keys.example.gov.kh")


def main() -> int:
    where, label, message = sys.argv[1:]
    try:
        caller = Caller(connect(where))
        key = caller.key(label)
        public = caller.public_key(key, label)
        signature = caller.sign(key, message.encode())
    except Refused as error:
        print(f"refused: {error}")
        return 3
    except (OSError, EOFError) as error:
        print(f"no connection: {error}")
        return 4
    print(public.hex(), signature.hex())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
