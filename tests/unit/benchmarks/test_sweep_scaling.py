"""What is measured of a sweep's scaling: 64 points, each its own, all of which can be run; and what is told of it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sweep_scaling import QUICK_SEEDS, SEEDS, SWEEP, WORDS, Rate, _figures, loops
from hypervisor.shell.sweeps.sweep import load_sweep


def test_it_is_of_64_points_that_can_be_run(tmp_path: Path) -> None:
    for seeds, number in ((SEEDS, 64), (QUICK_SEEDS, 8)):
        (tmp_path / "scaling.toml").write_text(SWEEP.format(seeds=list(range(1, seeds + 1))))
        points = load_sweep(str(tmp_path / "scaling.toml")).points
        assert len({point.id for point in points}) == number
        assert not any(point.bad for point in points)


def test_the_scaling_is_told_beside_what_the_host_itself_has() -> None:
    rates = {
        ("loops", 1): [Rate(1.0, 1.0), Rate(1.0, 1.0)],
        ("loops", 2): [Rate(1.6, 1.2), Rate(2.0, 1.0)],
        ("points", 1): [Rate(4.0, 0.25), Rate(4.0, 0.25)],
        ("points", 2): [Rate(6.0, 0.3), Rate(7.0, 0.25)],
    }
    figures = {(name, more["jobs"]): list(values) for name, _, values, more in _figures(rates)}
    assert figures["scaling", 2] == [1.5, 1.75]
    assert figures["host", 2] == [1.6, 2.0]
    assert figures["of_host", 2] == [1.5 / 1.6, 1.75 / 2.0]
    assert figures["cpu_more", 2] == [1.2, 1.0]
    assert {name for name, _ in figures} == set(WORDS)


def test_a_pure_loop_runs_in_processes_of_its_own() -> None:
    assert loops(2, 10) == 2
