"""Bad input of every protocol: a clear error in that protocol's own form, never a 5xx, never a lost service."""

from __future__ import annotations

import json
import re

import hostile_http
import hostile_pages
import hostile_pki
from checks import Report, expect
from house import SERVICES, House

# What a log line may not hold.
SIGNS_OF_DEFECT = re.compile(r"panicked|RUST_BACKTRACE|stack backtrace|unwrap\(\)", re.I)


def run(house: House, report: Report) -> None:
    before = {name: house.process_of(name) for name in SERVICES}
    marks = {name: len(text) for name, text in house.logs().items()}
    hostile_pki.run(house, report)
    hostile_pages.run(house, report)
    hostile_http.run(house, report)
    with report.check("afterwards: every service is ready and none was started anew"):
        for name in SERVICES:
            expect(house.ready(name), f"{name} is not ready")
            expect(house.process_of(name) == before[name], f"{name} was started anew")
    fresh = {name: text[marks.get(name, 0):] for name, text in house.logs().items()}
    with report.check("afterwards: no log tells of a panic"):
        for name, text in fresh.items():
            found = SIGNS_OF_DEFECT.search(text)
            expect(not found, f"{name}: …{text[max(0, found.start() - 200):found.end() + 300] if found else ''}")
    with report.check("afterwards: no request of this suite was answered 5xx"):
        bad = [f"{name}: {line['method']} {line['path'][:80]} {line['status']}"
               for name, text in fresh.items() for line in _access(text) if line["status"] >= 500]
        expect(not bad, f"{len(bad)} of them: {'; '.join(bad[:8])}")


def _access(text: str) -> list[dict]:
    lines = []
    for line in text.splitlines():
        if '"target":"access"' in line:
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
    return lines
