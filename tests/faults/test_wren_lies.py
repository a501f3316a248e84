"""A driver domain that lies to our kernel: the process that wanted something of it gets EIO, the kernel and others live on."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.api import Run
from tests.support import wren
from tests.support.liars import ANEW, ANSWERS, NEVER, PAGES
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = [flavour for flavour in wren.FLAVOURS if flavour != "native"]
PROGRAMS = "/bin/disk,/bin/cat /bin/pipes"
every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


def topology(lie: str) -> dict[str, Any]:
    table = wren.table(PROGRAMS, "beagle")
    table["cells"]["liar"] = {"guest": "tests.support.liars:main", "args": [lie], "ram": "1MiB"}
    return {**table, "channels": [{"between": ["wren", "liar"], "class": "block"}]}


def lied_to(live: Live, flavour: str, lie: str) -> Run:
    run = live(topology(lie), flavour=flavour)
    wren.finish(run, "wren")
    return run


@every_flavour
@pytest.mark.parametrize("lie", [*ANSWERS, *PAGES])
def test_a_lie_is_an_error_of_who_asked_and_nothing_else(live: Live, flavour: str, lie: str) -> None:
    run = lied_to(live, flavour, lie)
    said = wren.read(run.console("wren"))
    assert said.sections["/bin/disk /bin/cat"] in ("/dev/blk0: EIO", "write: EIO"), said.text
    assert said.sections["/bin/pipes"] == wren.transcript("native", wren.TESTS).sections["/bin/pipes"]
    assert run.state("liar") != "failed"


@every_flavour
@pytest.mark.parametrize("lie", ANEW)
def test_who_is_told_of_another_session_begins_anew_and_loses_nothing(live: Live, flavour: str, lie: str) -> None:
    run = lied_to(live, flavour, lie)
    said = wren.read(run.console("wren")).sections["/bin/disk /bin/cat"]
    assert said.splitlines() == ["copied 9740 bytes, checksum cbbbe711", "read back 9740 bytes, checksum cbbbe711"]


@every_flavour
@pytest.mark.parametrize("lie", NEVER)
def test_who_is_never_answered_waits_and_is_no_trouble(live: Live, flavour: str, lie: str) -> None:
    run = live(topology(lie), flavour=flavour)
    run.until("200ms")
    before = run.cell("wren").account.ran
    run.until("2s")
    assert run.state("wren") == "blocked"
    assert run.cell("wren").account.ran - before < 100_000, "it sleeps"
    run.monitor.check_invariants()
