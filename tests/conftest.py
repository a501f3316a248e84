"""Fixtures for tests with real processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hypervisor.shell.guests import GuestMissing, resolve
from tests.support.live import Live


@pytest.fixture
def live() -> Iterator[Live]:
    """Launch runs; at the end each is checked and closed, and nothing may be left of it."""
    launcher = Live()
    yield launcher
    launcher.finish()


@pytest.fixture(autouse=True)
def guests_are_there(request: pytest.FixtureRequest) -> None:
    """Skip a test marked `guests`, by the reason that says what to do, when they have not been fetched."""
    if request.node.get_closest_marker("guests"):
        try:
            resolve("debian:marvell")
            resolve("debian:busybox", "armel")
        except GuestMissing as missing:
            pytest.skip(str(missing))


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory with a short name: a socket's path in it must not be longer than the kernel takes."""
    with tempfile.TemporaryDirectory(prefix="cv") as name:
        yield Path(name)
