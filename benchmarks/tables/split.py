"""Rows of streams through a split network driver (Fig. 20): what the driver domain does is charged to its client.

Theory: virtualized = the survey's native + (client + driver domain - the same kernel with the device for itself) at native prices
+ both kernels' entries, switches and page-table updates at the flavour's + what the hypervisor does, at the flavour's. A load is
no time: it is the busy part of the run's own cycles, at the rate that the stream had there.

    line(row, measured, native, virtualized).answer.parts["driver.instruction"]      # microseconds
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from benchmarks.operations import streams
from benchmarks.tables.cases import Case, Measured, combined, recipes
from benchmarks.tables.figures import Row
from benchmarks.tables.model import Answer, Prices, Solved, answer
from benchmarks.tables.parts import CLIENT, COPY, DRIVER, HYPERVISOR, PARTS, WORKS, owner
from benchmarks.tables.protocol import NATIVE
from boards import load_board
from hypervisor.flavours import FLAVOURS

LOOPBACK = ".loopback"
"""Behind a row's name: the same over the loopback interface of one kernel."""
BOARD = "beagle"
DIRECT = "direct_"


def is_streamed(row: Row) -> bool:
    """Whether a row is made of such streams."""
    return any(name in streams() for name in recipes().get(row.key, {}))


def over_loopback(rows: Iterable[Row]) -> list[Row]:
    """The same rows, without another machine."""
    return [other for row in rows if (other := replace(row, name=row.name + LOOPBACK)).key in recipes()]


def case(row: Row, measured: Measured) -> Case | None:
    """The counts of a row, by kernel; None if its stream did not run."""
    recipe = recipes()[row.key]
    return Case(row, combined(recipe, measured)) if all(name in measured for name in recipe) else None


def prices(native: Solved, virtualized: Solved) -> Prices:
    """Of each derived term that has one, microseconds of one."""
    made: dict[str, float] = {}
    for name, part in PARTS.items():
        known = (native if part.column == NATIVE else virtualized).prices
        made |= {f"{name}.{base}": price for base, price in known.items()}
    fit = virtualized.problem.fit
    made |= {f"{HYPERVISOR}.{name}": virtualized.prices[one.like] for name, one in WORKS.items() if one.like}
    copied = FLAVOURS[fit.flavour].costs.operations[COPY] / load_board(BOARD).clock_hz * 1e6
    return made | {f"{HYPERVISOR}.{COPY}": copied}


def virtualized_answer(found: Case, native: Solved, virtualized: Solved) -> Answer:
    """Of the virtualized column; terms that do not occur are left out."""
    parts = {
        name: found.amount(name) * price for name, price in prices(native, virtualized).items() if found.amount(name)
    }
    return Answer(found, found.row.native_us, parts)


def native_answer(found: Case, native: Solved) -> Answer:
    """Of the native column: the kernel that has the device for itself. No row of this figure is in any fit."""
    own = {name.removeprefix(DIRECT): value for name, value in found.counts.items() if name.startswith(DIRECT)}
    return answer(Case(found.row, own), 0.0, native.prices)


def loads(found: Case) -> tuple[float, float]:
    """Native and virtualized, in percent. What is done after a stream's last mark may make it a little more than all."""
    busy = (found.counts[f"{setting}_busy"] / found.counts[f"{setting}_time"] for setting in ("direct", "split"))
    first, second = (min(100.0, 100.0 * share) for share in busy)
    return first, second


def load_in_words(shares: tuple[float, float]) -> str:
    """Where a load comes from."""
    first, second = shares
    return (
        f"native {first:.1f} %, virtualized {second:.1f} %: cycles in which the core of the sender (and of the driver domain) "
        "was busy, of all while the stream ran; by the run's own clock, so no price is in it"
    )


def charged(found: Answer) -> Mapping[str, float]:
    """Who costs how much of what is added: client, driver domain, hypervisor."""
    sums = dict.fromkeys((CLIENT, DRIVER, HYPERVISOR), 0.0)
    for name, time in found.parts.items():
        sums[owner(name)] += time
    return sums


def remark(found: Answer, loopback: Answer | None) -> str:
    """A row in words: who is charged what, and what it would be without a driver domain."""
    row, sums = found.case.row, charged(found)
    told = ", ".join(f"{who} {time:+.2f}" for who, time in sums.items()).replace(DRIVER, "driver domain")
    share = f"the driver domain's share is {sums[DRIVER] / found.total:.0%} of all"
    text = f"{row.name}: added to native {row.native_us:.4g} us: {told}; {share}"
    if loopback is None:
        return text
    error = loopback.total / row.virtualized_us - 1
    return f"{text}. Over one kernel's loopback: {row.from_us(loopback.total):.4g} {row.unit} ({error:+.1%})"
