"""The faults of a pairwise campaign: every combination that makes sense, of which few are chosen that cover every pair.

A combination is (action, place, cell, flavour, moment); a cell is TOPOLOGY.CELL, so that each is a value of its own. What was
covered is judged afterwards by what struck: `pairs_struck`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hypervisor.faults import Device, Fault
from hypervisor.faults.pairwise import Pair, all_pairs, cover, pairs_of
from hypervisor.faults.places import HOST, TIME, combinations, place_of
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.campaigns.schema import Moment, PairwiseSection

FACTORS = ("action", "place", "cell", "flavour", "moment")
Where = tuple[str, str, int]
Test = tuple[str, str, str, str, str]


def choose(section: PairwiseSection, devices: Mapping[Where, Device]) -> tuple[tuple[Fault, ...], frozenset[Pair]]:
    """The faults to inject, in the order of the combinations; and the pairs that they are to cover."""
    tests = list(_tests(section, devices))
    chosen = [tests[number] for number in sorted(cover(tests))]
    return tuple(_fault(test, section.moments) for test in chosen), frozenset(all_pairs(tests))


def _tests(section: PairwiseSection, devices: Mapping[Where, Device]) -> Iterator[Test]:
    """Everything that could be done, once for each flavour whatever the seeds."""
    for (topology, flavour), device in {where[:2]: device for where, device in devices.items()}.items():
        for action, place, victim in combinations(device):
            if action not in section.but:
                for number in range(len(section.moments)):
                    yield action, place, f"{topology}.{victim}", flavour, str(number + 1)


def _fault(test: Test, moments: Sequence[Moment]) -> Fault:
    action, place, cell, flavour, number = test
    topology, _, victim = cell.partition(".")
    moment, name = moments[int(number) - 1], "" if victim == HOST else victim
    fault = Fault(action, name, topologies=(topology,), flavours=(flavour,))
    return replace(fault, at=moment.at) if place == TIME else replace(fault, point=place, visit=moment.visit)


def pairs_struck(results: Iterable[Result], faults: Sequence[Fault], moments: Sequence[Moment]) -> set[Pair]:
    """The pairs of those that struck. `faults`: the campaign's, by which a result has its moment."""
    found: set[Pair] = set()
    for result in results:
        place = place_of(result.action, result.point)
        number = _moment(faults[result.fault], place, moments)
        found |= pairs_of((result.action, place, f"{result.topology}.{result.victim}", result.flavour, number))
    return found


def _moment(fault: Fault, place: str, moments: Sequence[Moment]) -> str:
    for number, moment in enumerate(moments, 1):
        if fault.at == moment.at if place == TIME else fault.visit == moment.visit:
            return str(number)
    return ""


def lines_of(pairs: Iterable[Pair]) -> list[str]:
    """Pairs for people, by what they are pairs of: "action loop with place grant, irq"."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for a, first, b, second in sorted(pairs):
        grouped.setdefault((FACTORS[a], first, FACTORS[b]), []).append(second)
    return [f"{name} {value} with {other} {', '.join(values)}" for (name, value, other), values in grouped.items()]
