"""Fig. 18's four curves on a kernel of ours are measured once, and then kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import context
from benchmarks.guest_session import Trouble
from benchmarks.tables import own


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who measured: nobody really does."""
    times: list[str] = []

    def measure(sizes: object, _processes: object, board: str) -> context.Found:
        times.append(board)
        point = context.Point(26_600.0, 30_000.0, {"guest": 3.0}, {"tlb_flush": 1.0})
        return {(curve.name, kib, own.SEVERAL): point for curve in context.CURVES for kib in context.SIZES}

    monkeypatch.setattr(context, "measure_all", measure)
    monkeypatch.setattr(own, "code_digest", lambda: "0")
    return times


def test_what_is_measured_once_is_taken_from_the_cache(
    tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLVISOR_GUESTS", str(tmp_path))
    first, again = own.own_kernel(), own.own_kernel()
    assert first == again and measured == ["arm926"]
    assert set(first.curves) == {curve.title for curve in context.CURVES}
    assert first.curves["native"][0] == (0, pytest.approx(100.0))  # 26,600 cycles at 266 MHz
    monkeypatch.setattr(own, "code_digest", lambda: "1")
    own.own_kernel()
    assert len(measured) == 2


def test_without_a_cache_it_is_measured_each_time(measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Path:
        raise Trouble("no room")

    monkeypatch.setattr(own, "place", none)
    assert own.kept() == own.kept() and len(measured) == 2
