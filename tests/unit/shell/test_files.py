"""Bytes on their way into a run directory: short writes, a full disk, files that appear whole or not at all."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.abi.faults import Armed
from hypervisor.shell.files import SPOILED, WriteFailed, heal, replacing, spoil, write_all
from hypervisor.shell.inputs import Input, InputKind, InputLog, ReplayInputs
from hypervisor.shell.signal_storm import SignalStorm
from hypervisor.shell.trace import Trace

FULL = Armed("full_disk")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    heal(tmp_path)
    assert SPOILED == {}


class Lazy(BytesIO):
    """A file that takes three bytes at a time."""

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        return super().write(data[:3])


@given(st.binary(max_size=50))
def test_all_bytes_come_in_however_few_a_write_takes(data: bytes) -> None:
    file = Lazy()
    write_all(Path("x"), file, data)
    assert file.getvalue() == data


@given(st.binary(max_size=50), st.integers(1, 9))
def test_short_writes_lose_nothing(data: bytes, most: int) -> None:
    spoil(Path("run"), Armed("short_writes", values={"most": most}))
    file = BytesIO()
    write_all(Path("run/trace.jsonl"), file, data)
    heal(Path("run"))
    assert file.getvalue() == data


def test_a_full_disk_takes_what_still_fits_and_says_which_file(place: Path) -> None:
    spoil(place, Armed("full_disk", values={"room": 5}))
    file = BytesIO()
    with pytest.raises(WriteFailed, match=r"trace\.jsonl: no space left on device; make room there"):
        write_all(place / "trace.jsonl", file, b"123456789")
    assert file.getvalue() == b"12345"


def test_another_run_has_a_disk_of_its_own(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    spoil(place, FULL)
    file = BytesIO()
    write_all(tmp_path_factory.mktemp("other") / "trace.jsonl", file, b"123")
    assert file.getvalue() == b"123"


def test_a_file_that_cannot_be_replaced_stays_as_it_was(place: Path) -> None:
    (place / "summary.json").write_text("old")
    spoil(place, Armed("full_disk", values={"room": 2}))
    with pytest.raises(WriteFailed), replacing(place / "summary.json") as file:
        file.write(b"newer")
    assert [path.name for path in place.iterdir()] == ["summary.json"]
    assert (place / "summary.json").read_text() == "old"


def test_a_trace_ends_with_its_last_whole_line(place: Path) -> None:
    trace = Trace(place / "trace.jsonl")
    spoil(place, Armed("full_disk", values={"room": 60}))
    for time in range(9):
        trace.record(time, "start", "a", {})
    with pytest.raises(WriteFailed):
        trace.flush()
    lines = (place / "trace.jsonl").read_text().splitlines(keepends=True)
    assert lines == ['{"t":0,"k":"start","cell":"a"}\n']
    trace.close()


def test_inputs_that_were_taken_can_be_replayed_after_short_writes(place: Path) -> None:
    spoil(place, Armed("short_writes", values={"most": 2}))
    log = InputLog(place / "inputs.jsonl")
    typed = Input(3, 500, InputKind.CONSOLE, "linux", b"ls\n")
    log.append(typed)
    log.close()
    assert ReplayInputs(place / "inputs.jsonl").peek() == typed


def test_a_storm_of_signals_leaves_everything_as_it_was() -> None:
    before = signal.getsignal(signal.SIGALRM)
    storm = SignalStorm()
    storm.begin(100)
    storm.begin(100)
    assert signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)
    storm.end()
    storm.end()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before
