"""Steps as a drawing: a lane per cell and one for the monitor, time from top to bottom, an arrow or a box per step.

A de-privileged guest has two lanes, its process and its kernel, and the monitor between them: whoever goes from one to the other
passes it (the survey's Figs. 3, 5 and 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from xml.etree import ElementTree as Xml

from hypervisor.shell.explain.sides import KERNEL, MONITOR, PROCESS
from hypervisor.shell.explain.steps import Step

LANE, ROW, TOP, LEFT = 210, 34, 92, 96
"""Pixels: distance of lanes, height of a step, where the first step and the first lane lie."""
NOTE = 560
"""Room for the words beside the lanes."""
COLOURS = {
    "guest": "#7a8793",
    "hypercall": "#2b6cb0",
    "device_exit": "#2b6cb0",
    "world_switch": "#b7791f",
    "virq": "#c05621",
    "ipc": "#2f855a",
    "channel": "#2f855a",
    "notify": "#6b46c1",
}
OTHER = "#2c7a7b"
FONT = "font-family:Helvetica,Arial,sans-serif"


def draw(title: str, steps: Sequence[Step]) -> str:
    """The drawing as SVG text."""
    lanes = _lanes(steps)
    width = LEFT + LANE * (len(lanes) - 1) + NOTE
    height = TOP + ROW * len(steps) + 30
    svg = Xml.Element("svg", xmlns="http://www.w3.org/2000/svg", width=str(width), height=str(height), style=FONT)
    _add(svg, "rect", width=width, height=height, fill="#ffffff")
    _words(svg, 16, 28, title, size=17, weight="bold")
    at = {name: LEFT + LANE * place for place, name in enumerate(lanes)}
    for name, x in at.items():
        _words(svg, x, 58, name, size=14, weight="bold", anchor="middle")
        _add(svg, "line", x1=x, y1=68, x2=x, y2=height - 14, stroke="#cbd5e0", **{"stroke-width": 2})
    words_at = LEFT + LANE * (len(lanes) - 1) + 30
    for place, step in enumerate(steps):
        _draw_step(svg, at, TOP + ROW * place, step, words_at)
    return Xml.tostring(svg, encoding="unicode") + "\n"


def _lanes(steps: Sequence[Step]) -> list[str]:
    """From left to right."""
    if any(step.side for step in steps):
        return [PROCESS, MONITOR, KERNEL]
    return [MONITOR, *dict.fromkeys(step.cell for step in steps if step.cell)]


def _draw_step(svg: Xml.Element, at: dict[str, int], y: int, step: Step, words_at: int) -> None:
    colour = COLOURS.get(step.cause, OTHER)
    here, there = at.get(step.who, at[MONITOR]), at.get(step.other, at[MONITOR])
    if step.ran:
        _add(svg, "rect", x=here - 5, y=y - ROW // 2 - 4, width=10, height=ROW // 2, fill="#a0aec0", rx=2)
    if step.enters:
        _arrow(svg, at[MONITOR], at[step.enters], y, colour)
    elif step.side in (PROCESS, KERNEL) or step.cause in ("hypercall", "device_exit"):
        _arrow(svg, here, at[MONITOR], y, colour)
    elif step.cause == "world_switch":
        _arrow(svg, there, here, y, colour)
    elif step.cause == "virq":
        _arrow(svg, at[MONITOR], here, y, colour)
    elif step.other in at:
        _arrow(svg, here, at[step.other], y, colour)
    else:
        _add(svg, "circle", cx=at[MONITOR] if step.cycles else here, cy=y, r=5, fill=colour)
    cost = f"  [{step.cycles:,} cycles]" if step.cycles else ""
    ran = f"ran {step.ran:,}; " if step.ran else ""
    line = f"#{step.serial}  {step.who}: {ran}{step.what}"
    _words(svg, words_at, y + 4, shorten(line, 84 - len(cost), placeholder="...") + cost, size=12, colour=colour)


def _arrow(svg: Xml.Element, start: int, end: int, y: int, colour: str) -> None:
    if start == end:
        _add(svg, "circle", cx=start, cy=y, r=5, fill=colour)
        return
    back = -8 if end > start else 8
    _add(svg, "line", x1=start, y1=y, x2=end + back, y2=y, stroke=colour, **{"stroke-width": 2})
    _add(svg, "polygon", points=f"{end},{y} {end + back},{y - 5} {end + back},{y + 5}", fill=colour)


def _words(
    svg: Xml.Element,
    x: int,
    y: int,
    text: str,
    *,
    size: int,
    weight: str = "normal",
    anchor: str = "start",
    colour: str = "#1a202c",
) -> None:
    element = _add(
        svg, "text", x=x, y=y, fill=colour, **{"font-size": size, "font-weight": weight, "text-anchor": anchor}
    )
    element.text = text


def _add(parent: Xml.Element, tag: str, **attributes: object) -> Xml.Element:
    return Xml.SubElement(parent, tag, {key: str(value) for key, value in attributes.items()})
