"""Every page that people can reach, in both languages, on a phone of 320 px and on a desk.

axe-core judges accessibility in headless Chromium; beside it: nothing scrolls sideways, nothing is heavy, and each
page says the same and offers the same without script.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import wire
from checks import NotRun, Report, expect
from house import Client, House, material
from openid_client import node_modules
from provider import RelyingParty, pkce

try:
    from webdriver import Browser, BrowserError
except ImportError as missing:
    raise NotRun(str(missing)) from missing

LANGUAGES = ("km", "en")
SIZES = {"320 px": (320, 700), "desk": (1180, 900)}
GRAVE = ("serious", "critical")
# WCAG 2.2 at level AA, and what axe holds for good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WEIGHT = 50 * 1000
NARROWEST = 320
OVERHANG = "const d = document.documentElement; return d.scrollWidth - d.clientWidth"


@dataclass
class Place:
    """A page and the browser that may see it."""

    name: str
    path: str
    visitor: Client
    status: int = 200


def run(house: House, report: Report) -> None:
    try:
        axe = (node_modules() / "axe-core" / "axe.min.js").read_text()
    except (NotRun, OSError) as reason:
        axe = ""
        report.skip("accessibility by axe-core", str(reason))
    places: list[Place] = []
    for name, gather in (("strangers", _strangers), ("applicants", _applicant), ("a new holder", _newcomer),
                         ("a holder", _holder), ("officers", _officers)):
        with report.check(f"pages of {name} are reached without script"):
            places += gather(house)
    with report.check(f"{len(places)} pages: HTML and style sheet together at most {WEIGHT // 1000} kB"):
        heavy = [f"{p.name} {size}" for p in places if (size := _weight(house, p)) > WEIGHT]
        expect(not heavy, "; ".join(heavy))
    with report.check(f"{len(places)} pages: no text left in the wrong place"):
        _texts(places)
    try:
        browser = Browser(language="en")
    except (OSError, BrowserError) as reason:
        report.skip("pages in Chromium", str(reason))
        return
    with browser:
        for place in places:
            with report.check(f"{place.name}: axe, sideways scrolling, km and en, 320 px and desk"):
                _judge(browser, house, place, axe)
    with report.check(f"{len(places)} pages stand with scripts disabled, and every form has its button"):
        with Browser(language="en", script=False) as plain:
            for place in places:
                _without_script(plain, house, place)
    with report.check("sign-in in Chromium with scripts disabled, on 320 px, nothing scrolls sideways on the way"):
        with Browser(language="en", script=False) as plain:
            _sign_in(plain, house)


# --- places ---------------------------------------------------------------------------------------------------------

def _strangers(house: House) -> list[Place]:
    stranger = house.browser()
    paths = {"home": "/", "sign-in": "/sign-in", "recover": "/sign-in/recover", "apply": "/apply",
             "apply: continue": "/apply/continue", "activate": "/account/activate", "offices": "/help/offices",
             "privacy": "/help/privacy", "outbox": "/outbox", "logged out": "/logout/done"}
    places = [Place(name, path, stranger) for name, path in paths.items()]
    return places + [Place("not found", "/nowhere", stranger, 404),
                     Place("authorization refused", "/authorize?client_id=nobody", stranger, 400)]


def _applicant(house: House) -> list[Place]:
    asked = house.person("citizen", "asked")
    back = house.browser()
    page = back.submit(back.get("/apply/continue"), "/apply/continue", {"code": asked["continuation_code"]})
    places = [Place("application: asked for more", page.path, back)]
    citizen = house.browser()
    page = citizen.submit(citizen.get("/apply"), "/apply")
    steps = [("who", {"choice": "national"}, None), ("document", {"choice": "national_id_card"}, None)]
    card = material.td1("112233445", "950505", "F", "330101", "TEST", "PAGES")
    steps.append(("number", {"number": "112233445", "zone": "\n".join(card)}, None))
    pictures = {name: (f"{name}.png", "image/png", material.png(seed=900 + n))
                for n, name in enumerate(("front", "back", "portrait"))}
    steps.append(("photos", {}, pictures))
    steps.append(("name", {"family_km": "សុខ", "given_km": "ពិសី", "family_la": "TEST", "given_la": "PAGES"}, None))
    for name, values, files in steps:
        expect(page.path == f"/apply/{name}", f"expected /apply/{name}, is {page.path}: {page.text[:200]}")
        places.append(Place(f"apply: {name}", page.path, citizen))
        page = citizen.submit(page, page.path, values, files)
    places.append(Place("apply: contact", page.path, citizen))
    page = citizen.submit(page, "/apply/contact", {"contact": "pages@example.org"})
    places.append(Place("apply: code", page.path, citizen))
    return places


def _newcomer(house: House) -> list[Place]:
    person = house.person("citizen", "approved")
    holder = house.browser()
    page = holder.submit(holder.get("/account/activate"), "/account/activate", {"code": person["activation_code"]})
    places = [Place("activate: choose", page.path, holder)]
    page = holder.get("/account/activate/password")
    places.append(Place("activate: password", page.path, holder))
    return places


def _holder(house: House) -> list[Place]:
    person = house.person("citizen")
    holder = house.signed_in(person)
    paths = ["/account", "/account/access", "/account/passkeys/add", "/account/recovery-codes", "/account/close", "/logout"]
    places = [Place(path.strip("/").replace("/", ": "), path, holder) for path in paths]
    metadata = wire.call("GET", house.issuer + "/.well-known/openid-configuration").json
    gdt = RelyingParty(house, "gdt", metadata)
    page = holder.get(gdt.pushed_url(gdt.push(gdt.request(pkce()[1], prompt="consent", scope="openid profile identity email"))))
    expect(page.path == "/consent", f"no consent page but {page.path}")
    places.append(Place("consent", page.url.removeprefix(house.issuer), holder))
    page = house.browser().get(gdt.pushed_url(gdt.push(gdt.request(pkce()[1]))))
    places.append(Place("sign-in to a ministry", page.url.removeprefix(house.issuer), house.browser()))
    links = [link for link in holder.get("/account").links if "/withdraw" in link]
    return places + [Place("account: withdraw", link, holder) for link in links[:1]]


def _officers(house: House) -> list[Place]:
    operator, official = house.signed_in(house.person("operator")), house.signed_in(house.person("official"))
    queue = operator.get("/desk")
    places = [Place("desk", "/desk", operator), Place("forbidden", "/desk", official, 403),
              Place("sign: setup", "/sign/setup", official)]
    if (page := official.get("/sign")).path == "/sign":
        places.append(Place("sign", page.path, official))
    cases = [urllib.parse.urlsplit(link).path for link in queue.links if re.search(r"/desk/cases/[0-9a-f-]+", link)]
    cases += [f.action.removesuffix("/lease") for f in queue.forms if f.action.endswith("/lease")]
    if cases:
        places.append(Place("desk: case", cases[0], operator))
    return places


# --- judging --------------------------------------------------------------------------------------------------------

def _with(path: str, language: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={language}"


def _weight(house: House, place: Place) -> int:
    page = place.visitor.get(place.path)
    sheets = re.findall(rb'<link rel="stylesheet" href="([^"]+)"', page.body)
    return len(page.body) + sum(len(wire.call("GET", house.issuer + sheet.decode()).body) for sheet in sheets)


def _texts(places: list[Place]) -> None:
    lacks = []
    for place in places:
        for language in LANGUAGES:
            page = place.visitor.get(_with(place.path, language))
            if page.status != place.status:
                lacks.append(f"{place.name}: {page.status}")
            if f'<html lang="{language}">'.encode() not in page.body:
                lacks.append(f"{place.name}: not in {language}")
            # Text keys, template marks and placeholders that nothing filled.
            if found := re.search(r"\{\{|\}\}|\{ ?\$|\{\$|Unknown localization|\b(apply|oidc|error|desk)-[a-z]+-[a-z]+\b", page.text):
                lacks.append(f"{place.name}: {found.group(0)!r} in the text")
            khmer = len(re.findall(r"[\u1780-\u17ff]", page.text))
            if language == "km" and khmer < 20:
                lacks.append(f"{place.name}: hardly any Khmer")
    expect(not lacks, f"{len(lacks)} of them: " + "; ".join(lacks[:8]))


def _lend(browser: Browser, house: House, visitor: Client) -> None:
    """Gives the browser the cookies of a visitor."""
    browser.open(house.issuer + "/static/mark.svg")
    browser.delete_cookies()
    for cookie in visitor.jar:
        if cookie.name.removeprefix("__Host-") != "lang":
            browser._call("POST", "/cookie", {"cookie": {"name": cookie.name, "value": cookie.value, "path": "/",
                                                         "httpOnly": True, "secure": cookie.secure}})


def _judge(browser: Browser, house: House, place: Place, axe: str) -> None:
    _lend(browser, house, place.visitor)
    lacks = []
    for size, (width, height) in SIZES.items():
        browser.emulate(width, height, mobile=width == NARROWEST)
        for language in LANGUAGES:
            browser.open(house.issuer + _with(place.path, language))
            where = f"{language} at {size}"
            over = browser.script(OVERHANG)
            if over > 0:
                widest = browser.script("return [...document.querySelectorAll('main *')].filter(e => "
                                        "e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3)"
                                        ".map(e => e.tagName + '#' + e.id + '.' + e.className).join(' ')")
                lacks.append(f"{where} scrolls sideways by {over} px ({widest})")
            if axe:
                browser.script(axe)
                found = browser.script("return axe.run(document, {runOnly: arguments[0], resultTypes: ['violations']})"
                                       ".then(r => r.violations.map(v => [v.impact, v.id, v.nodes.length, "
                                       "v.nodes[0].html.slice(0, 120)]))", RULES)
                lacks += [f"{where}: {impact} {rule} ({count}: {html})" for impact, rule, count, html in found
                          if impact in GRAVE]
    expect(not lacks, f"{len(lacks)} of them: " + "; ".join(lacks[:4]))


def _without_script(browser: Browser, house: House, place: Place) -> None:
    _lend(browser, house, place.visitor)
    browser.open(house.issuer + _with(place.path, "en"))
    expect(browser.has("main h1"), f"{place.name}: no heading")
    expect(len(browser.text("main")) > 20, f"{place.name}: hardly any text")
    for form in browser.find_all("main form"):
        shown = browser._call("GET", f"/element/{form}/displayed")
        buttons = browser._call("POST", f"/element/{form}/elements", {"using": "css selector", "value": "button"})
        expect(not shown or buttons, f"{place.name}: a form without a button")


def _sign_in(browser: Browser, house: House) -> None:
    person = house.person("citizen")
    browser.emulate(*SIZES["320 px"], mobile=True)
    browser.open(house.issuer + "/sign-in?lang=en")
    expect(not browser._call("GET", f"/element/{browser.find('#passkey-sign-in')}/displayed"),
           "a button that needs script is shown")
    browser.type("#identifier", person["login"]["identifier"])
    browser.click("#identifier-form button")
    for _ in range(3):
        browser.wait_for("#password")
        expect(browser.script(OVERHANG) <= 0, "the page that asks for the password scrolls sideways")
        browser.type("#password", person["login"]["password"])
        browser.type("#code", house.codes(person).next())
        browser.click("#password-submit")
        try:
            browser.wait_until(lambda: urllib.parse.urlsplit(browser.url).path == "/account", "the account", 5)
            return
        except BrowserError:
            continue
    raise AssertionError(f"signed in nowhere: {browser.url}")
