#!/usr/bin/env python3
"""`./dev conformance [SUITE...]`: external checks against the running services.

One line per check, then `N passed, N failed`; exit code 0 only if none failed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from checks import NotRun, Report  # noqa: E402
from house import House  # noqa: E402

SUITES = {"openid": "openid", "openid-client": "openid_client", "headers": "headers", "pages": "pages",
          "hostile": "hostile"}
DEFAULT_PORT_BASE = 9400


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built programs")
    parser.add_argument("--port-base", type=int, default=int(os.environ.get("ROMDUOL_SUITES_PORT", DEFAULT_PORT_BASE)))
    parser.add_argument("--data", type=Path, help="data folder to use and keep; without it a new one, removed at the end")
    parser.add_argument("--attach", type=Path, help="data folder of a demo that runs already; it is not stopped")
    parser.add_argument("--trace", action="store_true", help="print where a check failed")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all without one")
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"no such suite: {', '.join(unknown)} (there are {', '.join(SUITES)})")
    report = Report(trace=options.trace)
    house = House(options.programs, options.port_base, options.data, options.attach)
    try:
        for name in options.suites or SUITES:
            report.begin(name)
            try:
                suite = importlib.import_module(SUITES[name])
            except NotRun as reason:
                report.skip("suite", str(reason))
                continue
            with report.check("the suite runs to its end"):
                suite.run(house, report)
    finally:
        house.stop()
    code = report.close()
    if options.data is None and options.attach is None and code == 0:
        shutil.rmtree(house.folder, ignore_errors=True)
    elif code:
        print(f"logs: {house.folder}/log", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
