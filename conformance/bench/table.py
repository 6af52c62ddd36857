"""Rows of figures: medians, ratios, the table on the screen and the file for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

# Units in which a smaller figure is the better one.
LESS_IS_BETTER = {"ms", "us", "s", "MiB", "MB"}


class NotMeasured(Exception):
    """A figure that could not be taken, with the reason in words."""


@dataclass
class Row:
    name: str
    value: float
    unit: str
    baseline_name: str | None = None
    baseline: float | None = None
    ratio: float | None = None
    note: str = ""


def row(name: str, value: float, unit: str, baseline_name: str | None = None, baseline: float | None = None,
        note: str = "", ratio: float | None = None) -> Row:
    """A row; its ratio is above 1 where we are ahead, whichever direction is the better one. It is that of the figures where
    none of a closer comparison is given."""
    if ratio is None and baseline and value:
        ratio = baseline / value if unit in LESS_IS_BETTER else value / baseline
    return Row(name, _short(value), unit, baseline_name, _short(baseline), _short(ratio), note)


def _short(value: float | None) -> float | None:
    """Four digits are more than a short run can tell."""
    return None if value is None else float(f"{value:.4g}")


def median(values: list[float]) -> float:
    return statistics.median(values)


Figures = dict[str, float]


def take(runs: int, ours: Callable[[], Figures], baseline: Callable[[], Figures] | None) -> tuple[Figures, Figures, str]:
    """Medians of ours and of the baseline, taken in turn so that a drift of the machine meets both; and why there is no
    baseline, if there is none."""
    mine, theirs, missing = [], [], ""
    for _ in range(runs):
        mine.append(ours())
        if baseline is None or missing:
            continue
        try:
            theirs.append(baseline())
        except NotMeasured as reason:
            missing, theirs = f"baseline not measured: {reason}", []
    return _medians(mine), _medians(theirs), missing


def _medians(runs: list[Figures]) -> Figures:
    return {name: median([run[name] for run in runs]) for name in runs[0]} if runs else {}


def notes(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def write(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps([asdict(r) for r in rows], indent=2, ensure_ascii=False) + "\n")


def show(rows: list[Row]) -> None:
    heads = ("name", "value", "unit", "baseline", "", "ratio")
    cells = [(r.name, _text(r.value), r.unit, r.baseline_name or "-", _text(r.baseline), _text(r.ratio)) for r in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    right = (False, True, False, False, True, True)
    for line, r in zip([heads, *cells], [None, *rows]):
        columns = (c.rjust(w) if to_right else c.ljust(w) for c, w, to_right in zip(line, widths, right))
        print("  ".join([*columns, r.note if r else "note"]).rstrip())


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
