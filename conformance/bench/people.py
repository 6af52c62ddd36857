"""A person who signs in and consents once, and flows in their name by the load generator `code-flow`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from table import Figures, NotMeasured
from world import World, basic

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "journey"))

from client import Client  # noqa: E402
from material import Codes  # noqa: E402

CLIENT = "gdt"
SCOPE = "openid profile identity"
# RFC 7636 appendix B: verifier and challenge of a flow that is not redeemed.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def flow_order(world: World) -> dict:
    """What `code-flow` needs, after the active citizen signed in and shared their data with the ministry."""
    client, issuer = world.client(CLIENT), world.demo["issuer"]
    citizen = next(p for p in world.demo["people"] if p["role"] == "citizen" and p["state"] == "active")
    browser = sign_in(issuer, citizen["login"])
    order = {
        "address": urllib.parse.urlsplit(issuer).netloc.replace("localhost", "127.0.0.1"),
        "host": urllib.parse.urlsplit(issuer).netloc,
        "par": "/par", "authorize": "/authorize", "token": "/token", "userinfo": "/userinfo",
        "client_id": client["id"], "client_secret": client["secret"], "redirect_uri": client["redirect_uris"][0],
        "scope": SCOPE,
    }
    _consent(browser, order)
    return {**order, "cookie": cookies(browser)}


def cookies(browser: Client) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar)


def sign_in(issuer: str, login: dict) -> Client:
    browser = Client(issuer)
    page = browser.get("/sign-in?return_to=/account")
    page = browser.submit(page, "/sign-in", {"identifier": login["identifier"]})
    codes = Codes(login["totp_secret"])
    page = browser.submit(page, "/sign-in/password", {"password": login["password"], "code": codes.next()})
    if page.path != "/account":
        raise NotMeasured(f"{login['identifier']} cannot sign in: {page.text[:200]}")
    return browser


def _consent(browser: Client, order: dict) -> None:
    body = urllib.parse.urlencode({
        "response_type": "code", "client_id": order["client_id"], "redirect_uri": order["redirect_uri"],
        "scope": order["scope"], "state": "consent", "nonce": "consent", "code_challenge": CHALLENGE,
        "code_challenge_method": "S256"}).encode()
    headers = {"Authorization": basic(order["client_id"], order["client_secret"]),
               "Content-Type": "application/x-www-form-urlencoded"}
    pushed = browser.request("POST", order["par"], body, headers)
    if pushed.status != 201:
        raise NotMeasured(f"the request was not taken: {pushed.status} {pushed.body[:200]!r}")
    query = urllib.parse.urlencode({"client_id": order["client_id"], "request_uri": json.loads(pushed.body)["request_uri"]})
    page = browser.get(f"{order['authorize']}?{query}", follow=False)
    if "/consent" in (page.headers["Location"] or ""):
        page = browser.get(page.headers["Location"])
        page = browser.submit(page, "/consent", button=("decision", "share"), follow=False)
    if "code=" not in (page.headers["Location"] or ""):
        raise NotMeasured(f"no code after consent: {page.status} {page.text[:200]}")


def flows(world: World, order: dict) -> Figures:
    """Flows a second and latencies in ms."""
    return load(world, "code-flow", {**order, "seed": time.monotonic_ns()})


def load(world: World, program: str, order: dict) -> Figures:
    """Figures of one of our own load generators."""
    done = subprocess.run([world.program(program)], input=json.dumps(order), capture_output=True, text=True)
    if done.returncode:
        raise NotMeasured(done.stderr.strip()[-300:])
    figures = json.loads(done.stdout)
    return {"rate": figures["rate"], "p50": figures["p50_ms"], "p99": figures["p99_ms"]}
