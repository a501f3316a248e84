"""What the options of several commands are, and how their help texts are made."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class GraphFormat(StrEnum):
    """How a graph is shown."""

    text = "text"
    dot = "dot"
    svg = "svg"


class Link(StrEnum):
    """Transports of the world switch."""

    shm = "shm"
    zmq = "zmq"


class ScreenProtocol(StrEnum):
    """How a terminal is made to show a picture."""

    auto = "auto"
    blocks = "blocks"
    sixel = "sixel"
    kitty = "kitty"


START, OPERATE, AGAIN = "Start", "Act on a running topology", "Look again"
"""Panels of the help."""

Topology = Annotated[str, typer.Argument(metavar="TOPOLOGY", help="A built-in topology's name or a TOML file.")]
CellName = Annotated[str, typer.Argument(metavar="CELL", help="The cell's name.")]
RunName = Annotated[
    str | None,
    typer.Option("--run", "-r", metavar="RUN", help="Which run, by name or process number, if several are running."),
]
Flavour = Annotated[str | None, typer.Option(metavar="NAME", help="native, l4, xen or okl4; wins over the topology's.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the topology, or board.KEY of its board; repeatable."
    ),
]
Duration = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help='How long to run, in virtual time: "2s", "500ms".')
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of everything random.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write a run directory: summary, trace, consoles, timeline.")
]
LinkOption = Annotated[Link, typer.Option(help="Transport of the world switch; the trace does not depend on it.")]
Pace = Annotated[
    float | None,
    typer.Option(metavar="X", help="Virtual seconds per second of the wall clock; 1.0 on a terminal with a console."),
]
Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, metavar="N", help="TCP port of the page; any free one is the default."),
]
NoSandbox = Annotated[
    bool, typer.Option("--no-sandbox", help="Run cells without walls around them. For debugging only.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print machine-readable JSON on standard output, and nothing else there.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "Examples:\n\n" + "\n\n".join(f"  [bold]cellvisor {line}[/]" for line in lines)
