"""Relying parties that others wrote: openid-client and oauth4webapi from npm, at pinned versions.

The node program does all of OpenID Connect; this side is only its browser. They talk in lines of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
from pathlib import Path

from checks import NotRun, Report, expect
from house import House
from provider import follow

HERE = Path(__file__).resolve().parent
LIMIT = 180


def node_modules() -> Path:
    """Where the judges from npm are; the verb installs them."""
    folder = Path(os.environ.get("ROMDUOL_NODE_MODULES", HERE / "node_modules"))
    if not shutil.which("node"):
        raise NotRun("node is not installed")
    if not (folder / "openid-client").exists():
        raise NotRun("the packages of conformance/suites/package.json are not installed (npm ci in that folder)")
    return folder


def run(house: House, report: Report) -> None:
    try:
        node_modules()
    except NotRun as reason:
        report.skip("openid-client and oauth4webapi", str(reason))
        return
    person = house.person("citizen")
    browser = house.signed_in(person)
    settings = {"issuer": house.issuer, "ca": house.endpoints["ca"], "officer": house.client_facts("ca-officer")}
    for name in ("gdt", "nssf"):
        facts = dict(house.client_facts(name))
        if "key_file" in facts:
            facts["key"] = Path(facts["key_file"]).read_text()
        settings[name] = facts
    process = subprocess.Popen(["node", *_flags(), str(HERE / "relying_parties.mjs")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, cwd=HERE)
    try:
        _say(process, settings)
        ended = False
        for line in process.stdout:
            message = json.loads(line)
            if "browse" in message:
                _say(process, _browse(house, browser, person, message))
            elif "check" in message:
                with report.check(message["check"]):
                    expect("error" not in message, message.get("error", ""))
            ended = ended or "end" in message
        with report.check("the node program ran to its end"):
            expect(process.wait(LIMIT) == 0 and ended, f"it ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def _flags() -> list[str]:
    """Debian 12 has Node 18, where Web Cryptography is there but not yet a global."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return ["--experimental-global-webcrypto"] if version.startswith("v18.") else []


def _say(process: subprocess.Popen, message: dict) -> None:
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def _browse(house: House, browser, person: dict, message: dict) -> dict:
    """Goes to an address as the person; the address the browser leaves the provider for."""
    try:
        if message.get("plain"):
            page = browser.get(message["browse"], follow=False)
            return {"url": page.headers.get("Location", ""), "status": page.status}
        reply = follow(house, browser, message["browse"], message["redirect_uri"], person)
        return {"url": f"{message['redirect_uri']}?{urllib.parse.urlencode(reply)}"}
    except AssertionError as error:
        return {"error": str(error)}
