"""A relying party of the suites: pushes, sends the browser, redeems, asks userinfo; nothing of it is shared with ours."""

from __future__ import annotations

import hashlib
import secrets
import time
import urllib.parse

import jose
import wire
from checks import expect
from house import Client, House, Page

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = "openid profile identity"


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    return verifier, jose.b64(hashlib.sha256(verifier.encode()).digest())


class RelyingParty:
    def __init__(self, house: House, identifier: str, metadata: dict):
        facts = house.client_facts(identifier)
        self.house, self.id, self.metadata = house, identifier, metadata
        self.method = facts["authentication_method"]
        self.redirect_uri = (facts["redirect_uris"] or [""])[0]
        self._secret = facts.get("secret", "")
        self.key = jose.load_key(facts["key_file"]) if "key_file" in facts else None

    def assertion(self, key=None, header: dict | None = None, **changes) -> str:
        return jose.sign(self.assertion_claims(**changes), key or self.key, header)

    def assertion_claims(self, **changes) -> dict:
        now = int(time.time())
        claims = {"iss": self.id, "sub": self.id, "aud": self.metadata["issuer"], "iat": now, "exp": now + 60,
                  "jti": secrets.token_urlsafe(16), **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form members that prove who asks."""
        if self.method == "client_secret_basic":
            return {"Authorization": wire.basic(self.id, self._secret)}, {}
        return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}

    def post(self, endpoint: str, fields: dict[str, str] | list[tuple[str, str]]) -> wire.Answer:
        headers, members = self.credentials()
        pairs = list(fields.items()) if isinstance(fields, dict) else list(fields)
        return wire.form(self.metadata[endpoint], pairs + list(members.items()), headers)

    def request(self, challenge: str, **changes) -> dict[str, str]:
        """Parameters of a sound authorization request; None takes one away."""
        parameters = {"client_id": self.id, "response_type": "code", "redirect_uri": self.redirect_uri,
                      "scope": SCOPES, "state": secrets.token_urlsafe(8), "nonce": secrets.token_urlsafe(8),
                      "code_challenge": challenge, "code_challenge_method": "S256", **changes}
        return {name: value for name, value in parameters.items() if value is not None}

    def push(self, parameters: dict[str, str]) -> str:
        answer = self.post("pushed_authorization_request_endpoint", parameters)
        expect(answer.status == 201, f"PAR answered {answer.brief()}")
        return answer.json["request_uri"]

    def pushed_url(self, request_uri: str) -> str:
        return self.url({"client_id": self.id, "request_uri": request_uri})

    def url(self, parameters) -> str:
        return f"{self.metadata['authorization_endpoint']}?{urllib.parse.urlencode(parameters)}"

    def redeem(self, code: str, verifier: str, **changes) -> wire.Answer:
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri,
                  "code_verifier": verifier, **changes}
        return self.post("token_endpoint", {n: v for n, v in fields.items() if v is not None})

    def code(self, browser: Client, person: dict, **changes) -> tuple[str, str, dict[str, str]]:
        """A fresh code, its verifier, and the parameters that were pushed."""
        verifier, challenge = pkce()
        parameters = self.request(challenge, **changes)
        reply = follow(self.house, browser, self.pushed_url(self.push(parameters)), self.redirect_uri, person)
        expect("code" in reply, f"no code but {reply}")
        expect(reply.get("state") == parameters["state"], "state did not come back")
        return reply["code"], verifier, parameters

    def tokens(self, browser: Client, person: dict, **changes) -> dict:
        code, verifier, _ = self.code(browser, person, **changes)
        answer = self.redeem(code, verifier)
        expect(answer.status == 200, f"the token endpoint answered {answer.brief()}")
        return answer.json

    def userinfo(self, token: str) -> wire.Answer:
        return wire.call("GET", self.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {token}"})


def walk(house: House, browser: Client, url: str, redirect_uri: str, person: dict | None,
         consent: str = "share") -> dict[str, str] | Page:
    """Sends the browser and answers what it is asked. The parameters that reach the client, or the page it ends on."""
    page = browser.get(url, follow=False)
    for _ in range(20):
        if page.status in (302, 303):
            target = urllib.parse.urljoin(page.url, page.headers["Location"])
            if target.startswith(redirect_uri):
                query = urllib.parse.urlsplit(target).query
                return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
            expect(target.startswith(house.issuer), f"a redirect to {target}")
            page = browser.get(target, follow=False)
        elif page.has("identifier-form") and person:
            page = house.answer_sign_in(browser, page, person, follow=False)
        elif page.has("consent-form"):
            page = browser.submit(page, "/consent", button=("decision", consent), follow=False)
        elif page.path == "/authorize/continue":
            page = browser.get(next(link for link in page.links if link.startswith("/authorize?")), follow=False)
        else:
            return page
    raise AssertionError("the authorization never ended")


def follow(house: House, browser: Client, url: str, redirect_uri: str, person: dict | None,
           consent: str = "share") -> dict[str, str]:
    reply = walk(house, browser, url, redirect_uri, person, consent)
    if isinstance(reply, Page):
        raise AssertionError(f"the browser ended on {reply.path} ({reply.status}): {reply.text[:300]}")
    return reply
