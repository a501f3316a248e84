"""The graph as a drawing: cells, devices and memory, who reaches whom by which right, and beneath it whom they must trust."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import NamedTuple
from xml.etree import ElementTree as Xml

from hypervisor.core.mechanism import Reach
from hypervisor.core.trust import Hold, Trust
from hypervisor.shell.graph.gather import Node, NodeKind, Picture
from hypervisor.shell.graph.layout import Box, Layout, Link, Point, lay_out
from hypervisor.shell.graph.text import way, word

FONT = "Helvetica, Arial, sans-serif"
LINE, SMALL = 16, 11
"""Pixels between lines of text, and size of small text."""
WIDE, NARROW = 7.6, 5.9
"""Pixels of a letter, bold and small, rather too many than too few: the viewer's font is not known."""
HEAD = 64
"""Room for the title."""
LEAST = 760
FILLS = {NodeKind.CELL: "#ebf4ff", NodeKind.DEVICE: "#fefcbf", NodeKind.MEMORY: "#e6fffa"}
STROKES = {NodeKind.CELL: "#2b6cb0", NodeKind.DEVICE: "#975a16", NodeKind.MEMORY: "#2c7a7b"}
ROUND = {NodeKind.CELL: 6, NodeKind.DEVICE: 0, NodeKind.MEMORY: 24}
HOLD_COLOURS = {Hold.WHOLE: "#9b2c2c", Hold.DATA: "#c05621", Hold.SERVICE: "#4a5568"}
INK, GREY, BLUE = "#1a202c", "#718096", "#4a5568"


class Line(NamedTuple):
    """All that two nodes have with each other: the text on it, and at which ends there are arrows."""

    upper: str
    lower: str
    text: list[str]
    down: bool
    up: bool


def as_svg(picture: Picture) -> str:
    """The drawing as SVG text."""
    lines = list(_lines(picture))
    boxes = {node.name: _box_of(node) for node in picture.nodes}
    layout = lay_out(boxes, [Link(line.upper, line.lower, _box_of_text(line.text)) for line in lines])
    trust = list(_trust(picture))
    width = max(layout.size.width, LEAST)
    foot = HEAD + layout.size.height
    height = foot + LINE * (len(trust) + 2)
    svg = Xml.Element("svg", xmlns="http://www.w3.org/2000/svg", width=f"{width:.0f}", height=f"{height:.0f}")
    svg.set("viewBox", f"0 0 {width:.0f} {height:.0f}")
    svg.set("font-family", FONT)
    _add(svg, "rect", width=width, height=height, fill="#ffffff")
    _write(svg, Point(24, 30), f"{picture.topology} under {picture.flavour}", size=18, weight="bold")
    _write(svg, Point(24, 50), f"{picture.title}: who reaches whom, by which right", size=12, fill=GREY)
    drawing = Xml.SubElement(svg, "g", transform=f"translate({(width - layout.size.width) / 2:.1f} {HEAD})")
    _draw(drawing, picture.nodes, boxes, lines, layout)
    for number, (text, colour, weight) in enumerate(trust):
        _write(svg, Point(24, foot + LINE * (number + 1)), text, size=12, fill=colour, weight=weight)
    return Xml.tostring(svg, encoding="unicode") + "\n"


# ---- what is drawn


def _lines(picture: Picture) -> Iterator[Line]:
    """One line for each two nodes that have anything with each other."""
    above = dict.fromkeys(picture.above)
    pairs: dict[tuple[str, str], list[Reach]] = {}
    for edge in picture.edges:
        there, back = (edge.cell, edge.target), (edge.target, edge.cell)
        if edge.cell != edge.target:
            pairs.setdefault(back if back in above or (back in pairs and there not in above) else there, []).append(
                edge
            )
    order = [pair for pair in above if pair in pairs] + [pair for pair in pairs if pair not in above]
    for upper, lower in order:
        edges = pairs[upper, lower]
        text = list(_label(upper, edges))
        yield Line(upper, lower, text, any(e.cell == upper for e in edges), any(e.cell == lower for e in edges))


def _label(upper: str, edges: Sequence[Reach]) -> Iterator[str]:
    """By what, and with which rights; who has them if the two differ."""
    for by in dict.fromkeys(edge.by for edge in edges):
        yield from wrap(by, 44)
        rights = {edge.cell: edge.rights.replace("+", ", ") for edge in edges if edge.by == by}
        if len(rights) > 1 and len(set(rights.values())) > 1:
            yield from (f"{cell}: {held}" for cell, held in sorted(rights.items(), key=lambda item: item[0] != upper))
        else:
            yield f"({next(iter(rights.values()))})"


