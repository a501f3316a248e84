"""What is measured of a sweep's scaling: 64 points, none of which is another's, all of which can be run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sweep_scaling import QUICK_SEEDS, SEEDS, SWEEP
from hypervisor.shell.sweeps.sweep import load_sweep


def test_it_is_of_64_points_that_can_be_run(tmp_path: Path) -> None:
    for seeds, number in ((SEEDS, 64), (QUICK_SEEDS, 8)):
        (tmp_path / "scaling.toml").write_text(SWEEP.format(seeds=list(range(1, seeds + 1))))
        points = load_sweep(str(tmp_path / "scaling.toml")).points
        assert len({point.id for point in points}) == number
        assert not any(point.bad for point in points)
