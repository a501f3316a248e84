"""The sentence about calls at the end of a run."""

from __future__ import annotations

from hypervisor.shell.summary import CellSummary, HostSummary, Metric, Summary
from hypervisor.shell.voice import voice_lines


def summary(**cells: dict[str, int]) -> Summary:
    made = {
        name: CellSummary("blocked", metrics={key: Metric(value, 0, value, 1) for key, value in metrics.items()})
        for name, metrics in cells.items()
    }
    return Summary("phone", "okl4", "board", 1, 100, 1, "reached", "", made, (), HostSummary("shm", 1.0))


def test_a_baseband_is_told_in_one_sentence() -> None:
    amss = {"calls": 1, "voice_sent": 272, "voice_lost": 0, "deadlines_met": 297, "deadlines_missed": 0}
    told = "amss: 1 call, 272 voice frames sent, none lost; 297 deadlines met, none missed"
    assert list(voice_lines(summary(linux={"calls": 1}, amss=amss))) == [told]


def test_what_was_lost_is_said() -> None:
    (line,) = voice_lines(summary(a={"calls": 2, "voice_sent": 9, "voice_lost": 3}))
    assert line == "a: 2 calls, 9 voice frames sent, 3 lost"


def test_a_phone_that_nobody_called_says_so() -> None:
    (line,) = voice_lines(summary(a={"calls": 0, "voice_sent": 0, "voice_lost": 0}))
    assert line == "a: no calls, no voice frames sent, none lost"


def test_other_cells_are_not_spoken_of() -> None:
    assert list(voice_lines(summary(a={"voice_sent": 1}))) == []
