"""The trace: its lines, its hash, and what stays of it when the process is killed or the disk is full."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.records import Event, EventKind, Exit, ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.shell.files import RunDirError
from hypervisor.shell.trace import CHUNK, Trace, read_trace

RESUME = Resume(seq=7, start=1_000, end=9_000, horizon=9_000, value=0)
COMMON = {"t": 5_000, "k": "exit", "cell": "linux", "core": 1, "start": 1_000, "n": 4_000, "insns": 3_000, "irqs": 2}


def stopped(kind: ExitKind, **more: Any) -> Exit:
    return Exit(7, kind, 5_000, 4_000, more.pop("deadline", NEVER), **{"insns": 3_000, "interrupts": 2, **more})


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        (stopped(ExitKind.HELLO), {"why": "hello"}),
        (stopped(ExitKind.BUDGET), {"why": "budget"}),
        (stopped(ExitKind.WAIT, deadline=6_000), {"why": "wait", "deadline": 6_000}),
        (stopped(ExitKind.WAIT), {"why": "wait", "deadline": None}),
        (stopped(ExitKind.READ, a0=0x1000, a1=4), {"why": "read", "addr": 0x1000, "size": 4}),
        (stopped(ExitKind.WRITE, a0=0x1000, a1=4, a2=7), {"why": "write", "addr": 0x1000, "size": 4, "value": 7}),
        (stopped(ExitKind.HYPERCALL, a0=5, a1=1, a2=2, a3=3), {"why": "hypercall", "call": 5, "args": [1, 2, 3]}),
        (
            stopped(ExitKind.HYPERCALL, a0=5, data=b'la"tency\xff'),
            {"why": "hypercall", "call": 5, "args": [0, 0, 0], "data": 'la"tency\xff'},
        ),
        (
            stopped(ExitKind.FAULT, a0=3, a1=0x8000, a2=0, data=b"store\n"),
            {"why": "fault", "code": 3, "pc": 0x8000, "addr": 0, "text": "store\n"},
        ),
        (stopped(ExitKind.SHUTDOWN, a0=1), {"why": "shutdown", "status": 1}),
        (
            stopped(ExitKind.EXCEPTION, a0=2, a1=0x8000, data=b"\x02\xff"),
            {"why": "exception", "trap": 2, "pc": 0x8000, "state": "02ff"},
        ),
        (stopped(ExitKind.OUTPUT, output=b"hello"), {"why": "output", "out": [5, 0x3610A686]}),
    ],
)
def test_an_exit_says_what_its_kind_needs(tmp_path: Path, record: Exit, detail: dict[str, Any]) -> None:
    trace = Trace(tmp_path / "t")
    trace.exit("linux", 1, RESUME, record)
    trace.close()
    assert lines_of(tmp_path / "t") == [COMMON | detail]


def test_an_exit_tells_the_answer_and_the_events_that_its_run_began_with(tmp_path: Path) -> None:
    events = (Event(1_500, EventKind.CONSOLE, b"ls\n"), Event(1_600, EventKind.LINE, b"\1\0\0\0\1"))
    trace = Trace(tmp_path / "t")
    trace.exit("linux", 1, RESUME._replace(value=77, events=events), stopped(ExitKind.BUDGET))
    trace.close()
    (line,) = lines_of(tmp_path / "t")
    assert line["value"] == 77
    assert line["ev"] == [[1_500, 1, "6c730a"], [1_600, 2, "0100000001"]]


def test_what_is_no_exit_has_its_cause_and_keeps_the_order_of_its_fields(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t")
    trace.record(0, "start", "linux", {"cause": "boot"})
    trace.switch(1, 0, "", "linux", "became ready")
    trace.record(2, "irq", "linux", {"line": 37, "level": True, "cause": "timer0"})
    trace.input(3, "console", "linux", b"ls\xff")
    trace.record(6, "dead", "linux", {"why": 'fault "x"\n', "policy": "restart"})
    trace.close()
    assert (tmp_path / "t").read_text().splitlines() == [
        '{"t":0,"k":"start","cell":"linux","cause":"boot"}',
        '{"t":1,"k":"switch","core":0,"from":"","to":"linux","why":"became ready"}',
        '{"t":2,"k":"irq","cell":"linux","line":37,"level":1,"cause":"timer0"}',
        '{"t":3,"k":"input","what":"console","cell":"linux","data":"ls\\u00ff"}',
        r'{"t":6,"k":"dead","cell":"linux","why":"fault \"x\"\n","policy":"restart"}',
    ]


def test_time_and_kind_come_first_in_a_line(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t")
    trace.exit("linux", 0, RESUME, stopped(ExitKind.BUDGET))
    trace.record(9, "start", "linux", {"cause": "boot"})
    trace.close()
    assert [list(line)[:2] for line in lines_of(tmp_path / "t")] == [["t", "k"]] * 2


def fill(trace: Trace, records: int) -> None:
    for number in range(records):
        trace.exit("linux", 0, RESUME._replace(start=number), stopped(ExitKind.BUDGET))


def test_the_hash_is_that_of_the_file_with_and_without_one(tmp_path: Path) -> None:
    written, unwritten = Trace(tmp_path / "t"), Trace(None)
    for trace in (written, unwritten):
        fill(trace, 3 * CHUNK // 100)
        trace.close()
    content = (tmp_path / "t").read_bytes()
    assert len(content) > 2 * CHUNK
    assert written.digest() == unwritten.digest() == hashlib.sha256(content).hexdigest()


def test_asking_for_the_hash_half_way_changes_nothing() -> None:
    asked, unasked = Trace(None), Trace(None)
    for trace in (asked, unasked):
        fill(trace, 10)
        if trace is asked:
            trace.digest()
        fill(trace, 10)
    assert asked.digest() == unasked.digest()


def test_an_empty_trace_has_the_hash_of_nothing() -> None:
    assert Trace(None).digest() == hashlib.sha256(b"").hexdigest()


def digest_of(resume: Resume, record: Exit, cell: str = "linux", core: int = 0) -> str:
    trace = Trace(None)
    trace.exit(cell, core, resume, record)
    return trace.digest()


CHANGES: list[dict[str, Any]] = [
    {"time": 5_001},
    {"cycles": 4_001},
    {"deadline": 1},
    {"insns": 3_001},
    {"interrupts": 3},
    {"output": b"hellp"},
    {"output": b"hello "},
    {"kind": ExitKind.BUDGET},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changing_one_thing_in_an_exit_changes_the_hash(change: dict[str, Any]) -> None:
    record = stopped(ExitKind.WAIT, output=b"hello")
    assert digest_of(RESUME, record) != digest_of(RESUME, record._replace(**change))


def test_changing_the_core_the_cell_or_what_was_handed_over_changes_the_hash() -> None:
    record, event = stopped(ExitKind.BUDGET), Event(1_500, 1, b"a")
    digests = {
        digest_of(RESUME, record),
        digest_of(RESUME, record, core=1),
        digest_of(RESUME, record, cell="brew"),
        digest_of(RESUME._replace(start=1_001), record),
        digest_of(RESUME._replace(value=1), record),
        digest_of(RESUME._replace(events=(event,)), record),
        digest_of(RESUME._replace(events=(event._replace(payload=b"b"),)), record),
    }
    assert len(digests) == 7


@given(st.binary(min_size=1, max_size=200), st.data())
def test_changing_any_one_byte_of_output_changes_the_hash(output: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(output) - 1))
    other = bytearray(output)
    other[place] ^= data.draw(st.integers(1, 255))
    before, after = (stopped(ExitKind.OUTPUT, output=text) for text in (output, bytes(other)))
    assert digest_of(RESUME, before) != digest_of(RESUME, after)


def test_neither_sequence_number_nor_end_of_the_slice_is_in_the_trace() -> None:
    record = stopped(ExitKind.BUDGET)
    assert digest_of(RESUME, record) == digest_of(RESUME._replace(seq=8), record._replace(seq=8))


@settings(max_examples=40)
@given(st.text(), st.binary(max_size=100))
def test_whatever_people_and_guests_write_stays_one_line_of_json(
    tmp_path_factory: pytest.TempPathFactory, text: str, payload: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "written"
    trace = Trace(path)
    trace.record(1, "dead", "linux", {"why": text, "policy": text})
    trace.switch(2, 0, "", "linux", text)
    trace.exit("linux", 0, RESUME, stopped(ExitKind.FAULT, data=payload))
    trace.exit("linux", 0, RESUME, stopped(ExitKind.HYPERCALL, data=payload))
    trace.input(3, "console", "linux", payload)
    trace.close()
    assert path.read_bytes().isascii()
    dead, switch, fault, call, typed = read_trace(path)
    assert dead["why"] == dead["policy"] == switch["why"] == text
    assert fault["text"].encode("latin-1") == call.get("data", "").encode("latin-1") == payload
    assert typed["data"].encode("latin-1") == payload


def test_nothing_is_written_before_there_is_a_chunk_unless_it_is_flushed(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t")
    fill(trace, 3)
    assert (tmp_path / "t").read_bytes() == b""
    trace.flush()
    assert len(lines_of(tmp_path / "t")) == 3
    trace.close()


def test_a_closed_trace_takes_no_more_and_keeps_its_hash(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t")
    fill(trace, 1)
    trace.close()
    digest = trace.digest()
    trace.close()
    assert trace.digest() == digest
    fill(trace, 1)
    with pytest.raises(ValueError, match="the trace is closed"):
        trace.flush()


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
"""For children that find this package where this process found it, installed or not."""

WRITER = """
import sys
from pathlib import Path
from hypervisor.shell.trace import Trace
trace = Trace(Path(sys.argv[1]))
number = 0
while True:
    trace.record(number, "start", "linux", {"cause": "again and again"})
    number += 1
    if number == 20_000:
        print("enough", flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "t")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"enough\n"
        writer.send_signal(signal.SIGKILL)
    records = list(read_trace(tmp_path / "t"))
    assert [record["t"] for record in records] == list(range(len(records)))
    assert len(records) > 10_000


