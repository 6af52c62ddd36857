"""Pictures of the real pages, at phone and desktop width, in Khmer and English."""

from __future__ import annotations

from pathlib import Path

from webdriver import Browser
from world import World

PHONE = (320, 700)
DESK = (1180, 900)


class Camera:
    """Takes pictures of one browser's pages into a folder."""

    def __init__(self, world: World, browser: Browser, folder: Path):
        self._world, self._browser, self._folder = world, browser, folder

    def __call__(self, name: str, path: str, *, phone: bool = False, language: str = "en") -> None:
        self._browser.emulate(*(PHONE if phone else DESK), scale=1.0, mobile=phone)
        separator = "&" if "?" in path else "?"
        self._browser.open(f"{self._world.issuer}{path}{separator}lang={language}")
        self.current(name)

    def current(self, name: str) -> None:
        self._browser.screenshot(self._folder / f"{name}.png")
        print(f"{name}.png", flush=True)


def take(world: World, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with Browser(trusted=world.trusted) as browser:
        shot = Camera(world, browser, folder)
        shot("home-km-phone", "/", phone=True, language="km")
        shot("home-en", "/")
        shot("sign-in-km-phone", "/sign-in", phone=True, language="km")
        shot("sign-in-en", "/sign-in")
        shot("apply-en", "/apply")
        shot("apply-km-phone", "/apply", phone=True, language="km")
        shot("outbox-en", "/outbox")
        _application(world, browser, shot)
        _citizen(world, browser, shot)
        _desk(world, browser, shot)
        _official(world, browser, shot)


def _sign_in(world: World, browser: Browser, person: dict, return_to: str) -> None:
    login = person["login"]
    browser.open(f"{world.issuer}/?lang=en")
    browser.delete_cookies()
    browser.open(f"{world.issuer}/sign-in?return_to={return_to}&lang=en")
    browser.type("#identifier", login["identifier"])
    browser.press("#identifier-continue")
    browser.type("#password", login["password"])
    browser.type("#code", world.codes(login["totp_secret"]).next())
    browser.press("#password-submit")


def _application(world: World, browser: Browser, shot) -> None:
    browser.emulate(*DESK)
    browser.open(f"{world.issuer}/apply?lang=en")
    browser.press("#start")
    shot("apply-who-en", "/apply/who")
    browser.click("#choice-national")
    browser.press("#continue")
    shot("apply-document-km-phone", "/apply/document", phone=True, language="km")
    browser.click("#choice-national_id_card")
    browser.press("#continue")
    browser.type("#number", "123456789")
    browser.type("#zone", "IDKHM1234567890<<<<<<<<<<<<<<<\n9001011F3301018KHM<<<<<<<<<<<2\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<")
    browser.press("#continue")
    shot.current("apply-number-wrong-km-phone")


def _citizen(world: World, browser: Browser, shot) -> None:
    _sign_in(world, browser, world.person("citizen"), "/account")
    shot("account-en", "/account")
    browser.emulate(*DESK)
    browser.open(world.endpoints["relying_parties"]["taxation"] + "/")
    shot.current("ministry-en")
    browser.click("#login")
    browser.wait_for("#consent-share")
    shot.current("consent-en")
    browser.emulate(*PHONE, mobile=True)
    shot.current("consent-phone")
    browser.emulate(*DESK)
    browser.click("#consent-share")
    browser.wait_for("#welcome")
    shot.current("ministry-welcome")
    shot("account-km-phone", "/account", phone=True, language="km")


def _desk(world: World, browser: Browser, shot) -> None:
    _sign_in(world, browser, world.person("operator", index=1), "/desk")
    shot("desk-queue-en", "/desk")
    browser.emulate(*DESK)
    buttons = browser.find_all("#queue button[id^='take-']")
    if buttons:
        browser._call("POST", f"/element/{buttons[0]}/click", {})
        browser.wait_for("#decide")
        shot.current("desk-case-en")
        browser.emulate(*PHONE, mobile=True)
        shot.current("desk-case-phone")


def _official(world: World, browser: Browser, shot) -> None:
    _sign_in(world, browser, world.person("official"), "/sign")
    shot("sign-en", "/sign/setup")
