"""Places for a layered drawing: who asks above who serves, few crossings, room for every label.

```python
layout = lay_out({"client": Box(150, 50), "disk": Box(150, 50)}, [Link("client", "disk", Box(200, 30))])
layout.places["disk"]      # its centre
layout.routes[0]           # the points that the first link passes, from the upper to the lower end
layout.labels[0]           # the centre of its label
```

Theory (K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981): each
node goes a layer below the lowest of those above it. Between two layers of nodes lies one of labels, so that a label is a node
like any other and nothing is written across another; a link through several layers is bent at an empty node in each. In each
layer nodes are sorted by the mean place of their neighbours, down and up again, and then drawn towards that mean as far as the
widths allow. Everything is decided by the order of the input, so that the same topology gives the same drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from statistics import fmean
from typing import NamedTuple

GAP_X, GAP_Y = 32.0, 34.0
"""Pixels between neighbours in a layer, and between layers: only there a line goes sideways."""
PORT = 14.0
"""Pixels between two lines that leave the same side of a node."""
MARGIN = 24.0
SWEEPS = 12


class Box(NamedTuple):
    """A width and a height in pixels."""

    width: float
    height: float


class Point(NamedTuple):
    """Pixels from the upper left corner."""

    x: float
    y: float


class Link(NamedTuple):
    """A line between two nodes, `upper` one above the other unless that closes a ring, with room for a label."""

    upper: str
    lower: str
    label: Box


@dataclass(frozen=True)
class Layout:
    """Centres of nodes by name and of labels by the number of their link; routes likewise; the size of it all.

    A route is vertical within a layer: its points come in pairs, but for the two at the ends.
    """

    places: dict[str, Point]
    labels: list[Point]
    routes: list[list[Point]]
    size: Box


@dataclass
class _Spot:
    """A node, a label or a bend: something that takes room in a layer."""

    box: Box
    layer: int
    beside: list[_Spot] = field(default_factory=list)
    x: float = 0.0


def lay_out(nodes: Mapping[str, Box], links: Sequence[Link]) -> Layout:
    """Find a place for everything. Requires: links name nodes, and no link joins a node with itself."""
    layers = layers_of(list(nodes), [(link.upper, link.lower) for link in links])
    spots = {name: _Spot(box, 2 * layers[name]) for name, box in nodes.items()}
    chains = [_chain(spots, link) for link in links]
    rows = _rows([*spots.values(), *(spot for chain in chains for spot in chain[1:-1])])
    _untangle(rows)
    _spread(rows)
    heights = _heights(rows)
    tall = {row[0].layer: max(spot.box.height for spot in row) for row in rows}
    ports = _ports(spots.values())
    left = min((spot.x - spot.box.width / 2 for row in rows for spot in row), default=0.0) - MARGIN
    right = max((spot.x + spot.box.width / 2 for row in rows for spot in row), default=0.0) + MARGIN

    def point(spot: _Spot) -> Point:
        return Point(spot.x - left, heights[spot.layer])

    return Layout(
        {name: point(spot) for name, spot in spots.items()},
        [point(chain[1]) for chain in chains],
        [_route(chain, point, tall, ports) for chain in chains],
        Box(right - left, _bottom(rows, heights)),
    )


def layers_of(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The layer of each node: one below the lowest of those above it. A pair that would close a ring is turned."""
    below: dict[str, set[str]] = {name: set() for name in names}
    for upper, lower in pairs:
        if not _leads(below, lower, upper):
            below[upper].add(lower)
    layers = dict.fromkeys(names, 0)
    for _ in names:
        for upper in names:
            for lower in below[upper]:
                layers[lower] = max(layers[lower], layers[upper] + 1)
    return layers


def _leads(below: Mapping[str, set[str]], start: str, end: str) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        if name == end:
            return True
        waiting += [other for other in sorted(below[name]) if other not in seen]
        seen |= below[name]
    return False


def _chain(spots: Mapping[str, _Spot], link: Link) -> list[_Spot]:
    """A link as its upper end, its label, bends, and its lower end, each beside the next."""
    upper, lower = sorted((spots[link.upper], spots[link.lower]), key=lambda spot: spot.layer)
    between = range(upper.layer + 1, lower.layer)
    chain = [upper, *(_Spot(link.label if n == upper.layer + 1 else Box(4, 0), n) for n in between), lower]
    for one, other in pairwise(chain):
        one.beside.append(other)
        other.beside.append(one)
    return chain


def _rows(spots: Iterable[_Spot]) -> list[list[_Spot]]:
    rows: dict[int, list[_Spot]] = {}
    for spot in spots:
        rows.setdefault(spot.layer, []).append(spot)
    return [rows[layer] for layer in sorted(rows)]


