"""Checks at the end of a test: whatever a test watched must still be consistent when it is over.

from tests.support.invariants import watch          # once, in the conftest.py of a directory

def test_something(watch: Watch) -> None:
    table = watch(FrameTable(1 << 20))              # table.check_invariants() runs at teardown
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import pytest


class Checked(Protocol):
    """Anything of ours that can tell whether it is consistent."""

    def check_invariants(self) -> None:
        """Raise InvariantBroken if not."""
        ...


Object = TypeVar("Object", bound=Checked)


class Watch:
    """Remembers objects and checks all of them."""

    def __init__(self) -> None:
        self._objects: list[Checked] = []

    def __call__(self, thing: Object) -> Object:
        """Watch `thing`; returns it, so that a test can build and watch in one line."""
        self._objects.append(thing)
        return thing

    def check(self) -> None:
        """Raise the first InvariantBroken."""
        for thing in self._objects:
            thing.check_invariants()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Watch objects during a test; they are checked at teardown."""
    watching = Watch()
    yield watching
    watching.check()
