"""What the provider must refuse, and in which words."""

from __future__ import annotations

import concurrent.futures
import time
import urllib.parse

import jose
import wire
from checks import Report, expect, same
from provider import ASSERTION_TYPE, pkce

PARALLEL = 50
EXPIRY_SLACK = 2.0


def redirect_variants(registered: str) -> list[str]:
    """Addresses that look like the registered one to a careless comparison."""
    parts = urllib.parse.urlsplit(registered)
    host, path = parts.netloc, parts.path
    name, _, port = host.partition(":")
    there = [
        f"http://{host}{path}/", f"http://{host}{path}?", f"http://{host}{path}?x=1", f"http://{host}{path}#",
        f"http://{host}{path}#x", f"http://{host}{path}/..{path}", f"http://{host}{path}%2f", f"http://{host}{path}%00",
        f"http://{host}{path}%20", f"http://{host}{path} ", f" http://{host}{path}", f"http://{host}{path}\t",
        f"http://{host}{path}%0d%0aLocation:%20http://evil.example", f"http://{host}{path}\r\nX: y",
        f"http://{host}{path}.evil.example", f"http://{host}{path}x", f"http://{host}{path[:-1]}",
        f"http://{host}{path.upper()}", f"http://{host}{path.replace('c', '%63', 1)}", f"http://{host}/./{path[1:]}",
        f"http://{host}//{path[1:]}", f"http://{host}\\{path[1:]}", f"http://{host}/x/../{path[1:]}", f"http://{host}",
        f"http://{host}/", f"HTTP://{host}{path}", f"http://{name.upper()}:{port}{path}", f"http://{name}.:{port}{path}",
        f"https://{host}{path}", f"http://{name}{path}", f"http://{name}:{port}0{path}", f"http://{name}:0{port}{path}",
        f"http://{name}:1{path}", f"http://127.0.0.1:{port}{path}", f"http://[::1]:{port}{path}",
        f"http://0x7f000001:{port}{path}", f"http://user@{host}{path}", f"http://{host}@evil.example{path}",
        f"http://evil.example{path}", f"http://evil.example/{host}{path}", f"http://evil.example#{registered}",
        f"http://evil.example?{registered}", f"http://evil.example\\@{host}{path}", f"http://{name}.evil.example:{port}{path}",
        f"http://xn--lcalhost-54a:{port}{path}", f"http://lоcalhost:{port}{path}", f"//{host}{path}", path,
        f"http:/{host}{path}", f"http:{host}{path}", f"http:///{host}{path}", f"javascript:alert(1)//{host}{path}",
        f"data:text/html,{registered}", f"{registered},{registered}", f"{registered} {registered}", f"*{registered}",
        f"http://*{path}", "urn:ietf:wg:oauth:2.0:oob", "about:blank", "http://",
    ]
    return [variant for variant in dict.fromkeys(there) if variant != registered]


def refused(answer: wire.Answer, code: str | tuple[str, ...], status: int | None = None) -> None:
    """An error as RFC 6749 §5.2 has it."""
    codes = (code,) if isinstance(code, str) else code
    same(answer.kind, "application/json", f"media type of {answer.brief()}")
    expect(answer.json.get("error") in codes, f"error is {answer.brief()}, not {codes}")
    wanted = status or (401 if answer.json["error"] == "invalid_client" else 400)
    same(answer.status, wanted, f"status of {answer.brief()}")
    expect("no-store" in answer.header("Cache-Control"), "the error may be stored")
    expect("access_token" not in answer.json, "a token came with the error")


def own_page(page) -> None:
    """Shown here, sent nowhere."""
    same(page.status, 400, f"status of {page.path}: {page.text[:200]}")
    expect("Location" not in page.headers, f"a redirect to {page.headers.get('Location')}")
    expect(page.has("error-page"), f"no error page: {page.text[:200]}")


def run(world, report: Report) -> None:
    codes(world, report)
    pushed_requests(world, report)
    addresses(world, report)
    proofs_of_clients(world, report)
    endpoint_errors(world, report)