def _trust(picture: Picture) -> Iterator[tuple[str, str, str]]:
    """The lines beneath the drawing: (text, colour, weight)."""
    yield f"Whom each cell must trust under {picture.flavour}, besides the monitor", INK, "bold"
    found = picture.trust[picture.flavour]
    for cell, trusts in () if isinstance(found, str) else found.items():
        if not trusts:
            yield f"{cell}: nobody", HOLD_COLOURS[Hold.SERVICE], "normal"
        for trust in trusts:
            yield from ((text, HOLD_COLOURS[trust.hold], "normal") for text in _reason(cell, trust))


def _reason(cell: str, trust: Trust) -> list[str]:
    return wrap(
        f"{cell} → {trust.on}, {word(trust.hold)}: {way(trust)}{trust.why}", 120, subsequent_indent="\u2003\u2003"
    )


# ---- how


def _box_of(node: Node) -> Box:
    return Box(max(WIDE * len(node.name), NARROW * len(node.detail), 90.0) + 28, 46.0)


def _box_of_text(text: Sequence[str]) -> Box:
    return Box(NARROW * max(map(len, text)) + 10, 14.0 * len(text) + 6)


def _draw(
    into: Xml.Element, nodes: Iterable[Node], boxes: dict[str, Box], lines: Sequence[Line], layout: Layout
) -> None:
    for line, route in zip(lines, layout.routes, strict=True):
        # Where a ring was cut the one that should be above is below.
        _draw_line(into, line, route, turned=layout.places[line.upper].y > layout.places[line.lower].y)
    for line, place in zip(lines, layout.labels, strict=True):
        _draw_label(into, line.text, place)
    for node in nodes:
        _draw_node(into, node, layout.places[node.name], boxes[node.name])


def _draw_line(into: Xml.Element, line: Line, route: Sequence[Point], *, turned: bool) -> None:
    """Straight down through layers, bent smoothly between them."""
    path = f"M {route[0].x:.1f} {route[0].y:.1f}"
    for number, (one, other) in enumerate(pairwise(route)):
        middle = (one.y + other.y) / 2
        bent = f"C {one.x:.1f} {middle:.1f}, {other.x:.1f} {middle:.1f}, {other.x:.1f} {other.y:.1f}"
        path += f" L {other.x:.1f} {other.y:.1f}" if number % 2 else f" {bent}"
    _add(into, "path", d=path, fill="none", stroke=BLUE, stroke_width=1.4)
    if line.up if turned else line.down:
        _head(into, route[-1], 1)
    if line.down if turned else line.up:
        _head(into, route[0], -1)


def _head(into: Xml.Element, tip: Point, way_: int) -> None:
    base = tip.y - 8 * way_
    points = f"{tip.x:.1f},{tip.y:.1f} {tip.x - 4:.1f},{base:.1f} {tip.x + 4:.1f},{base:.1f}"
    _add(into, "polygon", points=points, fill=BLUE)


def _draw_label(into: Xml.Element, text: Sequence[str], place: Point) -> None:
    box = _box_of_text(text)
    corner = Point(place.x - box.width / 2, place.y - box.height / 2)
    _add(into, "rect", x=corner.x, y=corner.y, width=box.width, height=box.height, fill="#ffffff")
    for number, line in enumerate(text):
        fill = GREY if line.startswith("(") else INK
        _write(into, Point(place.x, corner.y + 14 * (number + 1)), line, size=SMALL, anchor="middle", fill=fill)


def _draw_node(into: Xml.Element, node: Node, place: Point, box: Box) -> None:
    corner = Point(place.x - box.width / 2, place.y - box.height / 2)
    look: dict[str, float | str] = {
        "fill": FILLS[node.kind],
        "stroke": STROKES[node.kind],
        "stroke_width": 1.5,
        "rx": ROUND[node.kind],
    }
    _add(into, "rect", x=corner.x, y=corner.y, width=box.width, height=box.height, **look)
    _write(into, Point(place.x, place.y - 2), node.name, size=13, weight="bold", anchor="middle")
    _write(into, Point(place.x, place.y + 14), node.detail, size=SMALL, anchor="middle", fill=GREY)


def _add(into: Xml.Element, tag: str, **attributes: float | str) -> Xml.Element:
    texts = {
        key.replace("_", "-"): value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
        for key, value in attributes.items()
    }
    return Xml.SubElement(into, tag, texts)


def _write(
    into: Xml.Element,
    at: Point,
    text: str,
    *,
    size: int,
    fill: str = INK,
    weight: str = "normal",
    anchor: str = "start",
) -> None:
    look: dict[str, float | str] = {"font_size": size, "fill": fill, "font_weight": weight, "text_anchor": anchor}
    _add(into, "text", x=at.x, y=at.y, **look).text = text
