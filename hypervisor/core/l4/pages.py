"""Pages as cells have them: the nodes of the mapping database, and neighbours among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hypervisor.abi.memory import PAGE

Key = tuple[int, int]
"""Cell and page number."""


class Region(NamedTuple):
    """Where pages may appear. `exact`: nowhere but at its beginning."""

    address: int
    pages: int
    exact: bool = False


@dataclass(slots=True, eq=False)
class Page:
    """A page as one cell has it, and what came of it. `parent`: None for pages that the cell has from the beginning."""

    cell: int
    number: int
    segment: int
    offset: int
    writable: bool
    parent: Page | None = None
    children: list[Page] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """Its name in the database."""
        return self.cell, self.number

    @property
    def address(self) -> int:
        """Where its cell has it."""
        return self.number * PAGE

    @property
    def depth(self) -> int:
        """Hands that it went through."""
        return 0 if self.parent is None else self.parent.depth + 1

    def below(self) -> Iterator[Page]:
        """All that was derived from it, directly or not."""
        for child in self.children:
            yield child
            yield from child.below()


class Run(NamedTuple):
    """Neighbouring pages of one segment in one cell."""

    segment: int
    offset: int
    cell: int
    number: int
    writable: bool
    pages: int


def runs(pages: Iterable[Page]) -> list[Run]:
    """Pages as runs of neighbours.

    >>> runs([Page(0, 5, 1, 0, True), Page(0, 6, 1, 1, True), Page(0, 7, 1, 3, True)])[0]
    Run(segment=1, offset=0, cell=0, number=5, writable=True, pages=2)
    """
    found: list[Run] = []
    for page in sorted(pages, key=lambda page: page.key):
        last = found[-1] if found else None
        if last is not None and _continues(last, page):
            found[-1] = last._replace(pages=last.pages + 1)
        else:
            found.append(Run(page.segment, page.offset, page.cell, page.number, page.writable, 1))
    return found


def _continues(run: Run, page: Page) -> bool:
    behind = (run.segment, run.cell, run.writable, run.number + run.pages, run.offset + run.pages)
    return behind == (page.segment, page.cell, page.writable, page.number, page.offset)
