"""What loading makes of a file."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hypervisor.shell.guests import available
from hypervisor.shell.topology import Topology, check, load

HOG: dict[str, Any] = {"image": "hog"}


def topology(
    scheduler: dict[str, Any] | None = None, cells: dict[str, Any] | None = None, **keys: Any
) -> dict[str, Any]:
    return {"board": "arm926", "scheduler": scheduler or {}, "cells": cells or {"hog": HOG}, **keys}


def problems(*args: Any, overrides: tuple[str, ...] = (), **keys: Any) -> list[str]:
    return [f"{problem.key}: {problem.why}" for problem in check(topology(*args, **keys), overrides=overrides)]


@pytest.mark.parametrize("name", ["hello", "ticker", "many"])
def test_the_built_in_topologies_load_on_a_fresh_machine(name: str) -> None:
    loaded = load(name)
    assert loaded.name == name
    assert loaded.description
    assert loaded.flavour == "okl4"
    assert loaded.duration is not None


@pytest.mark.guests
@pytest.mark.skipif(not available("debian:marvell"), reason="run scripts/fetch_guests")
@pytest.mark.parametrize("name", ["rtos_and_linux", "two_linux"])
def test_the_built_in_topologies_with_linux_load(name: str) -> None:
    loaded = load(name)
    assert loaded.console in [cell.name for cell in loaded.cells]
    assert {"cells.linux.kernel", "cells.linux.initrd"} <= loaded.hashes.keys()


def test_rtos_and_linux_gives_the_real_time_cell_the_higher_priority() -> None:
    import tomllib

    from hypervisor.shell.topology.sources import topologies

    cells = tomllib.loads((topologies() / "rtos_and_linux.toml").read_text())["cells"]
    assert cells["rt"]["priority"] > cells["linux"]["priority"]


def test_a_small_file_gets_the_boards_times_and_plain_defaults() -> None:
    loaded = load(topology())
    cell = loaded.cell("hog")
    hz = loaded.board.clock_hz
    assert (loaded.slice, loaded.quantum, loaded.policy, loaded.seed) == (hz // 100, hz // 1000, "fixed_priority", 1)
    assert (loaded.duration, loaded.until, loaded.console, loaded.windows) == (None, "", None, ())
    assert (cell.kind, cell.source, cell.ram, cell.priority, cell.on_crash) == ("image", "hog", 1 << 20, 0, "destroy")
    assert (cell.max_restarts, cell.budget, cell.period, cell.heartbeat, cell.cores) == (3, 0, 0, 0, (0,))


def test_times_become_cycles_and_sizes_bytes() -> None:
    keys = {"ram": "2MiB", "budget": "2ms", "period": "10ms", "heartbeat": "100ms"}
    cell = load(topology(cells={"hog": {**HOG, **keys}})).cell("hog")
    hz = load(topology()).board.clock_hz
    assert (cell.ram, cell.budget, cell.period, cell.heartbeat) == (2 << 20, hz // 500, hz // 100, hz // 10)


def test_windows_become_cycles() -> None:
    loaded = load(topology({"policy": "partition", "windows": [["hog", "2ms"]]}))
    assert loaded.windows == (("hog", loaded.board.clock_hz // 500),)


def test_a_count_makes_copies_with_numbers() -> None:
    loaded = load(topology(cells={"hog": {**HOG, "count": 3}}, console="hog2"))
    assert [(cell.name, cell.group) for cell in loaded.cells] == [("hog0", "hog"), ("hog1", "hog"), ("hog2", "hog")]


def test_a_count_of_one_is_numbered_too() -> None:
    assert [cell.name for cell in load(topology(cells={"hog": {**HOG, "count": 1}})).cells] == ["hog0"]


def test_a_topology_cannot_be_changed_after_loading() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(topology()).seed = 2  # type: ignore[misc]


def test_an_unknown_cell_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        load(topology()).cell("hgo")


def guest(port: object) -> None:
    """Do nothing."""


def test_a_function_passed_by_the_caller_is_the_cells_guest() -> None:
    data = topology(cells={"a": {"ram": "1MiB"}, "b": {"guest": "python"}, "c": {"guest": "not.there:main"}})
    loaded = load(data, guests={"a": guest, "b": guest, "c": guest})
    assert [(cell.kind, cell.source, cell.function) for cell in loaded.cells] == [("guest", "python", guest)] * 3


def test_copies_share_a_function_or_have_their_own() -> None:
    def other(port: object) -> None: ...

    shared = load(topology(cells={"a": {"count": 2}}), guests={"a": guest})
    own = load(topology(cells={"a": {"count": 2}}), guests={"a0": guest, "a1": other})
    assert [cell.function for cell in shared.cells] == [guest, guest]
    assert [cell.function for cell in own.cells] == [guest, other]


def test_a_function_for_a_cell_that_is_not_there_is_a_problem() -> None:
    found = check(topology(), guests={"hgo": guest})
    assert [problem.why for problem in found] == ['guests= has a function for "hgo", but there is no such cell']


def test_a_function_for_a_cell_with_an_image_is_a_problem() -> None:
    found = check(topology(), guests={"hog": guest})
    assert [problem.why for problem in found] == [
        "has image and guest (keep one: exactly one says what runs in the cell)"
    ]


def digest(loaded: Topology) -> str:
    return loaded.digest


def test_the_digest_is_the_same_for_the_same_topology() -> None:
    assert digest(load(topology())) == digest(load(topology()))


@pytest.mark.parametrize(
    "change",
    ["seed=2", "scheduler.slice=1ms", "cells.hog.args=rounds=1", "flavour=native", "board.ram_size=64MiB", "for=1s"],
)
def test_the_digest_changes_with_whatever_changes_the_run(change: str) -> None:
    assert digest(load(topology(), overrides=[change])) != digest(load(topology()))


def test_the_digest_covers_the_programs(tmp_path: Any) -> None:
    from hypervisor.shell.topology.sources import images

    image = (images() / "hog.elf").read_bytes()
    (tmp_path / "t.toml").write_text('board = "arm926"\n[cells.a]\nimage = "mine.elf"\n')
    (tmp_path / "mine.elf").write_bytes(image)
    first = load(tmp_path / "t.toml")
    (tmp_path / "mine.elf").write_bytes(image + b"\0")
    second = load(tmp_path / "t.toml")
    assert first.digest != second.digest
    assert first.hashes.keys() == second.hashes.keys() == {"cells.a.image"}


def test_three_cells_of_seventy_percent_do_not_fit_on_two_cores() -> None:
    keys = {**HOG, "budget": "7ms", "period": "10ms", "cores": [0, 1]}
    found = problems({"policy": "reservation"}, {"hog": {**keys, "count": 3}}, overrides=("board.cores=2",))
    assert found == [
        (
            "cells: core 0, 1 is over-committed: hog0 70% + hog1 70% + hog2 70% = 210% of 200%"
            " (lower a budget or lengthen a period)"
        )
    ]


def test_a_full_core_is_not_over_committed() -> None:
    keys = {**HOG, "budget": "5ms", "period": "10ms"}
    assert problems({"policy": "reservation"}, {"hog": {**keys, "count": 2}}) == []


def test_a_core_of_its_own_is_judged_on_its_own() -> None:
    heavy = {**HOG, "budget": "7ms", "period": "10ms"}
    cells = {"a": {**heavy, "cores": [0]}, "b": {**heavy, "cores": [1]}}
    assert problems({"policy": "reservation"}, cells, overrides=("board.cores=2",)) == []
    assert "core 1 is over-committed" in "".join(
        problems({"policy": "reservation"}, {**cells, "a": {**heavy, "cores": [1]}}, overrides=("board.cores=2",))
    )


def test_a_quantum_may_not_pass_the_latency_between_cores() -> None:
    two = ("board.cores=2", "board.cross_core_latency=1ms", "scheduler.quantum=2ms")
    assert problems(overrides=two) == [
        "scheduler.quantum: is longer than the board's cross_core_latency, 1ms (shorten it)"
    ]
    assert problems(overrides=two[1:]) == []


def test_a_mistyped_key_is_not_followed_by_a_complaint_about_its_absence() -> None:
    assert problems({"policy": "reservation"}, {"hog": {**HOG, "budgett": "1ms", "period": "2ms"}}) == [
        "cells.hog.budgett: unknown key; did you mean budget?"
    ]
    assert problems(cells={"hog": {"imag": "hog"}}) == ["cells.hog.imag: unknown key; did you mean image?"]


def test_args_of_an_image_must_fit_into_its_info_page() -> None:
    why = "cells.hog.args: must be ASCII text without NUL, of at most 1791 characters"
    assert problems(cells={"hog": {**HOG, "args": "x" * 1791}}) == []
    assert problems(cells={"hog": {**HOG, "args": "x" * 1792}}) == [why]
    assert problems(cells={"hog": {**HOG, "args": "grün"}}) == [why]


def test_native_runs_one_machine_cell() -> None:
    assert problems(flavour="native") == []