def codes(world, report: Report) -> None:
    gdt, nssf, browser = world.gdt, world.nssf, world.browser
    with report.check("code: a replay is refused and the tokens of the first redemption die"):
        code, verifier, _ = gdt.code(browser, None)
        token = gdt.redeem(code, verifier).json["access_token"]
        same(gdt.userinfo(token).status, 200, "userinfo before")
        refused(gdt.redeem(code, verifier), "invalid_grant")
        dead = gdt.userinfo(token)
        same(dead.status, 401, "userinfo after")
        expect("invalid_token" in dead.header("WWW-Authenticate"), "the challenge does not say invalid_token")
    with report.check(f"code: {PARALLEL} redemptions at once, one success at most, and nothing usable after a replay"):
        code, verifier, _ = gdt.code(browser, None)
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            answers = list(pool.map(lambda _: gdt.redeem(code, verifier), range(PARALLEL)))
        good = [a for a in answers if a.status == 200]
        same(len(good), 1, "redemptions that succeeded")
        for answer in answers:
            if answer.status != 200:
                refused(answer, "invalid_grant")
        same(gdt.userinfo(good[0].json["access_token"]).status, 401, "userinfo after the replays")
    with report.check("code: wrong, missing and malformed verifiers are refused"):
        for wrong in ("x" * 43, "", None, "short", "x" * 129, "é" * 43):
            code, verifier, _ = gdt.code(browser, None)
            refused(gdt.redeem(code, verifier, code_verifier=wrong), ("invalid_grant", "invalid_request"))
    with report.check("code: another client, another or no redirect_uri are refused"):
        code, verifier, _ = gdt.code(browser, None)
        refused(nssf.redeem(code, verifier), "invalid_grant")
        for wrong in (gdt.redirect_uri + "/", None):
            code, verifier, _ = gdt.code(browser, None)
            refused(gdt.redeem(code, verifier, redirect_uri=wrong), ("invalid_grant", "invalid_request"))
    with report.check("code: made up, empty and huge ones are refused"):
        for wrong in ("nothing", "", "A" * 20_000, "'; DROP TABLE codes; --", "\x00"):
            refused(gdt.redeem(wrong, "v" * 43), ("invalid_grant", "invalid_request"))


def pushed_requests(world, report: Report) -> None:
    gdt, nssf, browser = world.gdt, world.nssf, world.browser
    par = "pushed_authorization_request_endpoint"
    with report.check("PAR: plain PKCE, none, or a malformed challenge is refused"):
        _, challenge = pkce()
        for changes in ({"code_challenge_method": "plain"}, {"code_challenge_method": None}, {"code_challenge": None},
                        {"code_challenge": "short"}, {"code_challenge": None, "code_challenge_method": None}):
            refused(gdt.post(par, gdt.request(challenge, **changes)), "invalid_request")
    with report.check("PAR: response types besides code, scopes beyond the grant, unsound prompts are refused"):
        _, challenge = pkce()
        for changes, code in (({"response_type": "token"}, "unsupported_response_type"),
                              ({"response_type": "code id_token"}, "unsupported_response_type"),
                              ({"response_type": None}, "invalid_request"),
                              ({"scope": "profile"}, "invalid_scope"),
                              ({"scope": "openid address"}, "invalid_scope"),
                              ({"prompt": "none login"}, "invalid_request"), ({"max_age": "-1"}, "invalid_request"),
                              ({"max_age": "soon"}, "invalid_request"), ({"claims": "{"}, "invalid_request"),
                              ({"claims": "[" * 5000 + "]" * 5000}, "invalid_request")):
            refused(gdt.post(par, gdt.request(challenge, **changes)), code)
    with report.check("PAR: a request object or a request_uri inside is refused"):
        _, challenge = pkce()
        parameters = gdt.request(challenge)
        refused(gdt.post(par, {**parameters, "request_uri": "urn:x"}), "invalid_request")
        refused(gdt.post(par, {**parameters, "request": jose.unsigned(parameters)}),
                ("invalid_request", "request_not_supported"))
    with report.check("request_uri: unknown ones end on the provider's own page"):
        for uri in ("urn:ietf:params:oauth:request_uri:nothing", "https://evil.example/request", "", "urn:x"):
            own_page(browser.get(gdt.url({"client_id": gdt.id, "request_uri": uri}), follow=False))
    with report.check("request_uri: that of another client ends on the provider's own page"):
        _, challenge = pkce()
        uri = gdt.push(gdt.request(challenge))
        own_page(browser.get(gdt.url({"client_id": nssf.id, "request_uri": uri}), follow=False))
    with report.check("request_uri: opened twice before the answer it works, after it not"):
        verifier, challenge = pkce()
        url = gdt.pushed_url(gdt.push(gdt.request(challenge)))
        stranger = world.house.browser()
        expect(stranger.get(url).has("identifier-form"), "a first look did not reach sign-in")
        page = browser.get(url, follow=False)
        expect("code=" in page.headers.get("Location", ""), f"no code: {page.status}")
        own_page(browser.get(url, follow=False))
    with report.check("request_uri: parameters beside it change nothing"):
        _, challenge = pkce()
        uri = gdt.push(gdt.request(challenge, state="pushed"))
        page = browser.get(gdt.url({"client_id": gdt.id, "request_uri": uri, "state": "other",
                                    "redirect_uri": "http://evil.example/"}), follow=False)
        location = page.headers.get("Location", "")
        expect("evil.example" not in location, f"a redirect to {location}")
        expect(not location.startswith(gdt.redirect_uri) or "state=pushed" in location, f"a redirect to {location}")


