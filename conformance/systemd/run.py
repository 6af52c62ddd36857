#!/usr/bin/env python3
"""`./dev conformance systemd`: the shipped units under a running systemd, installed as docs/deployment/hsm-bridge.md says.

The systemd is started for it in namespaces, on a copy of the root folder that is in memory: nothing of this host is changed. Where that
cannot be done the suite says so and reports that it was not run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "suites")]

import bridge  # noqa: E402
import gate  # noqa: E402
from checks import NotRun, Report  # noqa: E402
from machine import Machine  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built programs")
    parser.add_argument("--trace", action="store_true", help="print where a check failed, and the journal")
    options = parser.parse_args()
    report = Report(trace=options.trace)
    report.begin("systemd")
    try:
        machine = Machine()
    except NotRun as reason:
        report.skip("the suite", str(reason))
        # Nothing failed: this machine cannot say.
        report.close()
        return 0
    try:
        units = bridge.Bridge(machine, options.programs)
        for part in (bridge.as_packaged, bridge.faults, bridge.users_of_their_own):
            part(units, report)
        gate.run(units, report)
        if report.failed and options.trace:
            print(machine.journal("*"))
    finally:
        machine.close()
    return report.close()


if __name__ == "__main__":
    raise SystemExit(main())
