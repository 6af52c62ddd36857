"""OpenID Connect as seen from outside: metadata, keys, the code flow and what the tokens say.

What must be refused is in `openid_refusals`; both share one signed-in person, since a one-time code counts once.
"""

from __future__ import annotations

import time
import urllib.parse

import jose
import openid_end
import openid_refusals
import wire
from checks import Report, expect, same
from house import House
from provider import RelyingParty, follow, pkce, walk

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
             "pushed_authorization_request_endpoint", "introspection_endpoint", "revocation_endpoint",
             "end_session_endpoint")
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
REGISTERED_ALGS = {"ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256"}
LEVELS = [f"urn:kh:vdia:{n}" for n in (1, 2, 3)]


class World:
    """What the checks of this suite share."""

    def __init__(self, house: House):
        self.house = house
        self.metadata = wire.call("GET", house.issuer + "/.well-known/openid-configuration").json
        self.keys: list[dict] = wire.call("GET", self.metadata["jwks_uri"]).json["keys"]
        self.gdt = RelyingParty(house, "gdt", self.metadata)
        self.nssf = RelyingParty(house, "nssf", self.metadata)
        self.officer = RelyingParty(house, "ca-officer", self.metadata)
        self.person = house.person("citizen")
        self.browser = house.browser()

    def id_token(self, tokens: dict) -> dict:
        return jose.verify_es256(tokens["id_token"], self.keys)[1]


def run(house: House, report: Report) -> None:
    world = World(house)
    discovery(world, report)
    openid_refusals.start_clocks(world)
    flow(world, report)
    demands(world, report)
    openid_refusals.run(world, report)
    openid_end.run(world, report)
    openid_refusals.stop_clocks(world, report)


def discovery(world: World, report: Report) -> None:
    metadata, issuer = world.metadata, world.house.issuer
    with report.check("metadata: the issuer is the address it was found under"):
        same(metadata["issuer"], issuer, "issuer")
        other = wire.call("GET", issuer + "/.well-known/oauth-authorization-server").json
        same(other, metadata, "the document of RFC 8414")
    with report.check("metadata: every endpoint is below the issuer and answers"):
        for name in ENDPOINTS:
            expect(metadata[name].startswith(issuer + "/"), f"{name} is {metadata[name]}")
            found = wire.call("GET", metadata[name]).status
            expect(found not in (404,) and found < 500, f"{name} answers {found}")
    with report.check("metadata: code, S256, pushed requests, iss parameter, pairwise subjects"):
        same(metadata["response_types_supported"], ["code"], "response_types_supported")
        same(metadata["code_challenge_methods_supported"], ["S256"], "code_challenge_methods_supported")
        same(metadata["authorization_response_iss_parameter_supported"], True, "iss parameter")
        same(metadata["subject_types_supported"], ["pairwise"], "subject_types_supported")
        expect("openid" in metadata["scopes_supported"], "openid is not in scopes_supported")
        same(metadata["acr_values_supported"], LEVELS, "acr_values_supported")
        same(metadata["request_uri_parameter_supported"], False, "request_uri_parameter_supported")
    with report.check("metadata: algorithms are known, none and HS256 are not offered"):
        for name in [n for n in metadata if n.endswith("alg_values_supported")]:
            values = metadata[name]
            expect(values and set(values) <= REGISTERED_ALGS, f"{name} is {values}")
        expect("ES256" in metadata["id_token_signing_alg_values_supported"], "ES256 is not offered")
        kinds = {key["alg"] for key in world.keys}
        expect(kinds <= set(metadata["id_token_signing_alg_values_supported"]), f"keys of {kinds}")
    with report.check("metadata: arrays of distinct strings, no empty members"):
        for name, value in metadata.items():
            expect(value not in (None, "", []), f"{name} is empty")
            if isinstance(value, list):
                expect(len(set(value)) == len(value), f"{name} repeats a value")
    with report.check("metadata: identity assurance says what userinfo can do"):
        same(metadata["verified_claims_supported"], True, "verified_claims_supported")
        same(metadata["trust_frameworks_supported"], ["kh_vdia"], "trust_frameworks_supported")
        expect("name#km" in metadata["claims_in_verified_claims_supported"], "name#km is not offered")
    with report.check("keys: public, for signatures, each with its own id, readable across sites"):
        answer = wire.call("GET", metadata["jwks_uri"])
        expect(world.keys, "the key set is empty")
        same(len({k["kid"] for k in world.keys}), len(world.keys), "count of distinct kid")
        for key in world.keys:
            expect(not set(PRIVATE_MEMBERS) & set(key), f"private members in {sorted(key)}")
            same(key.get("use"), "sig", "use")
        same(answer.header("Access-Control-Allow-Origin"), "*", "Access-Control-Allow-Origin")


