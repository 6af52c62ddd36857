"""A browser without script: cookies, forms and redirects over the standard library.

It reads pages as a person without JavaScript meets them: a form is found by its action or by a field, its hidden
fields go along, and redirects are followed by GET.
"""

from __future__ import annotations

import http.cookiejar
import ssl
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from html.parser import HTMLParser

TIMEOUT = 30


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)
    multipart: bool = False


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.ids: set[str] = set()
        self.text: list[str] = []
        self.links: list[str] = []
        self._texts_by_id: dict[str, list[str]] = {}
        self._open_ids: list[tuple[str, str | None]] = []
        self._silent = 0
        self._select: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if "id" in values:
            self.ids.add(values["id"])
        if tag not in ("input", "img", "br", "link", "meta", "hr", "path", "circle"):
            self._open_ids.append((tag, values.get("id")))
        if tag in ("script", "style", "head"):
            self._silent += 1
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower(),
                                   multipart=values.get("enctype") == "multipart/form-data"))
        if not self.forms:
            return
        form, name = self.forms[-1], values.get("name")
        if tag == "input" and name:
            kind = values.get("type", "text")
            if kind in ("checkbox", "radio"):
                if "checked" in values:
                    form.fields[name] = values.get("value", "on")
            elif kind == "submit":
                form.buttons.append(values)
            elif kind != "file":
                form.fields[name] = values.get("value", "")
        elif tag == "textarea" and name:
            form.fields[name] = ""
        elif tag == "select" and name:
            self._select = name
            form.fields.setdefault(name, "")
        elif tag == "option" and self._select and ("selected" in values or not form.fields[self._select]):
            form.fields[self._select] = values.get("value", "")
        elif tag == "button":
            form.buttons.append(values)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head"):
            self._silent -= 1
        if tag == "select":
            self._select = None
        for index in range(len(self._open_ids) - 1, -1, -1):
            if self._open_ids[index][0] == tag:
                del self._open_ids[index:]
                break

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.text.append(data.strip())
            for _, identifier in self._open_ids:
                if identifier:
                    self._texts_by_id.setdefault(identifier, []).append(data.strip())


class Page:
    """An answer, read as a page."""

    def __init__(self, url: str, status: int, headers, body: bytes):
        self.url, self.status, self.headers, self.body = url, status, headers, body
        self._reader = _Reader()
        if "html" in (headers.get("Content-Type") or ""):
            self._reader.feed(body.decode("utf-8"))

    @property
    def text(self) -> str:
        return " ".join(self._reader.text)

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.url).path

    def has(self, identifier: str) -> bool:
        return identifier in self._reader.ids

    def text_of(self, identifier: str) -> str:
        return " ".join(self._reader._texts_by_id.get(identifier, []))

    @property
    def links(self) -> list[str]:
        return self._reader.links

    @property
    def forms(self) -> list[Form]:
        return self._reader.forms

    def form(self, part_of_action: str) -> Form:
        for form in self._reader.forms:
            target = form.action or self.url
            if urllib.parse.urlsplit(target).path.endswith(part_of_action):
                return form
        raise AssertionError(f"no form to …{part_of_action} on {self.url} ({self.status}): {self.text[:400]}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


class Client:
    """One person's browser, without script."""

    def __init__(self, base: str, language: str = "en", cafile: str | None = None):
        self.base = base.rstrip("/")
        self.jar = http.cookiejar.CookieJar()
        context = ssl.create_default_context(cafile=cafile) if base.startswith("https") else None
        handlers: list = [urllib.request.HTTPCookieProcessor(self.jar), _NoRedirect()]
        if context:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._headers = {"Accept-Language": language, "User-Agent": "romduol-journey"}

    def request(self, method: str, url: str, body: bytes | None = None, headers: dict | None = None,
                follow: bool = True) -> Page:
        url = urllib.parse.urljoin(self.base + "/", url)
        for _hop in range(20):
            request = urllib.request.Request(url, data=body, method=method, headers={**self._headers, **(headers or {})})
            try:
                answer = self._opener.open(request, timeout=TIMEOUT)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                page = Page(url, answer.status, answer.headers, answer.read())
            if not follow or page.status not in (301, 302, 303, 307, 308):
                return page
            url = urllib.parse.urljoin(url, page.headers["Location"])
            if page.status in (301, 302, 303):
                method, body, headers = "GET", None, None
        raise AssertionError(f"too many redirects, last to {url}")

    def get(self, url: str, follow: bool = True) -> Page:
        return self.request("GET", url, follow=follow)

    def submit(self, page: Page, part_of_action: str, values: dict[str, str] | None = None,
               files: dict[str, tuple[str, str, bytes]] | None = None, button: tuple[str, str] | None = None,
               follow: bool = True) -> Page:
        """Sends the form whose action ends with the text, its own values first, then `values`."""
        form = page.form(part_of_action)
        fields = {**form.fields, **(values or {})}
        if button:
            fields[button[0]] = button[1]
        url = urllib.parse.urljoin(page.url, form.action or page.url)
        headers = {"Origin": "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(page.url))}
        if files or form.multipart:
            boundary = uuid.uuid4().hex
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                     for name, value in fields.items()]
            for name, (filename, kind, content) in (files or {}).items():
                head = (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
                        f"Content-Type: {kind}\r\n\r\n")
                parts.append(head.encode() + content + b"\r\n")
            body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(fields).encode()
        return self.request("POST", url, body, headers, follow)
