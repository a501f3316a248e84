"""Figs. 16, 22 and 23: applications whose input files the survey does not give.

A program has run on a short and on a long input (rows NAME.short and NAME of benchmarks/operations.toml). What both have
in common is the process around it; the rest grows with the input. So, with the native prices of the same board,

    native(k) = time(short) + k x (time(long) - time(short)),    and k such that native(k) is the survey's,

and the case's counts are short + k x (long - short). Only the survey's native column is used. With a long input only, its counts
are scaled as a whole. k below zero, a program shorter than our short input, becomes the short input scaled. Where the survey
says what the input is (`stated` in protocol.toml), nothing is scaled: the rest of its native time is that of devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.tables.cases import Case, Measured, combined, recipes
from benchmarks.tables.figures import Row
from benchmarks.tables.model import Prices, Solved, answer

TABLES = frozenset({"fig16", "fig22", "fig23"})
SHORT = ".short"


def operations(rows: Iterable[Row]) -> list[str]:
    """Of the short inputs."""
    keys = (row.key + SHORT for row in rows if row.table in TABLES)
    return list(dict.fromkeys(name for key in keys for name in recipes().get(key, {})))


def scaled(row: Row, measured: Measured, native: Solved | str, *, stated: bool = False) -> Case | str:
    """The row with counts for as much input as the native time takes, or (`stated`) as they are; or why there is none."""
    if isinstance(native, str):
        return native
    long = _counts(row.key, measured)
    if long is None:
        return "no operation stands for it" if row.key not in recipes() else "its program did not run"
    if stated:
        return Case(row, long)
    short = _counts(row.key + SHORT, measured)
    return Case(row, grown(row, short, long, native.prices))


def grown(row: Row, short: Mapping[str, float] | None, long: Mapping[str, float], prices: Prices) -> dict[str, float]:
    """Counts of short + k x (long - short) whose native time is the row's; of k x long without a short input."""
    whole = _time(row, long, prices)
    if short is None:
        return {name: value * row.native_us / whole for name, value in long.items()}
    least = _time(row, short, prices)
    if not least < min(whole, row.native_us):
        return {name: value * row.native_us / least for name, value in short.items()}
    k = (row.native_us - least) / (whole - least)
    return {name: short[name] + k * (long[name] - short[name]) for name in long.keys() & short.keys()}


def _counts(key: str, measured: Measured) -> dict[str, float] | None:
    recipe = recipes().get(key)
    if not recipe or any(name not in measured for name in recipe):
        return None
    return combined(recipe, measured)


def _time(row: Row, counts: Mapping[str, float], prices: Prices) -> float:
    return answer(Case(row, counts), 0.0, prices).total
