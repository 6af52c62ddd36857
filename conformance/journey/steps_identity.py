"""A citizen proves who they are, gets an account, logs in to two ministries, and takes a consent back."""

from __future__ import annotations

import re

from client import Client, Page
from material import png, zone
from webdriver import Browser, BrowserError
from world import World, check

PICTURES = (("front", 21), ("back", 22), ("portrait", 23))
CONTACT = "dara@example.org"


def _pictures() -> dict:
    return {name: (f"{name}.png", "image/png", png(seed=seed)) for name, seed in PICTURES}


def apply(world: World) -> str:
    """A citizen applies with the card of the test data; a wrong check digit is refused in plain words."""
    citizen = Client(world.issuer)
    page = citizen.submit(citizen.get("/apply"), "/apply")
    page = citizen.submit(page, "/apply/who", {"choice": "national"})
    page = citizen.submit(page, "/apply/document", {"choice": "national_id_card"})
    wrong = zone("wrong document check digit")
    page = citizen.submit(page, "/apply/number", {"number": "123456789", "zone": "\n".join(wrong["lines"])})
    check(page.path == "/apply/number" and page.has("error-summary"), "a wrong check digit was accepted")
    words = page.text_of("error-summary")
    check("invalid" not in words.lower() and len(words) > 30, f"the refusal is not in plain words: {words!r}")
    card = zone("khmer id card")
    page = citizen.submit(page, "/apply/number", {"number": "123456789", "zone": "\n".join(card["lines"])})
    check(page.path == "/apply/photos", f"the right card is refused: {page.text[:400]}")
    bad = {**_pictures(), "back": ("back.png", "image/png", b"this is no picture")}
    page = citizen.submit(page, "/apply/photos", files=bad)
    check(page.path == "/apply/photos" and page.has("error-summary"), "a file that is no picture was accepted")
    page = citizen.submit(page, "/apply/photos", files=_pictures())
    check(page.path == "/apply/name", f"photos refused: {page.text[:400]}")
    page = citizen.submit(page, "/apply/name", {"family_km": "សុខ", "given_km": "ដារ៉ា", "family_la": "SOK",
                                               "given_la": "DARA"})
    check(page.path == "/apply/contact", f"names refused: {page.text[:400]}")
    page = citizen.submit(page, "/apply/contact", {"contact": CONTACT})
    page = citizen.submit(page, "/apply/contact/code", {"code": world.message(CONTACT, "code is ")})
    check(page.path == "/apply/check", f"code refused: {page.text[:400]}")
    page = citizen.submit(page, "/apply/check")
    check(page.has("case-number"), f"no receipt: {page.text[:400]}")
    world.notes["case"] = page.text_of("case-number")
    world.notes["continuation"] = page.text_of("continuation-code")
    later = Client(world.issuer)
    page = later.submit(later.get("/apply/continue"), "/apply/continue", {"code": world.notes["continuation"]})
    check(page.path == "/apply/status", f"the continuation code does not lead back: {page.text[:300]}")
    return f"case {world.notes['case']}"


def _take(desk: Client, number: str) -> tuple[str, Page]:
    queue = desk.get("/desk").body.decode()
    row = next((part for part in queue.split('<tr id="case-')[1:] if number in part), None)
    check(row is not None, f"case {number} is not in the queue")
    identifier = row.split('"')[0]
    return identifier, desk.submit(desk.get("/desk"), f"/desk/cases/{identifier}/lease")


def decide(world: World) -> str:
    """Maker and checker approve; the same operator twice is refused; pictures carry no metadata."""
    first = world.sign_in(world.person("operator", index=0), "/desk")
    second = world.sign_in(world.person("operator", index=1), "/desk")
    number = world.notes["case"]
    identifier, page = _take(first, number)
    check("SOK" in page.text and page.has("checks"), f"the case does not show the evidence: {page.text[:300]}")
    evidence = re.findall(r'src="(/desk/cases/[^"]+/evidence/[^"]+)"', page.body.decode())
    check(len(evidence) == 3, f"three pictures were sent, {len(evidence)} are shown")
    picture = first.get(evidence[0])
    check(picture.status == 200 and b"GPS" not in picture.body and b"tEXt" not in picture.body,
          "a picture still carries its metadata")
    ticks = {"document_genuine": "yes", "face_matches": "yes"}
    page = first.submit(page, f"/desk/cases/{identifier}/decision", ticks, button=("verdict", "approve"))
    check(page.status == 200 and not page.has("error-summary"), f"first decision refused: {page.text[:300]}")
    again = first.request("POST", f"/desk/cases/{identifier}/lease",
                          _form(first, {"act": "take"}), _form_headers(world))
    decided = again.text
    if again.has("decide"):
        again = first.submit(again, f"/desk/cases/{identifier}/decision", ticks, button=("verdict", "approve"))
        decided = again.text
    check(again.has("refusal") or again.status in (403, 409), f"the same operator decided twice: {decided[:300]}")
    stranger = Client(world.issuer).get(evidence[0])
    check(stranger.path == "/sign-in" or stranger.status in (401, 403), "evidence is shown without signing in")
    identifier, page = _take(second, number)
    page = second.submit(page, f"/desk/cases/{identifier}/decision", ticks, button=("verdict", "approve"))
    check(page.status == 200 and not page.has("error-summary") and not page.has("refusal"),
          f"second decision refused: {page.text[:300]}")
    world.notes["activation"] = world.message(CONTACT, "Code: ")
    return "approved by two operators"


