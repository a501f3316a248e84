"""A device as a board file has it, for what is assembled without a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spec:
    """A device as data."""

    name: str
    model: str
    base: int
    size: int = 0x100
    irq: int | None = None
    more_irqs: tuple[int, ...] = ()
    parent: str | None = None
    params: Mapping[str, int | str] = field(default_factory=dict)
