"""The scene `worm`: a program takes the Linux cell over during a call and attacks from native code; the call does not notice.

What was tried and what stopped it is taken from the monitor's account, not from the attacker.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.shell.summary import CellSummary
from hypervisor.shell.topology.sources import topologies
from hypervisor.shell.voice import voice_lines

pytestmark = pytest.mark.slow
Live = Callable[..., Run]
EMPTY = "NO_SUCH_SLOT: slot N is empty"
UNKNOWN = "UNKNOWN_CALL: hypercall N is not known"
ABSENT = "BAD_ARGUMENT: no device at N"
STOPPED: dict[str, set[tuple[str, str]]] = {
    "okl4": {
        *((call, EMPTY) for call in ("channel_send", "channel_receive", "notify", "memory_map")),
        ("cap_mint", "DENIED: the tables of capabilities are fixed at boot"),
        ("ipc", UNKNOWN),
    },
    "l4": {
        *((call, EMPTY) for call in ("ipc", "notify", "cap_mint", "cap_revoke", "ipc_inject")),
        ("channel_send", UNKNOWN),
    },
    "xen": {
        *((call, UNKNOWN) for call in ("channel_send", "ipc", "cap_mint")),
        ("grant", "GENERAL_ERROR: reference N of keystore is not for linux"),
        ("event_channel N", "EINVAL: port N of domain N is not open to N"),
    },
}
"""Flavour -> some of what has to be in the account of the cell that was taken over."""
DEVICES = {("device at N", f"NOT_YOURS: {name} belongs to another cell") for name in ("lcd0", "touch0", "nand0")}


def figure(cell: CellSummary, name: str) -> int:
    return cell.metrics[name].last


def refused(cell: CellSummary) -> set[tuple[str, str]]:
    return {(what, why) for what, why, _ in cell.refusals}


@pytest.mark.parametrize("flavour", STOPPED)
def test_a_call_goes_on_while_the_cell_of_the_user_interface_is_hostile(live: Live, flavour: str) -> None:
    run = live("worm", flavour=flavour)
    run.until("8s")
    cells = run.summary().cells
    linux, amss = cells["linux"], cells["amss"]

    [told] = voice_lines(run.summary())
    assert "1 call, " in told
    assert " voice frames sent, none lost; " in told
    assert told.endswith(" deadlines met, none missed")
    assert figure(amss, "voice_sent") > 200

    assert refused(linux) >= STOPPED[flavour] | DEVICES
    assert sum(times for _, _, times in linux.refusals) > 500
    assert [name for name, cell in cells.items() if name != "linux" and cell.restarts] == []
    assert linux.restarts == 1, "it was killed, and came up again"
    assert b"ui: call ended" in run.console("linux"), "a new Linux hears how the call ends"

    by_its_own_word = ("forgeries that worked", "native attempts that worked", "keys found")
    assert [figure(linux, name) for name in by_its_own_word] == [0, 0, 0]
    assert b"of that the host did nothing" in run.console("linux")
    assert figure(linux, "floods sent") > 1000
    assert figure(cells["keystore"], "ok") == 1, "one call, one challenge; nobody else was answered"


def test_the_search_for_the_key_finds_one_where_somebody_has_left_it(live: Live) -> None:
    """So that the nothing of the others says something."""
    key = tomllib.loads((topologies() / "worm.toml").read_text())["cells"]["keystore"]["args"][0]
    left = f'cells.linux.run=["/bin/worm", "100", "/bin/phone", "{key}"]'
    run = live("worm", overrides=[left, "inputs=[]"])
    run.until("500ms")
    assert figure(run.summary().cells["linux"], "keys found") > 0


def test_without_the_sandbox_the_host_does_what_it_is_asked_for_so_the_attempts_are_real(live: Live) -> None:
    early = 'cells.linux.run=["/bin/worm", "100", "/bin/phone"]'
    run = live("worm", overrides=[early, "inputs=[]"], sandbox=False)
    run.until("250ms")
    did = next(line for line in run.console("linux").splitlines() if b"of that the host did" in line)
    for attempt in (b"read a file", b"list processes", b"fork", b"talk to the network", b"make code"):
        assert attempt in did
    assert figure(run.summary().cells["linux"], "forgeries that worked") == 0, "the monitor needs no sandbox for that"


@pytest.mark.long
def test_the_scene_is_the_same_in_every_run_and_over_both_transports(live: Live) -> None:
    hashes = set()
    for link in ("shm", "zmq"):
        run = live("worm", link=link)
        run.until("5s")
        hashes.add(run.summary().trace_sha256)
    assert len(hashes) == 1


def test_without_the_hole_the_program_is_a_program_like_others(live: Live) -> None:
    run = live("worm", overrides=["cells.linux.preload=[]", "inputs=[]"])
    run.until("3500ms")
    console: Any = run.console("linux")
    assert b"worm: the kernel says ENOSYS" in console
    assert run.summary().cells["linux"].refusals == ()
    assert not run.monitor.cells[0].ended
