"""One of two forms of a table, as a terminal has room for it: a frame of many columns, or lines that fit into eighty.

>>> from rich.console import Console
>>> Console(width=80).print(Fitting("a wide one", "a narrow one"))
a narrow one
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

WIDE = 134
"""Columns from which on there is room for frames, units and remarks."""


@dataclass(frozen=True)
class Fitting:
    """For rich."""

    wide: RenderableType
    narrow: RenderableType

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """For rich."""
        yield self.wide if options.max_width >= WIDE else self.narrow
