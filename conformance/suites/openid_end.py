"""How tokens and sessions end: audiences, introspection, revocation, logout."""

from __future__ import annotations

import time
import urllib.parse

import wire
from checks import Report, expect, same
from openid_refusals import own_page, refused
from provider import follow, pkce


def run(world, report: Report) -> None:
    tokens(world, report)
    code, verifier, _ = world.gdt.code(world.browser, None)
    world.late_code = (code, verifier, time.monotonic())
    logout(world, report)


def challenge_of(answer: wire.Answer, status: int = 401) -> str:
    same(answer.status, status, f"status of {answer.brief()}")
    challenge = answer.header("WWW-Authenticate")
    expect(challenge.lower().startswith("bearer"), f"challenge is {challenge!r}")
    return challenge


def tokens(world, report: Report) -> None:
    gdt, nssf, ca = world.gdt, world.nssf, world.house.endpoints["ca"]
    url = world.metadata["userinfo_endpoint"]
    held = gdt.tokens(world.browser, None)
    access = held["access_token"]
    with report.check("userinfo: no token, a foreign one, an ID token, one in the query"):
        bare = challenge_of(wire.call("GET", url))
        expect("error" not in bare, f"a request without a token gets an error code: {bare}")
        header, claims, signature = access.split(".")
        for wrong in ("x", held["id_token"], f"{header}.{claims}.{'A' * len(signature)}", f"{header}.{claims}.",
                      "A" * 20_000):
            expect("invalid_token" in challenge_of(gdt.userinfo(wrong)), "the challenge does not say invalid_token")
        expect("invalid_request" in challenge_of(wire.call("GET", f"{url}?access_token={access}"), 400), "query accepted")
        expect("invalid_request" in challenge_of(wire.call(
            "POST", url, f"access_token={access}".encode(),
            {"Authorization": f"Bearer {access}", "Content-Type": wire.FORM}), 400), "two tokens accepted")
    with report.check("a person's token for userinfo opens nothing at ca"):
        for method, path in (("GET", "/api/v1/issuers"), ("GET", "/api/v1/status-log?after=0"),
                             ("POST", "/api/v1/certificates"), ("POST", "/api/v1/credentials")):
            answer = wire.call(method, ca + path, b"{}" if method == "POST" else None,
                               {"Authorization": f"Bearer {access}", "Content-Type": "application/json",
                                "Idempotency-Key": "audience-check"})
            if path != "/api/v1/issuers":
                expect(answer.status in (400, 401, 403, 422), f"{path}: {answer.brief()}")
            expect(answer.status < 500 and answer.status != 201, f"{path}: {answer.brief()}")
    with report.check("introspection: active for its client, with what the token says"):
        answer = gdt.post("introspection_endpoint", {"token": access})
        same(answer.status, 200, answer.brief())
        same((answer.json["active"], answer.json["client_id"]), (True, "gdt"), "active and client_id")
        expect("no-store" in answer.header("Cache-Control"), "may be stored")
    with report.check("introspection: another client, garbage and an ID token learn nothing"):
        for who, token in ((nssf, access), (gdt, "x"), (gdt, held["id_token"]), (gdt, "A" * 20_000)):
            same(who.post("introspection_endpoint", {"token": token}).json, {"active": False}, "the answer")
        refused(wire.form(world.metadata["introspection_endpoint"], {"token": access}), "invalid_client")
        refused(gdt.post("introspection_endpoint", {}), "invalid_request")
    with report.check("revocation: of another's token changes nothing, of one's own ends it, of garbage is fine"):
        same(nssf.post("revocation_endpoint", {"token": access}).status, 200, "status")
        same(gdt.userinfo(access).status, 200, "userinfo after a foreign revocation")
        same(gdt.post("revocation_endpoint", {"token": access, "token_type_hint": "nonsense"}).status, 200, "status")
        challenge_of(gdt.userinfo(access))
        same(gdt.post("introspection_endpoint", {"token": access}).json, {"active": False}, "introspection")
        same(gdt.post("revocation_endpoint", {"token": "garbage"}).status, 200, "status for garbage")
        refused(gdt.post("revocation_endpoint", {}), "invalid_request")
        refused(wire.form(world.metadata["revocation_endpoint"], {"token": access}), "invalid_client")


def logout(world, report: Report) -> None:
    gdt, browser = world.gdt, world.browser
    home = gdt.redirect_uri.rsplit("/", 1)[0] + "/"
    held = gdt.tokens(browser, None)

    def url(**parameters: str) -> str:
        return world.metadata["end_session_endpoint"] + "?" + urllib.parse.urlencode(parameters)

    def silent() -> dict[str, str]:
        _, challenge = pkce()
        return follow(world.house, browser, gdt.pushed_url(gdt.push(gdt.request(challenge, prompt="none"))),
                      gdt.redirect_uri, None)

    with report.check("logout: unregistered addresses and false hints end on the provider's own page, signed in still"):
        for parameters in ({"id_token_hint": held["id_token"], "post_logout_redirect_uri": "http://evil.example/"},
                           {"id_token_hint": held["id_token"], "post_logout_redirect_uri": home + "x"},
                           {"post_logout_redirect_uri": home}, {"id_token_hint": "x"},
                           {"id_token_hint": held["access_token"]},
                           {"id_token_hint": held["id_token"], "client_id": "nssf"}):
            own_page(browser.get(url(**parameters), follow=False))
        expect("code" in silent(), "the session is gone")
    with report.check("logout: without a hint the person is asked, and stays signed in meanwhile"):
        page = browser.get(url(client_id="gdt", post_logout_redirect_uri=home), follow=False)
        expect(page.has("logout-form"), f"not asked: {page.status} {page.headers.get('Location')}")
        expect("code" in silent(), "the session is gone")
    with report.check("logout: with a hint, back to the client with state; session and tokens end"):
        page = browser.get(url(id_token_hint=held["id_token"], post_logout_redirect_uri=home, state="bye&x=1"),
                           follow=False)
        same(page.status, 303, f"status of {page.text[:200]}")
        back = urllib.parse.urlsplit(page.headers["Location"])
        same(f"{back.scheme}://{back.netloc}{back.path}", home, "address")
        same(urllib.parse.parse_qs(back.query), {"state": ["bye&x=1"]}, "query")
        same(silent().get("error"), "login_required", "error")
        challenge_of(gdt.userinfo(held["access_token"]))
    with report.check("logout: by POST, signed out already, the browser goes where it asked"):
        page = browser.request("POST", world.metadata["end_session_endpoint"], urllib.parse.urlencode(
            {"id_token_hint": held["id_token"], "post_logout_redirect_uri": home}).encode(),
            {"Content-Type": wire.FORM}, follow=False)
        if page.status == 303 and page.headers["Location"].startswith("/"):
            page = browser.get(page.headers["Location"], follow=False)
        same((page.status, page.headers["Location"]), (303, home), "answer")
