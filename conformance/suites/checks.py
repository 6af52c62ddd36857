"""Counting of checks: one line each, and the sum at the end."""

from __future__ import annotations

import contextlib
import time
import traceback


class NotRun(Exception):
    """What a check needs is not on this machine; it is reported, never counted as passed."""


class Report:
    def __init__(self, *, trace: bool = False):
        self.passed = self.failed = self.not_run = 0
        self._trace = trace
        self._suite = ""

    def begin(self, suite: str) -> None:
        self._suite = suite
        print(f"== {suite}", flush=True)

    @contextlib.contextmanager
    def check(self, name: str):
        """The body is the check: it fails by raising, and the next check goes on."""
        begun = time.monotonic()
        try:
            yield
        except NotRun as reason:
            self.not_run += 1
            self._line(name, f"not run: {reason}")
        except Exception as error:  # noqa: BLE001 - any error is a failed check and must not end the run
            self.failed += 1
            words = str(error) or type(error).__name__
            if not isinstance(error, AssertionError):
                words = f"{type(error).__name__}: {words}"
            self._line(name, f"FAILED: {words}")
            if self._trace:
                traceback.print_exc()
        else:
            self.passed += 1
            self._line(name, "ok", time.monotonic() - begun)

    def skip(self, name: str, reason: str) -> None:
        self.not_run += 1
        self._line(name, f"not run: {reason}")

    def _line(self, name: str, verdict: str, seconds: float = 0.0) -> None:
        slow = f" ({seconds:.1f} s)" if seconds >= 5 else ""
        print(f"{self._suite}: {name}: {verdict}{slow}", flush=True)

    def close(self) -> int:
        """The closing line; the exit code of the run."""
        more = f", {self.not_run} not run" if self.not_run else ""
        print(f"{self.passed} passed, {self.failed} failed{more}", flush=True)
        return 1 if self.failed or not self.passed else 0


def expect(condition: object, why: str) -> None:
    if not condition:
        raise AssertionError(why)


def same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, not {wanted!r}")
