"""What a sweep's file means: its points, what they are known by, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisor.shell.sweeps import sweep as module
from hypervisor.shell.sweeps.schema import built_in
from hypervisor.shell.sweeps.sweep import Sweep, load_sweep
from hypervisor.shell.topology import TopologyError

GOOD = """
topology = "ping"
for = "1ms"
metrics = ["time"]
[grid]
flavour = ["l4", "okl4"]
"""


def sweep(tmp_path: Path, text: str) -> Sweep:
    (tmp_path / "mine.toml").write_text(text)
    return load_sweep(str(tmp_path / "mine.toml"))


def wrong(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        sweep(tmp_path, text)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_a_grid_has_a_point_for_each_combination_and_seed(tmp_path: Path) -> None:
    found = sweep(tmp_path, "seeds = [1, 2]\n" + GOOD + '"scheduler.slice" = ["1ms", "2ms"]\n')
    assert len(found.points) == 8
    assert found.points[1].labels == {"flavour": "l4", "scheduler.slice": "1ms", "seed": 2}
    assert len({point.id for point in found.points}) == 8
    assert found.points[-1].facts["flavour"] == "okl4"


def test_a_word_goes_into_the_lines_of_set_and_a_table_sets_several_keys(tmp_path: Path) -> None:
    found = sweep(
        tmp_path,
        """
