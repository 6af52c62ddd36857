#!/usr/bin/env python3
"""The whole journey against a running demo, with real tools. Exits 0, or names the step that failed."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import screenshots
import steps_hostile
import steps_identity
import steps_pki
import steps_sign
from judges import NotRun, Verdict
from webdriver import Browser, BrowserError
from world import StepFailed, World

PLAIN = "plain"
BROWSER = "browser"
# Only where the demo serves HTTPS.
TLS = "tls"

STEPS = [
    (PLAIN, steps_identity.apply),
    (PLAIN, steps_identity.decide),
    (BROWSER, steps_identity.passkey),
    (BROWSER, steps_identity.ministry),
    (BROWSER, steps_identity.second_ministry),
    (BROWSER, steps_identity.consent),
    ("official", steps_sign.sign),
    ("official elsewhere", steps_sign.sign_again),
    (PLAIN, steps_sign.judge),
    (PLAIN, steps_sign.time_stamp),
    (PLAIN, steps_pki.issue),
    (PLAIN, steps_pki.chains),
    (PLAIN, steps_pki.status),
    (PLAIN, steps_pki.lint),
    (PLAIN, steps_pki.keys),
    (PLAIN, steps_hostile.refused),
    (PLAIN, steps_hostile.large),
    (PLAIN, steps_hostile.start_errors),
    (PLAIN, steps_pki.alone),
    (TLS, steps_pki.renewed),
    (PLAIN, steps_pki.killed),
    (PLAIN, steps_hostile.quiet),
    (PLAIN, steps_hostile.audit),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built programs")
    parser.add_argument("--postgres", help="a PostgreSQL server with databases romduol_ca and romduol_idp")
    parser.add_argument("--postgres-control", type=Path, metavar="PROGRAM",
                        help="takes `stop` or `start` and does so with that server")
    parser.add_argument("--tls", action="store_true", help="over HTTPS, with certificates of the demo's own authority")
    parser.add_argument("--data", type=Path, help="data folder to use and keep")
    parser.add_argument("--port-base", type=int)
    parser.add_argument("--screenshots", type=Path, help="take pictures of the pages into this folder instead")
    parser.add_argument("--only", help="run up to the step with this name")
    arguments = parser.parse_args()
    print("starting the demo", flush=True)
    try:
        world = World(arguments.programs.resolve(), postgres=arguments.postgres, control=arguments.postgres_control,
                      data=arguments.data, base=arguments.port_base, tls=arguments.tls)
    except StepFailed as failed:
        print(f"FAILED start: {failed}")
        print("0 passed, 1 failed")
        return 1
    try:
        if arguments.screenshots:
            screenshots.take(world, arguments.screenshots)
            return 0
        return journey(world, arguments.only)
    finally:
        world.stop()


def journey(world: World, only: str | None) -> int:
    passed, failed, not_run, browsers = 0, [], [], {}
    try:
        for kind, step in STEPS:
            if kind == TLS and not world.trusted:
                continue
            name = f"{step.__module__.removeprefix('steps_')}.{step.__name__}"
            words = (step.__doc__ or name).strip().splitlines()[0]
            started = time.monotonic()
            try:
                if kind in (PLAIN, TLS):
                    detail = step(world)
                else:
                    if kind not in browsers:
                        browsers[kind] = Browser(trusted=world.trusted).__enter__()
                    detail = step(world, browsers[kind])
                passed += 1
                print(f"ok      {words} [{detail}] ({time.monotonic() - started:.1f} s)", flush=True)
            except NotRun as reason:
                not_run.append(name)
                print(f"not run {words}: {reason}", flush=True)
            except Exception as error:  # a step that breaks in any way has failed; the others still run
                failed.append(name)
                print(f"FAILED  {name}: {words}\n        {type(error).__name__}: {error}", flush=True)
                if not isinstance(error, (StepFailed, Verdict, BrowserError)):
                    traceback.print_exc()
            if only and step.__name__ == only:
                break
    finally:
        for browser in browsers.values():
            browser.__exit__(None, None, None)
    if not_run:
        print(f"not run: {', '.join(not_run)}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
