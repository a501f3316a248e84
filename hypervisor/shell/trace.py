"""The trace of a run: a JSON line for each thing that happened, and the hash that proves that a run is repeatable.

The hash is SHA-256 over exactly the bytes of `trace.jsonl`, written or not: what `sha256sum trace.jsonl` answers is
what `summary.json` claims. Nothing of the host is in it, and nothing of the way by which an exit came.

An exit may be traced 50,000 times in a second. Its line is therefore put together from integers by one f-string; only
texts that people or guests wrote go through a JSON encoder. Bytes of a guest become one character each (Latin-1), so
that nothing is lost. Console output counts with its length and CRC-32, since the text itself is in
`console/CELL.log`: a CRC-32 differs for any two texts of one length that differ within a stretch of 32 bits, and so
for any one byte.

    trace = Trace(run.trace)
    trace.record(0, "start", "linux", {"cause": "boot"})
    trace.exit("linux", 0, resume, exit)
    trace.close()
    trace.digest()

The lines, each with "t" (cycles) and "k" (its kind) first:

    exit      cell core start why n insns irqs; by "why": deadline (null: none) of wait, addr size [value] of read and
              write, call args [data] of hypercall (sha256 of a picture's part), code pc addr text of fault, status of shutdown;
              where there is any: out [bytes, crc], value (the answer that this run began with), ev [[t, kind, "hex"], ...] (what
              reached the vCPU while it ran)
    switch    core from to why                         ("" is the idle core)
    input     what cell data                           (it came through the one door from outside)

and through `record`, whatever the monitor has to say of a cell:

    start                              cell cause [image: a hash of the programs that it starts with]
    pause, unpause, restart            cell cause
    dead      cell why policy                          end: cell state why
    irq       cell line level cause                    refused: cell what why
    resumed                            cell snapshot: the run goes on from that one (snapshots.py)
    mark                               cell id times, and what was counted (hypervisor/abi/counts.py)
    fault     cell action cause [point visit, and what else is known of it]: an injected one strikes ("" is the host)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Event, Exit, ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.shell.files import RunDirError, WriteFailed, write_some

CHUNK = 64 << 10
"""Bytes that are collected before they are hashed and written."""

_quote = json.encoder.encode_basestring_ascii
"""A text as JSON: ASCII only. What `json.dumps` comes to in the end, at a fifth of its time."""

_word = lru_cache(256)(_quote)
"""The same for texts that come again and again: reasons, names of cells."""

_WHY = tuple(kind.name.lower() for kind in ExitKind)


def _wait(record: Exit) -> str:
    return f',"deadline":{"null" if record.deadline >= NEVER else record.deadline}'


def _read(record: Exit) -> str:
    return f',"addr":{record.a0},"size":{record.a1}'


def _write(record: Exit) -> str:
    text = f',"addr":{record.a0},"size":{record.a1},"value":{record.a2}'
    return f'{text},"data":{_quote(record.data.decode("latin-1"))}' if record.data else text


def _hypercall(record: Exit) -> str:
    text = f',"call":{record.a0},"args":[{record.a1},{record.a2},{record.a3}]'
    if record.a0 == Hypercall.PICTURE:  # long, and for no reader: a sum tells pictures apart as well
        return f'{text},"sha256":"{hashlib.sha256(record.data).hexdigest()}"'
    return f'{text},"data":{_quote(record.data.decode("latin-1"))}' if record.data else text


def _fault(record: Exit) -> str:
    text = _quote(record.data.decode("latin-1"))
    return f',"code":{record.a0},"pc":{record.a1},"addr":{record.a2},"text":{text}'


def _shutdown(record: Exit) -> str:
    return f',"status":{record.a0}'


def _mark(record: Exit) -> str:
    return f',"id":{record.a0},"times":{record.a1}'


def _exception(record: Exit) -> str:
    return f',"trap":{record.a0},"pc":{record.a1},"state":{_quote(record.data.hex())}'


_DETAIL: dict[int, Callable[[Exit], str]] = {
    ExitKind.WAIT: _wait,
    ExitKind.READ: _read,
    ExitKind.WRITE: _write,
    ExitKind.HYPERCALL: _hypercall,
    ExitKind.FAULT: _fault,
    ExitKind.SHUTDOWN: _shutdown,
    ExitKind.EXCEPTION: _exception,
    ExitKind.MARK: _mark,
}
_BY_KIND = tuple(_DETAIL.get(kind) for kind in ExitKind)
"""What a line says beyond the common fields, by kind of exit."""


def _events(events: tuple[Event, ...]) -> str:
    return ",".join([f'[{time},{kind},"{payload.hex()}"]' for time, kind, payload in events])


class Trace:
    """Takes what happened, in order; hashes it; writes it to `path` (None: only the hash).

    Times are cycles. Names of cells must be plain (`[a-z0-9_]`): they are not escaped.

    Raises:
        RunDirError: the file cannot be written. It then ends with the last whole line that had room.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path or Path("trace.jsonl")
        self._hash = hashlib.sha256()
        self._lines: list[str] = []
        self._size = 0
        self._closed = False
        self.on_chunk: list[Callable[[bytes], None]] = []
        """Who wants the lines as they are written, some at a time."""
        try:
            # Unbuffered: each flush is one write of whole lines, and a killed process loses none that it has flushed.
            self._file = path.open("wb", buffering=0) if path else None
        except OSError as error:
            raise RunDirError.because(self._path, error) from error

    def exit(self, cell: str, core: int, resume: Resume, record: Exit) -> None:
        """A vCPU of `cell` ran on `core` as `resume` said and stopped as `record` says."""
        _, kind, time, cycles, _, _, _, _, _, insns, interrupts, output, _ = record
        _, start, _, _, value, events = resume
        line = (
            f'{{"t":{time},"k":"exit","cell":"{cell}","core":{core},"start":{start},"why":"{_WHY[kind]}",'
            f'"n":{cycles},"insns":{insns},"irqs":{interrupts}'
        )
        detail = _BY_KIND[kind]
        if detail is not None:
            line += detail(record)
        if output:
            line += f',"out":[{len(output)},{crc32(output)}]'
        if value:
            line += f',"value":{value}'
        if events:
            line += f',"ev":[{_events(events)}]'
        self._put(line + "}\n")

    def switch(self, time: int, core: int, before: str, after: str, why: str) -> None:
        """`core` goes from one cell to another ("" is idle)."""
        self._put(f'{{"t":{time},"k":"switch","core":{core},"from":"{before}","to":"{after}","why":{_word(why)}}}\n')

    def input(self, time: int, what: str, cell: str, data: bytes = b"") -> None:
        """Something came in from outside."""
        text = _quote(data.decode("latin-1"))
        self._put(f'{{"t":{time},"k":"input","what":{_quote(what)},"cell":"{cell}","data":{text}}}\n')

    def take(self, effect: tuple[int, str, str, Mapping[str, int | str]]) -> None:
        """`record` of an effect `TraceRecord`: the way of nearly all of them."""
        time, kind, cell, fields = effect
        line = f'{{"t":{time},"k":"{kind}","cell":"{cell}"'
        for key, value in fields.items():
            line += f',"{key}":{_word(value)}' if isinstance(value, str) else f',"{key}":{value:d}'
        line += "}\n"
        self._lines.append(line)  # as `_put`, without a call
        self._size = size = self._size + len(line)
        if size >= CHUNK:
            self.flush()

    def record(self, time: int, kind: str, cell: str, fields: Mapping[str, int | str]) -> None:
        """Anything else that happened to a cell: `kind` and its fields, in their order, with the cause among them."""
        self.take((time, kind, cell, fields))

    def flush(self) -> None:
        """Hash and write what was collected. Whoever follows a live trace needs this; nobody else does."""
        if not self._lines:
            return
        if self._closed:
            raise ValueError("the trace is closed")
        chunk = "".join(self._lines).encode("ascii")
        self._lines.clear()
        self._size = 0
        self._hash.update(chunk)
        for listener in self.on_chunk:
            listener(chunk)
        if self._file is not None:
            self._save(chunk)

    def digest(self) -> str:
        """SHA-256 of all lines so far, in hexadecimal."""
        self.flush()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Write the rest and let go of the file. The digest stays available."""
        try:
            self.flush()
        finally:
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    def _put(self, line: str) -> None:
        self._lines.append(line)
        self._size = size = self._size + len(line)
        if size >= CHUNK:
            self.flush()

    def _save(self, chunk: bytes) -> None:
        """Write all of `chunk`; when there is no room, cut the file back to whole lines and write no more."""
        assert self._file is not None
        begin, written = self._file.tell(), 0
        try:
            while written < len(chunk):
                written += write_some(self._path, self._file, memoryview(chunk)[written:])
        except OSError as error:
            file, self._file = self._file, None
            with file:
                file.truncate(begin + chunk.rfind(b"\n", 0, written) + 1)
            raise WriteFailed.because(self._path, error) from error


def read_trace(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a `trace.jsonl`, one at a time.

    A last line without its end is left out: the writer was killed in the middle of it.

    Raises:
        RunDirError: the file cannot be read, or a line of it is not a record.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _record(path, number, line)
    except OSError as error:
        raise RunDirError.because(path, error) from error


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or type(record.get("t")) is not int or not isinstance(record.get("k"), str):
        raise RunDirError(path, f"line {number} is not a record of a trace")
    return record