def test_a_reader_leaves_out_a_line_that_was_cut_and_names_one_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b'{"t":1,"k":"note"}\n{"t":2,"k":"no')
    assert list(read_trace(tmp_path / "t")) == [{"t": 1, "k": "note"}]
    for wrong in (b"nonsense", b"[1]", b'{"t":1.5,"k":"note"}', b'{"t":1}', b"[" * 100_000, b"\xff"):
        (tmp_path / "t").write_bytes(b'{"t":1,"k":"note"}\n' + wrong + b"\n")
        with pytest.raises(RunDirError, match=r"/t: line 2 is not a record of a trace$"):
            list(read_trace(tmp_path / "t"))


FULL = """
import resource
import sys
from pathlib import Path
from hypervisor.shell.files import RunDirError
from hypervisor.shell.trace import Trace
# The nearest thing to a full disk without a disk: a write past this is short, the next one refused.
resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, 100_001))
trace = Trace(Path(sys.argv[1]))
try:
    for number in range(100_000):
        trace.record(number, "start", "linux", {"cause": "again and again"})
except RunDirError as error:
    print(error)
trace.close()
print(trace.digest() != "")
"""


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-B", "-c", FULL, str(tmp_path / "t")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.stderr == ""
    said = "file too large; raise the limit of file sizes, ulimit -f, or choose another directory with --out"
    assert done.stdout == f"{tmp_path / 't'}: {said}\nTrue\n"
    content = (tmp_path / "t").read_bytes()
    assert 90_000 < len(content) <= 100_001
    assert content.endswith(b"\n")
    assert len(list(read_trace(tmp_path / "t"))) == content.count(b"\n")


def test_writes_that_fall_short_are_carried_on(tmp_path: Path) -> None:
    """A host may write less than it was given, in the middle of a line, twice, and then refuse."""

    class Reluctant(io.FileIO):
        takes: ClassVar = [70, 45]

        def write(self, data: Any) -> int:
            if not self.takes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(memoryview(data)[: self.takes.pop(0)])

    trace = Trace(tmp_path / "t")
    assert trace._file is not None
    trace._file.close()
    trace._file = Reluctant(tmp_path / "t", "wb")
    for number in range(9):
        trace.record(number, "start", "linux", {"cause": "boot"})
    with pytest.raises(RunDirError, match="no space left on device; make room there"):
        trace.flush()
    assert (tmp_path / "t").read_bytes().count(b"\n") == 115 // 50
    assert [record["t"] for record in read_trace(tmp_path / "t")] == [0, 1]
    assert (tmp_path / "t").read_bytes().endswith(b"\n")
    trace.close()


def test_a_file_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match=r"/none/t: no such file or directory; is this a run directory\?$"):
        Trace(tmp_path / "none" / "t")