topology = "ping"
for = "1ms"
metrics = ["time"]
set = ["cells.ping.args=['pong', {rounds}, 32]"]
[grid]
rounds = [5, 6]
kind = [{ name = "quick", flavour = "l4", "cells.ping.priority" = 3 }, { name = "slow", flavour = "xen" }]
""",
    )
    first, second = found.points[:2]
    assert first.overrides == ("cells.ping.args=['pong', 5, 32]", "cells.ping.priority=3")
    assert (first.flavour, second.flavour, second.labels["kind"]) == ("l4", "xen", "slow")


@pytest.mark.parametrize(
    "change",
    ["seeds = [2]", 'for = "2ms"', 'set = ["costs.hypercall=7"]', 'set = ["board.cpu.timing.load.cycles=9"]',
     'set = ["cells.ping.args=[\'pong\', 3, 32]"]'],
)  # fmt: skip
def test_what_a_result_depends_on_is_what_it_is_known_by(tmp_path: Path, change: str) -> None:
    text = GOOD.replace('for = "1ms"\n', "") if change.startswith("for") else GOOD
    before = {point.id for point in sweep(tmp_path, GOOD).points}
    assert before == {point.id for point in sweep(tmp_path, GOOD + '\n[derived.d]\nis = "t"\nt = "time"\n').points}
    assert before.isdisjoint(point.id for point in sweep(tmp_path, change + "\n" + text).points)


def test_combinations_are_left_out(tmp_path: Path) -> None:
    grid = '"scheduler.slice" = ["1ms", "2ms"]\n[[without]]\nflavour = "l4"\n"scheduler.slice" = ["2ms"]\n'
    found = sweep(tmp_path, GOOD + grid)
    assert [tuple(point.labels.values())[:2] for point in found.points] == [
        ("l4", "1ms"),
        ("okl4", "1ms"),
        ("okl4", "2ms"),
    ]


def test_other_code_gives_other_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sweep(tmp_path, GOOD).points[0].id
    monkeypatch.setattr("hypervisor.shell.sweeps.sweep.code_digest", lambda: "another")
    assert sweep(tmp_path, GOOD).points[0].id != before


def test_a_point_that_cannot_be_run_is_one_of_the_sweep_all_the_same(tmp_path: Path) -> None:
    found = sweep(tmp_path, GOOD.replace('"okl4"', '"native", "okl4"'))
    assert [bool(point.bad) for point in found.points] == [False, True, False]
    assert "native runs one cell, alone on the board" in found.points[1].bad
    priced = sweep(tmp_path, GOOD + '"costs.operations.ipc" = [1]\n')
    assert priced.points[0].bad == ""
    assert "no operation of okl4 is called so" in priced.points[1].bad


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + '[[plot]]\nmetric = "tyme"\nx = "flavour"', 'mine.toml: plot[0].metric: "tyme" is neither in metrics nor in'),
        (GOOD.replace("for =", "fro ="), "mine.toml: fro: unknown key; did you mean for?"),
        (GOOD.replace('["l4", "okl4"]', "[]"), "mine.toml: grid.flavour: has no values; give at least one, or remove the axis"),
        (GOOD.replace('flavour = ["l4", "okl4"]', ""), "mine.toml: grid: is empty; name an axis, for example"),
        (GOOD.replace('["l4", "okl4"]', '"l4"'), "mine.toml: grid.flavour: must be a list of values, not 'l4'"),
        (GOOD.replace('"okl4"]', '"l4"]'), "mine.toml: grid.flavour: has a value twice"),
        (GOOD.replace('["l4", "okl4"]', '["okl5"]'), 'mine.toml: grid.flavour: "okl5" is not known; did you mean okl4?'),
        (GOOD + '"cells.pong.priorty" = [1]', "mine.toml: grid.cells.pong.priorty: unknown key; did you mean priority?"),
        (GOOD + '"costs.hypercal" = [1]', "mine.toml: grid.costs.hypercal: unknown key; did you mean hypercall?"),
        (GOOD + '"board.cpu.tlb.entrys" = [1]', "mine.toml: grid.board.cpu.tlb.entrys: unknown key; did you mean entries?"),
        (GOOD + 'board = ["beagel"]', 'mine.toml: grid.board: "beagel": there is no such board; did you mean "beagle"?'),
        (GOOD + "flavor = [1]", "mine.toml: grid.flavor: no key of a topology, and no line of set has {flavor}; did you mean"),
        (GOOD + "seed = [1]", "mine.toml: grid.seed: a sweep says that as seeds = [1, 2]"),
        (GOOD + 'kind = [{ flavour = "l4" }]', "mine.toml: grid.kind: has tables, and each of them needs a name"),
        (
            GOOD + 'kind = [{ name = "a", seed = 1 }, { name = "a", seed = 2 }]',
            "mine.toml: grid.kind: has two tables of one name",
        ),
        ('set = ["seed={status}"]' + GOOD + "status = [1]", "mine.toml: grid.status: is a column of all results; call the axis"),
        (GOOD + '[derived.time]\nis = "t * 2"\nt = "time"', "mine.toml: derived.time: is a column already; call it something"),
        ('set = ["seed={sed}"]' + GOOD, "mine.toml: set: {sed} is no axis of the grid; known: flavour"),
        (GOOD.replace('["time"]', "[]"), 'mine.toml: metrics: there is none; write for example ["switches", "time"]'),
        (GOOD.replace('"ping"', '"pong"'), "pong: no built-in topology has this name, and no file (did you mean ping?)"),
        ("limit = 0.0" + GOOD, "mine.toml: limit: must be 0.1..86400 seconds of the host, not 0"),
        (GOOD + '[[plot]]\nmetric = "time"\nx = "flavor"', 'mine.toml: plot[0].x: "flavor" is no axis of the grid; did'),
        (GOOD + '[[plot]]\nmetric = "time"\nx = "flavour"\nhue = "b"', "mine.toml: plot[0].hue: unknown key; known: metric"),
        (GOOD + '[derived.d]\nis = "a / b"\na = "time"', 'mine.toml: derived.d.is: "b" is not said; write b = "METRIC" '),
        (GOOD + '[derived.d]\nis = "open(1)"', 'mine.toml: derived.d.is: "open(1)" is no sum, difference, product or quotient'),
        (
            GOOD + '[derived.d]\nis = "a"\na = { metric = "time", flavour = "l5" }',
            "mine.toml: derived.d.a.flavour: the axis has no value 'l5'; known: l4, okl4",
        ),
        (GOOD + '[[without]]\nflavour = "l5"', "mine.toml: without[0].flavour: the axis has no value 'l5'; known: l4, okl4"),
        (GOOD + '[[without]]\nflavour = ["l4", "okl4"]', "mine.toml: without: leaves no point of the grid (take one out)"),
        ("topology = [", "mine.toml: is not TOML:"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line_with_the_nearest_name(tmp_path: Path, text: str, said: str) -> None:
    lines = wrong(tmp_path, text)
    assert lines[0].startswith(said), lines
    assert len(lines) == 1


def test_a_program_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text('board = "arm926"\n[cells.a]\nimage = "gone.elf"\n')
    text = GOOD.replace('"ping"', '"device.toml"')
    assert any("gone.elf" in line for line in wrong(tmp_path, text))


def test_a_sweep_that_does_not_exist_is_told_with_the_nearest_one() -> None:
    with pytest.raises(TopologyError, match=r"quantumm: no such sweep, and no such file \(did you mean quantum\?\)"):
        load_sweep("quantumm")


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_sweep_has_points_that_can_be_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = module._combinations
    monkeypatch.setattr(module, "_combinations", lambda file: [*every(file)][:: max(len([*every(file)]) // 3, 1)])
    found = load_sweep(name)
    assert found.file.description
    assert len(found.points) >= 3
    assert not [point.bad for point in found.points if point.bad]