def addresses(world, report: Report) -> None:
    gdt, browser = world.gdt, world.browser
    variants = redirect_variants(gdt.redirect_uri)
    with report.check(f"redirect_uri: {len(variants)} variants at /authorize end on the provider's own page"):
        _, challenge = pkce()
        for variant in variants:
            try:
                own_page(browser.get(gdt.url(gdt.request(challenge, redirect_uri=variant)), follow=False))
            except AssertionError as error:
                raise AssertionError(f"{variant!r}: {error}") from None
    with report.check(f"redirect_uri: the same {len(variants)} at PAR are invalid_request"):
        _, challenge = pkce()
        for variant in variants:
            try:
                refused(gdt.post("pushed_authorization_request_endpoint",
                                 gdt.request(challenge, redirect_uri=variant)), "invalid_request")
            except AssertionError as error:
                raise AssertionError(f"{variant!r}: {error}") from None
    with report.check("client_id and redirect_uri missing, unknown or doubled: own page"):
        _, challenge = pkce()
        sound = gdt.request(challenge)
        for parameters in (gdt.request(challenge, client_id="nobody"), gdt.request(challenge, client_id=None),
                           gdt.request(challenge, redirect_uri=None),
                           [*sound.items(), ("redirect_uri", gdt.redirect_uri)],
                           [*sound.items(), ("client_id", "gdt")], {"client_id": "\x00"}, {}):
            own_page(browser.get(gdt.url(parameters), follow=False))
    with report.check("other doubled parameters are refused, never taken"):
        _, challenge = pkce()
        sound = gdt.request(challenge)
        for name in ("scope", "state", "nonce", "code_challenge", "response_type", "prompt"):
            page = browser.get(gdt.url([*sound.items(), (name, "x"), (name, "y")]), follow=False)
            expect("code=" not in page.headers.get("Location", ""), f"a code in spite of two {name}")
            expect(page.status == 400 or "error=invalid_request" in page.headers.get("Location", ""),
                   f"two {name}: {page.status} {page.headers.get('Location')}")
            refused(gdt.post("pushed_authorization_request_endpoint", [*sound.items(), (name, "x")]), "invalid_request")
    with report.check("sign-in goes back to our own pages alone"):
        for there in ("//evil.example", "https://evil.example/", "/\\evil.example", "/%5cevil.example", "/\t/evil.example",
                      "\\\\evil.example", "javascript:alert(1)", "/account\r\nLocation: http://evil.example"):
            page = browser.get("/sign-in?" + urllib.parse.urlencode({"return_to": there}), follow=False)
            target = urllib.parse.urljoin(page.url, page.headers.get("Location") or "/")
            expect(target.startswith(world.house.issuer), f"{there!r} led to {target}")
            for form in page.forms:
                back = form.fields.get("return_to", "/")
                expect(urllib.parse.urljoin(page.url, back.replace("\\", "/").replace("\t", "")).startswith(
                    world.house.issuer), f"{there!r} is carried on as {back!r}")