def flow(world: World, report: Report) -> None:
    gdt, nssf, browser, person = world.gdt, world.nssf, world.browser, world.person
    held: dict = {}
    with report.check("flow: pushed request, sign-in without script, consent, code, state and iss"):
        verifier, challenge = pkce()
        held["request"] = gdt.request(challenge)
        pushed = gdt.post("pushed_authorization_request_endpoint", held["request"])
        same(pushed.status, 201, "status")
        expect(5 <= pushed.json["expires_in"] < 600, f"expires_in {pushed.json['expires_in']}")
        expect("no-store" in pushed.header("Cache-Control"), "PAR answers may be stored")
        handle = pushed.json["request_uri"].rpartition(":")[2]
        expect(len(handle) >= 22, "the request_uri has less than 128 bits")
        reply = follow(world.house, browser, gdt.pushed_url(pushed.json["request_uri"]), gdt.redirect_uri, person)
        same(reply.get("state"), held["request"]["state"], "state")
        same(reply.get("iss"), world.house.issuer, "iss")
        expect(len(reply["code"]) >= 22, "the code has less than 128 bits")
        answer = gdt.redeem(reply["code"], verifier)
        same(answer.status, 200, f"status of {answer.brief()}")
        held["answer"], held["tokens"] = answer, answer.json
    if "tokens" not in held:
        report.skip("flow: the rest", "no tokens")
        return
    tokens = held["tokens"]
    with report.check("token answer: Bearer, expires_in, no-store"):
        same(tokens["token_type"].lower(), "bearer", "token_type")
        expect(0 < tokens["expires_in"] <= 3600, f"expires_in {tokens['expires_in']}")
        expect("no-store" in held["answer"].header("Cache-Control"), "token answers may be stored")
    with report.check("ID token: ES256 by a published key, issuer, audience, times, nonce"):
        header, claims = jose.verify_es256(tokens["id_token"], world.keys)
        same(claims["iss"], world.house.issuer, "iss")
        same(claims["aud"], "gdt", "aud")
        same(claims["nonce"], held["request"]["nonce"], "nonce")
        now = time.time()
        expect(abs(claims["iat"] - now) < 30 and now < claims["exp"] <= now + 3600, f"times {claims}")
        expect(0 <= now - claims["auth_time"] < 120, f"auth_time {claims['auth_time']}")
        expect(len(claims["sub"]) == 43, f"sub is {claims['sub']!r}")
        expect(not {"jwk", "jku", "x5u"} & set(header), f"header {header}")
    with report.check("ID token: acr, ial, aal, fal and amr; nobody's claims that were not asked for"):
        claims = world.id_token(tokens)
        expect(claims["acr"] in LEVELS, f"acr is {claims['acr']}")
        same(claims["acr"], LEVELS[min(claims["ial"], claims["aal"]) - 1], "acr")
        expect(isinstance(claims["fal"], int) and claims["fal"] >= 1, f"fal is {claims['fal']}")
        expect("otp" in claims["amr"] and "pwd" in claims["amr"] and "mfa" in claims["amr"], f"amr {claims['amr']}")
        personal = {"name", "birthdate", "given_name", "verified_claims", "email"} & set(claims)
        expect(not personal, f"{personal} in the ID token of the code flow")
    with report.check("access token: at+jwt (RFC 9068) for this provider"):
        header, claims = jose.verify_es256(tokens["access_token"], world.keys)
        same(header["typ"].removeprefix("application/"), "at+jwt", "typ")
        for name in ("iss", "exp", "aud", "sub", "client_id", "iat", "jti"):
            expect(name in claims, f"{name} is missing")
        same(claims["client_id"], "gdt", "client_id")
        same(set(claims["scope"].split()), {"openid", "profile", "identity"}, "scope")
    with report.check("userinfo: GET, POST with header, POST with body say the same"):
        url, token = world.metadata["userinfo_endpoint"], tokens["access_token"]
        answers = [gdt.userinfo(token),
                   wire.call("POST", url, b"", {"Authorization": f"Bearer {token}"}),
                   wire.form(url, {"access_token": token}),
                   wire.call("GET", url, headers={"Authorization": f"bearer {token}", "Accept": "image/png"})]
        for answer in answers:
            same(answer.status, 200, f"status of {answer.brief()}")
            same(answer.json, answers[0].json, "userinfo")
            expect("no-store" in answer.header("Cache-Control"), "userinfo may be stored")
            expect(answer.header("Date"), "no Date")
        held["claims"] = answers[0].json
    with report.check("userinfo: subject of the ID token, names in both scripts, verified claims with evidence"):
        claims = held["claims"]
        same(claims["sub"], world.id_token(tokens)["sub"], "sub")
        same(claims["name#km"], person["name"]["km"], "name#km")
        same(claims["name"].upper(), person["name"]["latin"].upper(), "name")
        verified = claims["verified_claims"]
        same(verified["verification"]["trust_framework"], "kh_vdia", "trust_framework")
        same(verified["claims"]["name#km"], person["name"]["km"], "verified name#km")
        expect(verified["verification"].get("evidence"), "no evidence")
        expect("email" not in claims, "email was not asked for")
    with report.check("a second client, private_key_jwt with Ed25519, gets another subject"):
        other = world.id_token(nssf.tokens(browser, person))
        same(other["aud"], "nssf", "aud")
        expect(other["sub"] != world.id_token(tokens)["sub"], "both clients see one sub")
        again = world.id_token(gdt.tokens(browser, person))
        same(again["sub"], world.id_token(tokens)["sub"], "sub of a second sign-in")


