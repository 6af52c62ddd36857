"""The bridge to the token: signatures beside the bare driver, and what a hop costs."""

from __future__ import annotations

import json
from pathlib import Path

from table import Row, median, row
from world import World


def measure(world: World, setting) -> list[Row]:
    """The bridge's own bench on a token of its own, once per run; it takes turns itself, and its ratios are of one round each."""
    runs = [_once(world, "--seconds", setting.seconds) for _ in range(setting.runs)]
    rows = []
    for entries in zip(*runs):
        first = entries[0]
        beside = first["baseline"] is not None
        rows.append(row(first["name"], median([entry["value"] for entry in entries]), first["unit"], first["baseline_name"],
                        median([entry["baseline"] for entry in entries]) if beside else None, first["note"],
                        median([entry["ratio"] for entry in entries]) if beside else None))
    return rows


def _once(world: World, *arguments: object) -> list[dict]:
    return json.loads(world.run(world.program("hsm-bridge"), "bench", "--json", *arguments).stdout)


_token_rates: dict[Path, float] = {}


def token_rate(world: World, setting) -> float:
    """P-256 signatures a second of the bare driver on two threads, none verified: the baseline of what signs. Taken once
    in a run, for all areas."""
    if world.programs not in _token_rates:
        runs = [_once(world, "--seconds", 1, "--part", "sign") for _ in range(setting.runs)]
        rates = [next(e["baseline"] for e in run if e["name"] == "hsm.sign.p256.bridge") for run in runs]
        _token_rates[world.programs] = median(rates)
    return _token_rates[world.programs]