def proofs_of_clients(world, report: Report) -> None:
    nssf, gdt = world.nssf, world.gdt
    now = int(time.time())
    issuer = world.house.issuer

    def push(assertion: str, **more: str) -> wire.Answer:
        _, challenge = pkce()
        fields = nssf.request(challenge, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, **more)
        return wire.form(world.metadata["pushed_authorization_request_endpoint"], fields)

    with report.check("client assertion: a sound one is accepted, its jti never again"):
        assertion = nssf.assertion()
        same(push(assertion).status, 201, "status")
        refused(push(assertion), "invalid_client")
    with report.check("client assertion: accepted once of 20 at the same moment"):
        assertion = nssf.assertion()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            good = [a for a in pool.map(lambda _: push(assertion), range(20)) if a.status == 201]
        same(len(good), 1, "acceptances")
    with report.check("client assertion: alg none in four spellings"):
        for alg in ("none", "None", "NONE", ""):
            refused(push(jose.unsigned(nssf.assertion_claims(), alg)), "invalid_client")
    with report.check("client assertion: HS256 with the public key as secret"):
        for secret in jose.public_encodings(nssf.key):
            refused(push(jose.hs256(nssf.assertion_claims(), secret)), "invalid_client")
    with report.check("client assertion: wrong audiences, the endpoint's address and arrays among them"):
        for audience in ("https://evil.example", issuer + "/", issuer + "/token", issuer + "/par", [issuer],
                         [issuer, "https://evil.example"], "", None, 1, {"a": 1}):
            refused(push(nssf.assertion(aud=audience)), "invalid_client")
    with report.check("client assertion: expired, endless, not yet valid, without jti, times as text"):
        for changes in ({"exp": now - 30}, {"exp": now + 86400}, {"exp": None}, {"exp": str(now + 60)}, {"jti": None},
                        {"jti": ""}, {"nbf": now + 120}, {"iat": now + 120}, {"exp": 1e308}, {"exp": 2**63}):
            refused(push(nssf.assertion(**changes)), "invalid_client")
    with report.check("client assertion: a foreign key, also when it comes along in the header"):
        key = jose.new_key()
        for header in ({}, {"jwk": jose.public_jwk(key)}, {"jku": "http://evil.example/jwks"}, {"kid": "../../key"},
                       {"x5u": "http://evil.example/x"}):
            refused(push(nssf.assertion(key=key, header=header)), "invalid_client")
    with report.check("client assertion: crit, b64 and a changed signature"):
        for header in ({"crit": ["x"], "x": 1}, {"crit": ["b64"], "b64": False}, {"typ": "at+jwt"}):
            refused(push(nssf.assertion(header=header)), "invalid_client")
        head, _, signature = nssf.assertion().rpartition(".")
        wrong = ("A" if signature[0] != "A" else "B") + signature[1:]
        for token in (f"{head}.{wrong}", f"{head}.", head, f"{head}.{signature}.x", f"{head}.{signature}=", "x.y.z", "."):
            refused(push(token), ("invalid_client", "invalid_request"))
    with report.check("client assertion: issuer and subject of another client, another client_id beside it"):
        refused(push(nssf.assertion(iss="gdt", sub="gdt")), "invalid_client")
        refused(push(nssf.assertion(sub="gdt")), "invalid_client")
        refused(push(nssf.assertion(), client_id="gdt"), ("invalid_client", "invalid_request"))
    with report.check("client secret: wrong, empty, in the body, twice, of another method, unreadable"):
        url, secret = world.metadata["token_endpoint"], world.house.client_facts("gdt")["secret"]
        fields = {"grant_type": "authorization_code", "code": "x", "code_verifier": "v" * 43,
                  "redirect_uri": gdt.redirect_uri}
        for header in (wire.basic("gdt", "wrong"), wire.basic("gdt", ""), wire.basic("nobody", secret),
                       wire.basic("nssf", secret), wire.basic("ca-officer", secret), "Basic !!!", "Basic", "Bearer x",
                       wire.basic("gdt", "x" * 10_000)):
            answer = wire.form(url, fields, {"Authorization": header})
            refused(answer, ("invalid_client", "invalid_request"))
            if answer.status == 401:
                expect(answer.header("WWW-Authenticate").lower().startswith("basic"), "no Basic challenge")
        refused(wire.form(url, {**fields, "client_id": "gdt", "client_secret": secret}), "invalid_client")
        refused(wire.form(url, {**fields, "client_id": "gdt"}), "invalid_client")
        refused(wire.form(url, {**fields, "client_secret": secret}, {"Authorization": wire.basic("gdt", secret)}),
                "invalid_request")


