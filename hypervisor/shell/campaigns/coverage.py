"""What a campaign never exercised: actions, points and cells that no fault of it reached, and which of their combinations.

```python
for part in coverage(campaign, results):
    print(part.topology, part.cells, len(part.untried), part.of)
```

Exercised is what was struck: a fault that was ordered and never fired counts as one that was not tried. A combination is an
action, a place (a point, or "a time") and a cell in which the action makes sense; under how many flavours does not matter here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hypervisor.faults import Device, Verdict
from hypervisor.faults.pairwise import Pair
from hypervisor.faults.places import Combination, combinations, place_of
from hypervisor.shell.campaigns.campaign import Campaign
from hypervisor.shell.campaigns.chosen import pairs_struck
from hypervisor.shell.campaigns.result import Result

IDLE = frozenset({Verdict.NOT_ACTIVATED, Verdict.NOT_INJECTED})
"""Verdicts of faults that did not strike."""


@dataclass(frozen=True)
class Coverage:
    """Of one topology: `untried` combinations of all `of`; actions, places and victims that were reached by none at all."""

    topology: str
    of: int
    untried: tuple[Combination, ...]
    actions: tuple[str, ...]
    places: tuple[str, ...]
    victims: tuple[str, ...]

    def line(self) -> str:
        """For people."""
        never = f"; never struck: {', '.join(self.victims)}" if self.victims else ""
        return (
            f"{self.topology}: {self.of - len(self.untried)} of {self.of} combinations of action, place and cell{never}"
        )


def never_used(parts: Sequence[Coverage]) -> Iterator[str]:
    """Actions and places that the campaign used nowhere, for people."""
    for what, names in (("actions", [part.actions for part in parts]), ("places", [part.places for part in parts])):
        never = [name for name in names[0] if all(name in others for others in names)] if names else []
        if never:
            yield f"{what} that were never used: {', '.join(never)}"


def coverage(campaign: Campaign, results: Sequence[Result]) -> list[Coverage]:
    """One for each topology."""
    return [_of(topology, _devices(campaign, topology), results) for topology in campaign.topologies]


def missed_pairs(campaign: Campaign, results: Sequence[Result]) -> set[Pair]:
    """The pairs that a pairwise campaign was to cover and did not: no fault that has both has struck."""
    if campaign.file.pairwise is None:
        return set()
    struck = [each for each in results if Verdict(each.verdict) not in IDLE]
    return set(campaign.wanted) - pairs_struck(struck, campaign.faults, campaign.file.pairwise.moments)


def _devices(campaign: Campaign, topology: str) -> list[Device]:
    return [device for (name, _, _), device in campaign.devices.items() if name == topology]


def _of(topology: str, devices: Iterable[Device], results: Sequence[Result]) -> Coverage:
    possible = dict.fromkeys(triple for device in devices for triple in combinations(device))
    struck = [each for each in results if each.topology == topology and Verdict(each.verdict) not in IDLE]
    tried = {(each.action, place_of(each.action, each.point), each.victim) for each in struck}
    untried = tuple(triple for triple in possible if triple not in tried)
    missed = [
        tuple(name for name in dict.fromkeys(t[n] for t in possible) if name not in {t[n] for t in tried})
        for n in range(3)
    ]
    return Coverage(topology, len(possible), untried, *missed)
