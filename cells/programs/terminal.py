"""A client of the console domain: asks for a name, greets, and echoes lines until it is told "bye".

[cells.alice]
guest = "cells.programs.terminal:main"
"""

from __future__ import annotations

from cells.port import Port
from cells.split.console.front import Console


def main(port: Port, greetings: int = 1) -> int:
    """Greet so often, then answer every line; the number of lines is the status."""
    name = next(name for name, link in port.connections.links.items() if link.kind == "console")
    console = Console(port.connections, name, port)
    for number in range(greetings):
        console.print(f"{port.name} is ready" if greetings == 1 else f"{port.name} line {number}")
    console.flush()
    port.report("greeted", greetings)
    lines = 0
    while True:
        line = console.read_line().strip()
        lines += 1
        port.report("lines", lines)
        console.print(f"{port.name} heard {line.decode(errors='replace')}")
        if line == b"bye":
            console.flush()
            return lines