def endpoint_errors(world, report: Report) -> None:
    gdt, officer = world.gdt, world.officer
    with report.check("token: grants besides those offered, and none, are refused in form"):
        for grant, code in (("password", "unsupported_grant_type"), ("implicit", "unsupported_grant_type"),
                            ("client_credentials", "unauthorized_client"), (None, "invalid_request"),
                            ("urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type")):
            fields = {"grant_type": grant, "username": "a", "password": "b"}
            refused(gdt.post("token_endpoint", {n: v for n, v in fields.items() if v}), code)
        refused(officer.post("token_endpoint", {"grant_type": "authorization_code", "code": "x"}), "unauthorized_client")
        refused(gdt.post("token_endpoint", {"grant_type": "refresh_token", "refresh_token": "x"}), "invalid_grant")
    with report.check("token: doubled parameters and other media types are refused"):
        twice = [("grant_type", "authorization_code"), ("grant_type", "authorization_code"), ("code", "x")]
        refused(gdt.post("token_endpoint", twice), "invalid_request")
        headers = {**gdt.credentials()[0], "Content-Type": "application/json"}
        refused(wire.call("POST", world.metadata["token_endpoint"], b'{"grant_type":"authorization_code"}', headers),
                "invalid_request")
    with report.check("machine: a client_credentials token for ca, with no more scope than granted"):
        answer = officer.post("token_endpoint", {"grant_type": "client_credentials", "scope": "ca.read",
                                                 "resource": world.house.endpoints["ca"]})
        same(answer.status, 200, answer.brief())
        claims = jose.verify_es256(answer.json["access_token"], world.keys)[1]
        same((claims["sub"], claims["aud"]), ("ca-officer", world.house.endpoints["ca"]), "sub and aud")
        expect("id_token" not in answer.json and "refresh_token" not in answer.json, "more than an access token")
        refused(officer.post("token_endpoint", {"grant_type": "client_credentials", "scope": "openid"}), "invalid_scope")
        refused(officer.post("token_endpoint", {"grant_type": "client_credentials", "resource": "https://evil.example"}),
                "invalid_target")
        same(gdt.userinfo(answer.json["access_token"]).status, 401, "userinfo with a token for ca")


def start_clocks(world) -> None:
    """A request that nobody opens, to be opened when it is dead."""
    _, challenge = pkce()
    answer = world.gdt.post("pushed_authorization_request_endpoint", world.gdt.request(challenge))
    world.late_uri = answer.json["request_uri"]
    world.late_at = time.monotonic() + answer.json["expires_in"]


def stop_clocks(world, report: Report) -> None:
    with report.check("request_uri: expired, it ends on the provider's own page"):
        time.sleep(max(0.0, world.late_at - time.monotonic() + EXPIRY_SLACK))
        own_page(world.browser.get(world.gdt.pushed_url(world.late_uri), follow=False))
    with report.check("code: dead after its life"):
        code, verifier, made = world.late_code
        time.sleep(max(0.0, made + 60 - time.monotonic() + EXPIRY_SLACK))
        refused(world.gdt.redeem(code, verifier), "invalid_grant")
