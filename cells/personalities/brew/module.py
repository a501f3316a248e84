"""A module: what the system loads, that makes applets, holds references and is closed when it does wrong.

Two kinds have the same face: `arm_module.ArmModule`, whose code runs on the engine, and `python_module.PythonModule`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any

from cells.personalities.brew.object import Objects

if TYPE_CHECKING:
    from cells.personalities.brew.system import System

PIXEL_BYTES = 1 << 20
"""Bytes of bitmaps that one module may have beside its memory."""


class Module(ABC):
    """`name` as the topology has it; `classes`: ids of its applets.

    Calls into it raise `Crime` for this module or return; while `dead` it is not called.
    """

    objects: Objects
    has_memory = False
    """Whether its code has memory of its own, where pixels can lie."""

    def __init__(self, system: System, name: str, classes: tuple[int, ...]) -> None:
        self.system, self.name, self.classes = system, name, classes
        self.loaded = self.dead = False
        self.calls = 0
        """Calls of interfaces so far."""
        self.pixel_bytes = 0

    @abstractmethod
    def load(self) -> None:
        """Bring it into memory and let it set itself up."""

    @abstractmethod
    def create(self, class_id: int) -> Any:
        """An applet of a class: what `handle` takes; None if it refuses."""

    @abstractmethod
    def handle(self, applet: Any, code: int, word: int, data: Any) -> bool:
        """Let an applet handle an event; whether it did."""

    @abstractmethod
    def notify(self, function: Any, user: Any) -> None:
        """Call back."""

    @abstractmethod
    def drop(self, applet: Any) -> int:
        """Release an applet: the references that are left to it."""

    @abstractmethod
    def unload(self) -> Counter[str]:
        """Take it out of memory: what it had not released, by its name. Requires: none of its functions is under way."""
