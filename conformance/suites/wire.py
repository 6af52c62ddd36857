"""HTTP as bytes: one request, one answer, no redirects, no cookies, and raw sockets for what no client would send."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import urllib.parse
from dataclasses import dataclass

TIMEOUT = 30.0
FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""

    @property
    def kind(self) -> str:
        return self.header("Content-Type").split(";")[0].strip()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def brief(self) -> str:
        return f"{self.status} {self.kind} {self.text[:160]!r}"


def call(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None,
         timeout: float = TIMEOUT) -> Answer:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def form(url: str, fields: dict[str, str] | list[tuple[str, str]], headers: dict[str, str] | None = None) -> Answer:
    return call("POST", url, urllib.parse.urlencode(fields).encode(), {"Content-Type": FORM, **(headers or {})})


def basic(user: str, password: str) -> str:
    quoted = ":".join(urllib.parse.quote_plus(part) for part in (user, password))
    return "Basic " + base64.b64encode(quoted.encode()).decode()


def raw(url: str, payload: bytes, timeout: float = 10.0) -> bytes:
    """Writes bytes and reads until the other side closes or the time is over; empty when it closed without a word."""
    parts = urllib.parse.urlsplit(url)
    out = b""
    with socket.create_connection((parts.hostname, parts.port or 80), timeout) as connection:
        try:
            connection.sendall(payload)
            while chunk := connection.recv(65536):
                out += chunk
                head, _, rest = out.partition(b"\r\n\r\n")
                length = _length(head)
                if length is not None and len(rest) >= length:
                    break
        except (TimeoutError, ConnectionError):
            pass
    return out


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return None


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 when the connection was closed without one."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 2 and words[0].startswith(b"HTTP/") else 0
