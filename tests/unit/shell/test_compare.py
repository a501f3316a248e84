"""One table of several flavours: what stands in it, what is left out, what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from hypervisor.shell.commands import RunOptions
from hypervisor.shell.compare import Column, compare, show
from hypervisor.shell.problems import InputError
from hypervisor.shell.summary import CellSummary, CoreSummary, HostSummary, Metric, Summary
from hypervisor.shell.topology import Problem, TopologyError


def summary(flavour: str, *, ipc: int = 0, state: str = "shut down", name: str = "ping") -> Summary:
    mechanism = {"ipc": ipc} if ipc else {}
    cell = CellSummary(
        state,
        why="it broke" if state == "failed" else "",
        ran=1_000,
        share_percent=50.0,
        switches=3,
        exits={"hypercall": 2, "shutdown": 1},
        cycles={"guest": 900, **mechanism},
        operations=dict.fromkeys(mechanism, 4),
        metrics={"round_trip": Metric(30, 20, 30, 5), "checksum": Metric(77, 77, 77, 1)},
        energy_uj=12,
    )
    host = HostSummary("shm", 0.25)
    return Summary(
        "ping", flavour, "beagle", 1, 1_000_000, 2_000, "finished", "", {name: cell}, (CoreSummary(1, 1),), host
    )


def shown(columns: Sequence[Column], width: int = 80) -> str:
    stream = io.StringIO()
    show(columns, Console(file=stream, width=width))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


REFUSED = Column("native", problems=(Problem("ping.toml", "flavour", "native runs one cell"),))

TABLE = """\
ping on beagle, seed 1
                                 native        l4      okl4
result                       cannot run      done      done

modelled
  virtual time                        -   2.00 ms   2.00 ms
  energy of cells                     -   12.0 uJ   12.0 uJ

cell ping
  state                               - shut down shut down
  ran                                 -   1.00 ms   1.00 ms
  share                               -     50.0%     50.0%
  switches                            -         3         3
  exits                               -         3         3

cycles of all cells by cause
  guest                               -       900       900
  ipc                                 -       640         -

how often
  hypercall                           -         2         2
  world_switch                        -         3         3
  ipc                                 -         4         -

reported
  ping round_trip                     -    20..30    20..30
  ping checksum                       -        77        77

measured on this host
  time                                -    250 ms    250 ms
native: flavour: native runs one cell
"""


def test_flavours_stand_side_by_side_and_who_cannot_run_it_has_a_reason() -> None:
    columns = [REFUSED, Column("l4", summary("l4", ipc=640)), Column("okl4", summary("okl4"))]
    assert shown(columns) == TABLE


def test_a_failed_cell_is_named_with_its_reason() -> None:
    text = shown([Column("l4", summary("l4")), Column("okl4", summary("okl4", state="failed"))])
    assert text.splitlines()[-1] == "okl4: ping: it broke"
    assert text.splitlines()[2].split() == ["result", "done", "failed"]


@pytest.mark.parametrize("width", [80, 100])
def test_long_names_are_cut_and_no_figure_is(width: int) -> None:
    name = "a_cell_with_a_very_long_name_ind"
    columns = [REFUSED, *(Column(flavour, summary(flavour, name=name, ipc=10**9)) for flavour in ("l4", "xen", "okl4"))]
    text = shown(columns, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("1.00G") == 3


def test_several_reasons_are_counted() -> None:
    problem = REFUSED.problems[0]
    assert (
        Column("native", problems=(problem, problem, problem)).why
        == "flavour: native runs one cell (and 2 more, see cellvisor check --flavour native)"
    )


def test_for_programs_it_is_the_summary_or_the_reason() -> None:
    assert REFUSED.to_dict() == {"refused": ["flavour: native runs one cell"]}
    assert Summary.from_json(json.dumps(Column("l4", summary("l4")).to_dict())) == summary("l4")


@pytest.mark.parametrize(
    ("flavours", "options", "why"),
    [
        ("okl5", {}, '--compare: "okl5" is not known; did you mean okl4\\?'),
        (" , ", {}, "--compare: names no flavour"),
        ("okl4", {"flavour": "okl4"}, "--compare: does not go with --flavour"),
        ("okl4", {"pace": 1.0}, "--compare: does not go with --pace"),
        ("okl4", {"remote": ("a",)}, "--compare: does not go with --remote"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(flavours: str, options: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        compare(RunOptions("ping", **options), flavours)  # type: ignore[arg-type]


def test_a_topology_that_no_flavour_can_run_is_bad_input(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('board = "arm926"\nsede = 1\n[cells.a]\nimage = "hog"\n')
    with pytest.raises(TopologyError) as refused:
        compare(RunOptions(str(bad)), "native,okl4")
    assert [problem.key for problem in refused.value.problems] == ["sede"]
