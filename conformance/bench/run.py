#!/usr/bin/env python3
"""Measures the programs beside their baselines in one run: `run.py --programs DIR --out DIR [AREA...]`.

Each area prints its rows in one table at the end and writes them to AREA.json. Every figure is the median of several
short runs; load generator, service, database and token share the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import area_ca
import area_hsm
import area_idp
import area_ocsp
import area_sign
import area_tsa
import table
from world import World

AREAS = {"hsm": area_hsm.measure, "ocsp": area_ocsp.measure, "idp": area_idp.measure, "ca": area_ca.measure,
         "tsa": area_tsa.measure, "sign": area_sign.measure}


class Setting:
    """How long and how often."""

    def __init__(self, seconds: int, runs: int):
        self.seconds, self.runs = seconds, runs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built programs")
    parser.add_argument("--out", type=Path, required=True, help="folder for AREA.json")
    parser.add_argument("--seconds", type=int, default=4, help="length of one run")
    parser.add_argument("--runs", type=int, default=3, help="runs per figure; their median counts")
    parser.add_argument("--port-base", type=int, default=9200, help="the first of the ports used")
    parser.add_argument("--data", type=Path, help="data folder, kept afterwards; a temporary one otherwise")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"any of {' '.join(AREAS)}; all when none is named")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.areas if name not in AREAS]
    if unknown:
        parser.error(f"no such area: {' '.join(unknown)}; there are {' '.join(AREAS)}")
    return chosen


def main() -> int:
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    folder = chosen.data or Path(tempfile.mkdtemp(prefix="romduol-bench."), "data")
    world = World(chosen.programs.resolve(), folder.resolve(), chosen.port_base)
    setting = Setting(chosen.seconds, chosen.runs)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{cores} cores, load {load:.2f} before the start; {setting.runs} runs of {setting.seconds} s per figure")
    rows, failed = [], False
    try:
        for name in chosen.areas or AREAS:
            began = time.monotonic()
            print(f"measuring {name}", flush=True)
            try:
                measured = AREAS[name](world, setting)
            except table.NotMeasured as reason:
                print(f"  {name} could not be measured: {reason}", file=sys.stderr)
                failed = True
                continue
            table.write(chosen.out / f"{name}.json", measured)
            rows.extend(measured)
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
    finally:
        world.stop()
        if not chosen.data:
            shutil.rmtree(folder.parent, ignore_errors=True)
    print()
    table.show(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
