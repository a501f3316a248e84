"""Fixtures for tests with real processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hypervisor.shell import processes
from hypervisor.shell.guests import GuestMissing, resolve
from hypervisor.shell.nursery import Nursery
from tests.support import once, session
from tests.support.live import Live
from tests.support.warm_command import WarmCommand

THOROUGH = frozenset(Path(__file__).with_name("thorough.txt").read_text().splitlines()[1:])
"""Tests that the default run leaves out, as `tests/FILE.py::test_name`."""

# How long a host takes to think of examples says nothing about the code: no test is judged by a clock.
settings.register_profile("by_results", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("by_results")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them; all cases of a test go together."""
    for item in items:
        if item.nodeid.partition("[")[0] in THOROUGH:
            item.add_marker("thorough")


@pytest.fixture(scope="session", autouse=True)
def quick_launches() -> Iterator[None]:
    """Runs of this process get their servers from one that has imported what they need (hypervisor/shell/nursery.py)."""
    with Nursery() as nursery, pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "forked", nursery.zygote)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_commands() -> Iterator[None]:
    """And so does the command (tests/support/warm_command.py)."""
    with WarmCommand() as session.warm:
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_place(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> None:
    """Where processes of this session leave for each other what takes long to make."""
    mine = tmp_path_factory.getbasetemp()
    once.place = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / f"shared-{testrun_uid}"
    once.place.mkdir(exist_ok=True)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """Launch runs; at the end each is checked and closed, and nothing may be left of it. What replay needs stays if it fails."""
    launcher = Live(tmp_path / ".runs")
    yield launcher
    launcher.finish()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed says what became of its runs and how they are done again."""
    report = yield
    launcher = getattr(item, "funcargs", {}).get("live")
    if report.failed and isinstance(launcher, Live):
        told = {"what became of its cells": launcher.stories(), "do it again": launcher.replays()}
        report.sections += [(title, "\n".join(lines)) for title, lines in told.items() if lines]
    return report


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