def _untangle(rows: list[list[_Spot]]) -> None:
    """Sort each layer by the mean place of its neighbours in the one before, down and up again.

    From several beginnings, as one alone may end with crossings that another has not; the first of the best stays.
    """
    best: tuple[int, list[list[_Spot]]] | None = None
    for backwards in (False, True):
        for first in (0, 1):
            tried = [row[::-1] if backwards else row[:] for row in rows]
            for crossings, order in _sweeps(tried, first):
                if best is None or crossings < best[0]:
                    best = crossings, order
    if best is not None:
        rows[:] = best[1]


def _sweeps(rows: list[list[_Spot]], first: int) -> Iterator[tuple[int, list[list[_Spot]]]]:
    """After each sweep: how many crossings, and the order. An even sweep goes down, an odd one up."""
    for row in rows:
        _number(row)
    for sweep in range(first, first + SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else rows[::-1]:
            pulls = {id(spot): _pull(spot, spot.layer - 1 if down else spot.layer + 1) for spot in row}
            row.sort(key=lambda spot: pulls[id(spot)])
            _number(row)
        yield _crossings(rows), [row[:] for row in rows]


def _crossings(rows: list[list[_Spot]]) -> int:
    found = 0
    for row in rows:
        ends = [(spot.x, other.x) for spot in row for other in spot.beside if other.layer == spot.layer + 1]
        found += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(ends, 2))
    return found


def _number(row: list[_Spot]) -> None:
    for place, spot in enumerate(row):
        spot.x = place - len(row) / 2


def _pull(spot: _Spot, layer: int) -> float:
    near = [other.x for other in spot.beside if other.layer == layer]
    return fmean(near) if near else spot.x


def _spread(rows: list[list[_Spot]]) -> None:
    """From places in line to pixels: as wide as the boxes need, then each drawn towards its neighbours."""
    for row in rows:
        _pack(row, [0.0] * len(row))
    for sweep in range(2 * SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _pack(row, [fmean([other.x for other in spot.beside] or [spot.x]) for spot in row])


def _pack(row: list[_Spot], wished: Sequence[float]) -> None:
    """Put a layer where it wishes to be, in its order and without overlaps; what that costs is shared by all of it."""
    at: list[float] = []
    for spot, wish in zip(row, wished, strict=True):
        room = (row[len(at) - 1].box.width + spot.box.width) / 2 + GAP_X if at else 0.0
        at.append(max(wish, at[-1] + room) if at else wish)
    shift = fmean([wish - x for wish, x in zip(wished, at, strict=True)])
    for spot, x in zip(row, at, strict=True):
        spot.x = x + shift


def _ports(nodes: Iterable[_Spot]) -> dict[tuple[int, int], float]:
    """How far from the middle of a node the line to a neighbour leaves: side by side, in the order of the neighbours."""
    ports: dict[tuple[int, int], float] = {}
    for node in nodes:
        for side in (-1, 1):
            near = sorted(
                (other for other in node.beside if other.layer == node.layer + side), key=lambda other: other.x
            )
            step = min(PORT, (node.box.width - 2 * PORT) / max(len(near) - 1, 1))
            for number, other in enumerate(near):
                ports[id(node), id(other)] = step * (number - (len(near) - 1) / 2)
    return ports


def _route(
    chain: Sequence[_Spot],
    point: Callable[[_Spot], Point],
    tall: Mapping[int, float],
    ports: Mapping[tuple[int, int], float],
) -> list[Point]:
    """From the lower edge of the upper node to the upper edge of the lower one, down through everything between."""
    upper, *between, lower = chain
    start, end = point(upper), point(lower)
    route = [Point(start.x + ports[id(upper), id(between[0])], start.y + upper.box.height / 2)]
    for spot in between:
        x, y = point(spot)
        route += [Point(x, y - tall[spot.layer] / 2), Point(x, y + tall[spot.layer] / 2)]
    return [*route, Point(end.x + ports[id(lower), id(between[-1])], end.y - lower.box.height / 2)]


def _heights(rows: list[list[_Spot]]) -> dict[int, float]:
    """The middle of each layer."""
    heights: dict[int, float] = {}
    y = MARGIN
    for row in rows:
        tall = max(spot.box.height for spot in row)
        heights[row[0].layer] = y + tall / 2
        y += tall + GAP_Y
    return heights


def _bottom(rows: list[list[_Spot]], heights: Mapping[int, float]) -> float:
    if not rows:
        return 2 * MARGIN
    return heights[rows[-1][0].layer] + max(spot.box.height for spot in rows[-1]) / 2 + MARGIN