def demands(world: World, report: Report) -> None:
    """What a client may ask of one request: prompt, max_age, acr_values, claims, form_post, POST."""
    gdt, house, browser, person = world.gdt, world.house, world.browser, world.person

    def ask(who, **changes) -> dict[str, str]:
        _, challenge = pkce()
        return follow(house, who, gdt.pushed_url(gdt.push(gdt.request(challenge, **changes))), gdt.redirect_uri, None)

    with report.check("prompt=none without a session: login_required with state and iss"):
        reply = ask(house.browser(), prompt="none", state="s1")
        same(reply.get("error"), "login_required", "error")
        same((reply.get("state"), reply.get("iss")), ("s1", house.issuer), "state and iss")
    with report.check("prompt=none with session and consent: a code"):
        expect("code" in ask(browser, prompt="none"), "no code")
    with report.check("prompt=none with an old sign-in for max_age=0: login_required"):
        time.sleep(1.1)
        same(ask(browser, prompt="none", max_age="0").get("error"), "login_required", "error")
    with report.check("max_age that the sign-in meets: no page, auth_time in the token"):
        expect("auth_time" in world.id_token(gdt.tokens(browser, None, max_age="43200")), "no auth_time")
    with report.check("max_age=0 and prompt=login both end on the sign-in page"):
        for changes in ({"max_age": "0"}, {"prompt": "login"}):
            _, challenge = pkce()
            url = gdt.pushed_url(gdt.push(gdt.request(challenge, **changes)))
            page = walk(house, browser, url, gdt.redirect_uri, None)
            expect(not isinstance(page, dict) and page.has("identifier-form"), f"{changes} did not ask: {page}")
    with report.check("prompt=login: a new sign-in, a later auth_time"):
        before = world.id_token(gdt.tokens(browser, None))["auth_time"]
        after = world.id_token(gdt.tokens(browser, person, prompt="login"))["auth_time"]
        expect(after > before, f"auth_time {after} is not after {before}")
    with report.check("prompt=consent asks again; refusing it is access_denied"):
        _, challenge = pkce()
        url = gdt.pushed_url(gdt.push(gdt.request(challenge, prompt="consent")))
        reply = follow(house, browser, url, gdt.redirect_uri, None, consent="refuse")
        same(reply.get("error"), "access_denied", "error")
    with report.check("acr_values: a lower level is met, the reached one is said"):
        claims = world.id_token(gdt.tokens(browser, None, acr_values=" ".join(LEVELS[:1])))
        expect(claims["acr"] in LEVELS, f"acr is {claims['acr']}")
    with report.check("an essential level out of reach: unmet_authentication_requirements"):
        wish = '{"id_token":{"acr":{"essential":true,"values":["urn:kh:vdia:3"]}}}'
        same(ask(browser, claims=wish, prompt="none").get("error"), "unmet_authentication_requirements", "error")
    with report.check("claims asked for by name come in the ID token"):
        claims = world.id_token(gdt.tokens(browser, None, claims='{"id_token":{"birthdate":null}}'))
        expect("birthdate" in claims and "name" not in claims, f"claims {sorted(claims)}")
    with report.check("response_mode=form_post: a form to the client, no script needed, code, state and iss"):
        _, challenge = pkce()
        parameters = gdt.request(challenge, response_mode="form_post")
        page = walk(house, browser, gdt.pushed_url(gdt.push(parameters)), gdt.redirect_uri, None)
        expect(not isinstance(page, dict), "redirected")
        form = next(f for f in page.forms if f.action == gdt.redirect_uri)
        same(form.method, "post", "method")
        expect({"code", "state", "iss"} <= set(form.fields), f"fields {sorted(form.fields)}")
    with report.check("the authorization endpoint takes a POST"):
        _, challenge = pkce()
        fields = {"client_id": gdt.id, "request_uri": gdt.push(gdt.request(challenge))}
        page = browser.request("POST", world.metadata["authorization_endpoint"], urllib.parse.urlencode(fields).encode(),
                               {"Content-Type": wire.FORM}, follow=False)
        same(page.status, 303, f"status of {page.text[:200]}")
        reply = follow(house, browser, page.headers["Location"], gdt.redirect_uri, None)
        expect("code" in reply, f"no code: {reply}")
    with report.check("a client that must push gets invalid_request for an open request"):
        _, challenge = pkce()
        reply = follow(house, browser, gdt.url(gdt.request(challenge, state="s2")), gdt.redirect_uri, None)
        same((reply.get("error"), reply.get("state"), reply.get("iss")), ("invalid_request", "s2", house.issuer), "answer")