def _form(client: Client, values: dict) -> bytes:
    import urllib.parse
    page = client.get("/desk")
    token = re.search(r'name="csrf" value="([^"]+)"', page.body.decode())
    return urllib.parse.urlencode({"csrf": token.group(1) if token else "", **values}).encode()


def _form_headers(world: World) -> dict:
    return {"Content-Type": "application/x-www-form-urlencoded", "Origin": world.issuer}


def passkey(world: World, browser: Browser) -> str:
    """The citizen activates the account with a passkey in Chromium and confirms a recovery code."""
    world.notes["authenticator"] = browser.add_authenticator()
    browser.open(f"{world.issuer}/account/activate?lang=en")
    browser.type("#code", world.notes["activation"])
    browser.press("#activate-continue")
    browser.wait_for("#passkey-create")
    browser.wait_until(lambda: browser.attribute("#passkey-register", "hidden") is False, "the passkey button")
    browser.click("#passkey-create")
    browser.wait_for("#recovery-codes")
    codes = browser.text("#recovery-codes").split()
    check(len(codes) >= 8, f"{len(codes)} recovery codes")
    browser.type("#code", codes[0])
    browser.press("#codes-continue")
    browser.wait_for("#done-account")
    check(len(browser.credentials(world.notes["authenticator"])) == 1, "the authenticator holds no passkey")
    browser.open(f"{world.issuer}/account")
    browser.wait_for("#greeting")
    check("2" in browser.text("#level"), f"level is not 2: {browser.text('#level')!r}")
    return browser.text("#level").split("\n")[0]


def use_passkey(browser: Browser, arrived: str) -> None:
    """Presses the passkey button, unless the browser's autofill was quicker."""
    def button() -> bool:
        return browser.has("#passkey-sign-in") and browser.attribute("#passkey-sign-in", "hidden") is False

    browser.wait_until(lambda: browser.has(arrived) or button(), f"the passkey button or {arrived}")
    try:
        if not browser.has(arrived) and button():
            browser.click("#passkey-button")
    except BrowserError:
        pass  # the page went on by itself in between
    browser.wait_for(arrived)


def _consent_and_return(world: World, browser: Browser, ministry: str) -> None:
    browser.wait_until(lambda: browser.has("#consent-share") or browser.url.startswith(ministry),
                       "the consent page or the ministry")
    if browser.has("#consent-share"):
        browser.click("#consent-share")
    browser.wait_until(lambda: browser.url.startswith(ministry) and browser.has("#welcome"), "the ministry's welcome")


def ministry(world: World, browser: Browser) -> str:
    """The citizen logs in to the ministry with the passkey; it shows verified name, birth date and level."""
    browser.delete_cookies()
    browser.open(f"{world.issuer}/?lang=en")
    browser.delete_cookies()
    address = world.endpoints["relying_parties"]["taxation"]
    browser.open(address + "/")
    browser.click("#login")
    use_passkey(browser, "#consent-share")
    _consent_and_return(world, browser, address)
    seen = {name: browser.text(f"#{name}") for name in ("name", "name-km", "birthdate", "level", "sub")}
    check("SOK" in seen["name"].upper() and "DARA" in seen["name"].upper(), f"name is {seen['name']!r}")
    check("សុខ" in seen["name-km"], f"Khmer name is {seen['name-km']!r}")
    check("1990" in seen["birthdate"], f"birth date is {seen['birthdate']!r}")
    check("2" in seen["level"], f"level is {seen['level']!r}")
    check(re.fullmatch(r"[A-Za-z0-9_-]{43}", seen["sub"]) is not None, f"sub is {seen['sub']!r}")
    world.notes["sub"] = seen["sub"]
    return f"{seen['name']}, {seen['birthdate']}, {seen['level']}"


def second_ministry(world: World, browser: Browser) -> str:
    """A second ministry gets another subject identifier, with the same session."""
    address = world.endpoints["relying_parties"]["social_security"]
    browser.open(address + "/")
    browser.click("#login")
    _consent_and_return(world, browser, address)
    other = browser.text("#sub")
    check(other != world.notes["sub"] and len(other) == 43, "both ministries know the person by the same identifier")
    return "two ministries, two identifiers"


def consent(world: World, browser: Browser) -> str:
    """The citizen sees who got what and withdraws; the ministry must ask again."""
    browser.open(f"{world.issuer}/account?lang=en")
    browser.wait_for("#services")
    text = browser.text("#services")
    check("Taxation" in text and "Social Security" in text, f"services are {text!r}")
    link = next(l for l in browser.find_all("#services a[href*='/withdraw']"))
    browser._call("POST", f"/element/{link}/click", {})
    browser.wait_for("#withdraw")
    browser.press("#withdraw")
    browser.wait_for("#greeting")
    remaining = browser.text("main")
    address = world.endpoints["relying_parties"]["taxation"]
    gone = "taxation" if "General Department of Taxation" not in browser.text("#services") else "social_security"
    address = world.endpoints["relying_parties"][gone]
    check("Stop" in remaining or "services" in remaining.lower(), "the account page is not shown after withdrawing")
    browser.open(address + "/")
    if browser.has("#logout"):
        browser.delete_cookies()
        browser.open(address + "/")
    browser.click("#login")
    use_passkey(browser, "#consent-share")
    return f"withdrawn from {gone.replace('_', ' ')}; it has to ask again"
