"""A trace as a timeline: `trace.perfetto.json` opens in https://ui.perfetto.dev and in chrome://tracing.

Two groups of tracks, shown as "processes". *cores* has a track for each core: which cell runs there. *cells* has a
track for each cell: its slices, named by what ended them, a mark for each interrupt, input, death or refusal, and a
counter of the bytes that it wrote to its console. The file is in the JSON form of the Trace Event Format: metadata
"M", complete slices "X", instants "i", counters "C"; times in microseconds of virtual time.

Slices of one track must not overlap, not even by the nanosecond that a viewer rounds: newer ones round `ts` to
nanoseconds, older ones cut it. Whole nanoseconds are therefore written with 0.1 ns more, which both read alike; a
duration that is cut leaves a gap of a nanosecond, which does no harm.

    write_perfetto(run.trace, run.perfetto, hz=500_000_000, cores=1, cells=["linux", "brew"])
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hypervisor.shell.files import RunDirError, replacing
from hypervisor.shell.trace import read_trace

CORES, CELLS = 1, 2
"""The two groups' process numbers. Zero is the idle task to the viewer."""
_FIRST_THREAD = {CORES: 100, CELLS: 200}
"""Thread numbers must not repeat across processes, nor equal a process's."""
_NS = 1_000_000_000
_BATCH = 1_000
"""Events that are written at once."""
_DETAIL = {"irq": ("line", "cause"), "input": ("what",), "refused": ("what",), "end": ("state",), "fault": ("action",)}
"""What a mark shows without a click, by kind of record: the first of these fields it has (a virtual interrupt has no line)."""

Record = dict[str, Any]


def write_perfetto(trace: Path, out: Path, *, hz: int, cores: int, cells: Sequence[str]) -> None:
    """Turn `trace` (a `trace.jsonl` of a board of `hz` with so many cores and these cells) into `out`.

    Both files are streamed. Cells that the trace names and `cells` does not are left out.

    Raises:
        RunDirError: one of the files cannot be read or written.
    """
    with replacing(out) as file:
        file.write(b'{"displayTimeUnit":"ns","otherData":{"clock":"virtual time"},"traceEvents":[\n')
        for lines in _batches(_lines(trace, hz, cores, cells)):
            file.write(lines.encode())
        file.write(b"]}\n")


def _lines(trace: Path, hz: int, cores: int, cells: Sequence[str]) -> Iterator[str]:
    """The events as JSON texts, tracks' names first."""
    yield from _names(CORES, "cores", [f"core {number}" for number in range(cores)])
    yield from _names(CELLS, "cells", cells)
    tracks = _Tracks(hz, cores, cells)
    for number, record in enumerate(read_trace(trace), 1):
        try:
            yield from tracks.events(record)
        except (KeyError, TypeError, IndexError) as error:
            raise RunDirError(trace, f'line {number} is not a record of kind "{record["k"]}"') from error


def _batches(lines: Iterable[str]) -> Iterator[str]:
    """Many lines in one text, with a comma between any two."""
    batch: list[str] = []
    comma = ""
    for line in lines:
        batch.append(comma + line)
        comma = ",\n"
        if len(batch) >= _BATCH:
            yield "".join(batch)
            batch.clear()
    yield "".join(batch)


def _names(process: int, name: str, threads: Sequence[str]) -> Iterator[str]:
    """Metadata: what a group and its tracks are called, and their order."""
    first = _FIRST_THREAD[process]
    yield _meta("process_name", process, 0, name=name)
    yield _meta("process_sort_index", process, 0, sort_index=process)
    for index, thread in enumerate(threads):
        yield _meta("thread_name", process, first + index, name=thread)
        yield _meta("thread_sort_index", process, first + index, sort_index=index)


def _meta(what: str, process: int, thread: int, **args: str | int) -> str:
    return json.dumps({"name": what, "ph": "M", "pid": process, "tid": thread, "args": args})


class _Tracks:
    """Turns records into events, one after another."""

    def __init__(self, hz: int, cores: int, cells: Sequence[str]) -> None:
        self._hz = hz
        self._cores = range(cores)
        self._threads = {cell: _FIRST_THREAD[CELLS] + index for index, cell in enumerate(cells)}
        self._written = dict.fromkeys(cells, 0)

    def events(self, record: Record) -> Iterator[str]:
        """What a record looks like. A switch shows between two slices, and a line that falls is no interrupt."""
        if record["k"] == "exit":
            return self._slice(record)
        if record["k"] == "switch" or record.get("level") == 0:
            return iter(())
        return self._mark(record)

    def _slice(self, record: Record) -> Iterator[str]:
        """A cell ran on a core: a slice on the tracks of both."""
        cell, core, why = record["cell"], record["core"], record["why"]
        if cell not in self._threads or core not in self._cores:
            return
        start = record["start"] * _NS // self._hz
        length = record["t"] * _NS // self._hz - start
        when = f'"ph":"X","ts":{_stamp(start)},"dur":{length // 1000}.{length % 1000:03}'
        counts = f'"args":{{"insns":{record["insns"]},"cycles":{record["n"]}}}'
        yield f'{{"name":"{cell}",{when},"pid":{CORES},"tid":{_FIRST_THREAD[CORES] + core},"args":{{"why":"{why}"}}}}'
        yield f'{{"name":"{why}",{when},"pid":{CELLS},"tid":{self._threads[cell]},{counts}}}'
        if "out" in record:
            yield self._console(cell, record)

    def _console(self, cell: str, record: Record) -> str:
        """How much a cell has written so far. Counters belong to a process, so the cell is in the name."""
        self._written[cell] += record["out"][0]
        return (
            f'{{"name":"console {cell}","ph":"C","ts":{self._at(record)},"pid":{CELLS},'
            f'"args":{{"bytes":{self._written[cell]}}}}}'
        )

    def _mark(self, record: Record) -> Iterator[str]:
        """Something happened to a cell; without a name, to the whole board: a mark across the group."""
        cell = record.get("cell", "")
        args = {key: value for key, value in record.items() if key not in ("t", "k", "cell")}
        if cell in self._threads:
            yield self._instant(_title(record), record, self._threads[cell], "t", args)
        elif cell == "":
            yield self._instant(_title(record), record, 0, "p", args)

    def _instant(self, name: str, record: Record, thread: int, scope: str, args: Record) -> str:
        head = (
            f'{{"name":{json.dumps(name)},"ph":"i","s":"{scope}","ts":{self._at(record)},"pid":{CELLS},"tid":{thread}'
        )
        return f'{head},"args":{json.dumps(args)}}}'

    def _at(self, record: Record) -> str:
        return _stamp(record["t"] * _NS // self._hz)


def _title(record: Record) -> str:
    """What a mark says without a click."""
    kind: str = record["k"]
    return next((f"{kind} {record[field]}" for field in _DETAIL.get(kind, ()) if field in record), kind)


def _stamp(nanoseconds: int) -> str:
    """Microseconds, with the 0.1 ns that the head of this file explains."""
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03}1"
