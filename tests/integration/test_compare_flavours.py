"""The same topology under every flavour: `ping` says the same everywhere, and `--compare` puts what differs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.rerun import rerun
from hypervisor.shell.topology import TopologyError
from tests.support.live import Live
from tests.support.session import cellvisor

pytestmark = pytest.mark.slow

CONNECTED = sorted(name for name, flavour in FLAVOURS.items() if flavour.most_cells is None)
SHORT = ["--set", 'cells.ping.args=["pong", 20, 32]']


@pytest.mark.parametrize("flavour", CONNECTED)
def test_ping_says_the_same_under_every_flavour(live: Live, flavour: str) -> None:
    run = live("ping", flavour=flavour)
    assert run.run().why == "finished"
    assert run.console("ping") == b"ping: 100 round trips of 32 bytes, checksum 24d036cc\n"
    cell = run.summary().cells["ping"]
    assert cell.metrics["round_trip"].count == 100
    assert cell.operations


@pytest.mark.parametrize("flavour", CONNECTED)
def test_the_trace_of_ping_does_not_depend_on_the_world_switch(live: Live, flavour: str) -> None:
    assert live.hash("ping", flavour=flavour, link="zmq") == live.hash("ping", flavour=flavour, link="shm")


@pytest.mark.parametrize("rounds_and_length", [(1, 1), (3, 0), (5, 1024)], ids=str)
@pytest.mark.parametrize("flavour", CONNECTED)
def test_short_and_long_messages_arrive(live: Live, flavour: str, rounds_and_length: tuple[int, int]) -> None:
    rounds, length = rounds_and_length
    limit = 1000 if length == 1024 and flavour == "l4" else length  # what goes with an IPC beside its registers
    run = live("ping", flavour=flavour, overrides=[f'cells.ping.args=["pong", {rounds}, {limit}]'])
    assert run.run().why == "finished"
    assert run.summary().cells["ping"].why == "status 0"


def test_the_comparison_has_a_summary_for_each_flavour_and_a_reason_where_there_is_none(place: Path) -> None:
    names = ",".join(["native", *CONNECTED])
    done = cellvisor("run", "ping", *SHORT, "--compare", names, "--json", "--out", str(place / "out"), place=place)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found) == ["native", *CONNECTED]
    assert found["native"]["refused"][0].startswith("flavour: native runs one cell")
    checksums = {found[name]["cells"]["ping"]["metrics"]["checksum"]["last"] for name in CONNECTED}
    assert len(checksums) == 1
    assert len({found[name]["time"] for name in CONNECTED}) == len(CONNECTED)
    assert json.loads((place / "out" / "compare.json").read_text()) == found
    for name in CONNECTED:
        assert rerun(place / "out" / name).difference is None


def test_the_comparison_for_people_is_one_table(place: Path) -> None:
    done = cellvisor("run", "ping", *SHORT, "--compare", ",".join(CONNECTED), place=place)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ping on beagle, seed 1"
    assert lines[1].split() == CONNECTED
    assert lines[2].split() == ["result", *["done"] * len(CONNECTED)]


def test_a_comparison_fails_when_a_cell_does(place: Path) -> None:
    (place / "sad.toml").write_text(
        'board = "arm926"\nfor = "10ms"\n[cells.a]\nguest = "cells.programs.ping:ping"\nargs = ["nobody"]\n'
    )
    done = cellvisor("run", "sad.toml", "--compare", "native,okl4", place=place, cwd=place)
    assert done.returncode == 1
    assert "okl4: a: guest fault: KeyError: 'nobody' (line " in done.stdout


def test_what_no_flavour_can_run_is_bad_input(place: Path) -> None:
    done = cellvisor("run", "ping", "--set", "cells.ping.guest=no.where:ping", "--compare", "native,okl4", place=place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert 'there is no module "no.where"' in done.stderr


def test_a_cell_that_shares_memory_cannot_be_remote(live: Live, tmp_path: Path) -> None:
    with pytest.raises(
        TopologyError, match='--remote: "client" shares memory with other cells: it cannot run on another'
    ):
        live("storage", remote=["client"], ticket=tmp_path / "client.ticket")
