"""A client of the display domain and, if it has a touch screen, of the input domain: squares, one where each touch was.

[cells.painter]
guest = "cells.programs.painter:main"
args = [4]                                   # squares that it paints by itself
"""

from __future__ import annotations

import zlib

from cells.port import Port
from cells.split.display.front import Display, rgb
from cells.split.input.front import Input
from cells.split.input.protocol import Kind

COLOURS = (rgb(255, 0, 0), rgb(0, 255, 0), rgb(0, 0, 255), rgb(255, 255, 0))
SIDE = 20


def main(port: Port, squares: int = 4) -> None:
    """Paint some squares, then one for every touch; report how many, and what the picture sums up to."""
    links = {link.kind: name for name, link in port.connections.links.items()}
    screen = Display(port.connections, links["display"], port)
    for number in range(squares):
        paint(port, screen, number, number * 2 * SIDE % screen.width, number * SIDE % screen.height)
    port.print(f"painted {squares} squares on {screen.width} x {screen.height} pixels")
    if "input" not in links:
        return
    touches = Input(port.connections, links["input"], port)
    while (event := touches.next()) is not None:
        if event.kind == Kind.DOWN:
            paint(port, screen, squares, event.x, event.y)
            squares += 1
            port.print(f"touched at {event.x}, {event.y}")


def paint(port: Port, screen: Display, number: int, x: int, y: int) -> None:
    """One square, and the figures of it."""
    screen.fill(x, y, SIDE, SIDE, COLOURS[number % len(COLOURS)])
    screen.flush(x, y, min(SIDE, screen.width - x), min(SIDE, screen.height - y))
    checksum = 0
    for line in range(screen.height):
        checksum = zlib.crc32(screen.line(line), checksum)
    port.report("squares", number + 1)
    port.report("checksum", checksum)
