"""`[cells.X.counting]`: what a cell is told to count, what the monitor expects of its marks, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.abi import counts
from hypervisor.shell.plans import build_monitor, plan_cells
from hypervisor.shell.topology import check, load
from hypervisor.shell.topology.checks import Checked, check_counting
from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.schema import File


def _one(counting: Any, **cell: Any) -> dict[str, Any]:
    return {"board": "arm926", "cells": {"a": {"image": "hello", **cell, "counting": counting}}}


def _told(counting: Any, **cell: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    topology = load(_one(counting, **cell), flavour="native")
    monitor = build_monitor(topology)
    settings = plan_cells(topology, monitor, link="shm", sandbox=True, measure=False)[0].settings
    found: dict[str, Any] = settings["machine"]["counting"]
    return found, monitor.cells[0].params.counting


def test_an_empty_table_counts_events_alone() -> None:
    told, names = _told({})
    assert told == {"functions": {}, "dcache_lines": 0, "caches": None, "tlb": None}
    assert names == counts.EVENTS


def test_the_walk_that_flushes_an_xscale_is_the_boards_for_that_cpu_does_not_say() -> None:
    topology = load(_one({}) | {"board": "pxa255"}, flavour="native")
    settings = plan_cells(topology, build_monitor(topology), link="shm", sandbox=True, measure=False)[0].settings
    assert settings["machine"]["counting"]["dcache_lines"] == 1024


def test_functions_caches_and_what_they_cost_are_the_boards() -> None:
    told, names = _told({"functions": {"set_pte": [0xC0001000]}, "caches": True, "charge": True})
    assert told["functions"] == {"set_pte": [0xC0001000]}
    shape = {"size": 16384, "line": 32, "ways": 4, "random": 1}
    costs = {"fill_cycles": 36, "store_cycles": 5}
    assert told["caches"] == {"l1i": shape, "l1d": shape, "write_allocate": 0, "kept": 1, **costs}
    assert (told["tlb"]["entries"], told["tlb"]["virtual_entries"], told["tlb"]["miss_cycles"]) == (64, 0, 0)
    assert names == counts.EVENTS + counts.TRANSLATIONS + counts.CACHES + ("f_set_pte",)


def test_a_cell_that_does_not_count_is_told_nothing_and_its_marks_are_lies() -> None:
    topology = load({"board": "arm926", "cells": {"a": {"image": "hello"}}})
    monitor = build_monitor(topology)
    settings = plan_cells(topology, monitor, link="shm", sandbox=True, measure=False)[0].settings
    assert settings["machine"]["counting"] is None
    assert monitor.cells[0].params.counting == ()


def test_what_is_counted_makes_another_topology() -> None:
    plain = load({"board": "arm926", "cells": {"a": {"image": "hello"}}}).digest
    assert len({plain, load(_one({})).digest, load(_one({"caches": True})).digest}) == 3


MANY = {f"g{number}": [number] for number in range(17)}


@pytest.mark.parametrize(
    ("counting", "cell", "key", "said"),
    [
        ({"cache": True}, {}, "cells.a.counting.cache", "caches"),
        ({"functions": {"Set": [1]}}, {}, "cells.a.counting.functions", "is no name of a group"),
        ({"functions": {"a": [-1]}}, {}, "cells.a.counting.functions.a[0]", "0..4294967295"),
        ({"functions": {"a": list(range(1025))}}, {}, "cells.a.counting.functions", "at most 1024 addresses"),
        ({"functions": MANY}, {}, "cells.a.counting.functions", "in 16 groups"),
        ({"caches": 1}, {}, "cells.a.counting.caches", "not 1"),
        ({"charge": True}, {}, "cells.a.counting.charge", "set caches = true"),
        (True, {}, "cells.a.counting", "must be a table"),
    ],
)
def test_what_cannot_be_counted_is_one_clear_line(counting: Any, cell: dict[str, Any], key: str, said: str) -> None:
    problems = check(_one(counting, **cell))
    assert [problem.key for problem in problems] == [key]
    assert said in problems[0].why


def test_a_python_guest_has_nothing_to_count() -> None:
    table = {"board": "arm926", "cells": {"a": {"guest": "cells.programs.idle:main", "counting": {}}}}
    assert [problem.key for problem in check(table)] == ["cells.a.counting"]


def test_a_board_that_does_not_say_what_a_miss_takes_cannot_charge_it() -> None:
    topology = load(_one({"caches": True, "charge": True}))
    cpu = topology.board.cpu.model_copy(update={"memory": {}})
    board, report = topology.board.model_copy(update={"cpu": cpu}), Report("mine.toml")
    check_counting(Checked(File(), "native", board, list(topology.cells), (), topology.wiring, report))
    assert [problem.key for problem in report.problems] == ["cells.a.counting.charge"]
    assert "does not say memory.line_fill" in report.problems[0].why
