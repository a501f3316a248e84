"""What comes into a run from outside (typed text, an operator's pause, an unplanned death): logged, and fed again.

Everything else in a run follows from its topology, seed and binaries. An input is therefore logged with its exact
place: the number of events that the monitor had handled when it took the input. The virtual time stands beside it for
people, and as a check: a replay in which an input falls due at another time is not the same run, and says so.

    log = InputLog(run.inputs)
    log.append(Input(step=120, time=5_000, kind=InputKind.CONSOLE, cell="linux", data=b"ls\\n"))

    replay = ReplayInputs(run.inputs)
    while taken := replay.due(monitor.steps, monitor.now):
        ...

A line: {"step": 120, "t": 5000, "kind": "console", "cell": "linux", "data": "ls\\n"}. A byte is one character
(Latin-1).
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from cells.split.display.protocol import HEIGHT, WIDTH
from hypervisor.abi.faults import Armed
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.time import NEVER
from hypervisor.faults.actions import check_order
from hypervisor.shell.files import RunDirError, write_all

_CELL = re.compile(r"[a-z0-9_]+")
_KEYS = ("step", "t", "kind", "cell", "data")


class InputKind(StrEnum):
    """What came in.

    DIED: a process ended that nobody told to; `data` says how. UNTIL: the run is to stop at the time in `data`.
    KILL_AT: the cell is to die at the time in `data`. TOUCH: `data` is "DEVICE X Y DOWN", for a touch screen of the cell.
    RESIZE: `data` is "ROWS COLUMNS" of who sits at the console. END: nobody will type there any more.
    SHUTDOWN, REBOOT: the guest is asked to do that by itself. STORE: the operator writes into the architecture's store; `data` is
    the path of the node, NUL, and its value.
    STREAM: the host said something of a stream of the cell; `data` is "STREAM NEWS", NUL, and what came (abi/streams.py).
    INJECT: `data` is an order to do the cell, or the host, a harm (hypervisor/abi/faults.py).
    """

    CONSOLE = "console"
    RESIZE = "resize"
    END = "end"
    SHUTDOWN = "shutdown"
    REBOOT = "reboot"
    STORE = "store"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    KILL = "kill"
    RESTART = "restart"
    DIED = "died"
    UNTIL = "until"
    KILL_AT = "kill_at"
    TOUCH = "touch"
    INJECT = "inject"
    STREAM = "stream"


TOUCH_RANGE = 1 << 12
"""A touch screen reads 0..4095 in each direction."""
_WINDOW = re.compile(rb"(\d{1,5}) (\d{1,5})")
WINDOW_LIMIT = 1 << 16
_STREAM = re.compile(rb"(\d{1,10}) ([0-3])\0")
_TOUCH = re.compile(r"([a-z][a-z0-9_]*) (\d{1,4}) (\d{1,4}) ([01])")

_WHOLE_BOARD = frozenset({InputKind.PAUSE, InputKind.UNPAUSE, InputKind.UNTIL, InputKind.INJECT, InputKind.STORE})
"""These may name no cell (""), and mean all of them then, or the host."""


class Input(NamedTuple):
    """One input: after `step` events, at virtual `time`."""

    step: int
    time: int
    kind: InputKind
    cell: str
    data: bytes = b""


class Touch(NamedTuple):
    """What the data of a TOUCH says."""

    device: str
    x: int
    y: int
    down: int

    @classmethod
    def on_pixel(cls, device: str, x: int, y: int, down: int) -> Touch:
        """What a panel of the screen's size reads at a pixel: its driver finds the same pixel in it.

        Raises:
            ValueError: the screen has no such pixel.
        """
        if not (0 <= x < WIDTH and 0 <= y < HEIGHT):
            raise ValueError(f"({x}, {y}) is not on the screen of {WIDTH} x {HEIGHT} pixels")
        return cls(device, -(-x * TOUCH_RANGE // WIDTH), -(-y * TOUCH_RANGE // HEIGHT), down)

    @property
    def data(self) -> bytes:
        """As an input carries it."""
        return "{} {} {} {}".format(*self).encode()

    @classmethod
    def parse(cls, data: bytes) -> Touch:
        """Raises:
        ValueError: that is no touch.
        """
        match = _TOUCH.fullmatch(data.decode("latin-1"))
        if match is None:
            raise ValueError('"data" of a touch must be "DEVICE X Y DOWN", for example "touch0 120 200 1"')
        device, *numbers = match.groups()
        touch = cls(device, *map(int, numbers))
        if max(touch.x, touch.y) >= TOUCH_RANGE:
            raise ValueError(f"a touch screen reads 0..{TOUCH_RANGE - 1} each way, not {touch.x}, {touch.y}")
        return touch


def window(data: bytes) -> tuple[int, int]:
    """The rows and columns that the data of a RESIZE says.

    Raises:
        ValueError: it says none.
    """
    match = _WINDOW.fullmatch(data)
    if match is None or max(map(int, match.groups())) >= WINDOW_LIMIT:
        raise ValueError('"data" of a resize must be "ROWS COLUMNS", for example "24 80"')
    return int(match[1]), int(match[2])


def stream_news(data: bytes) -> tuple[int, int, bytes]:
    """The stream, what happened to it (`News`), and what came of it, as the data of a STREAM says.

    Raises:
        ValueError: it says nothing of the kind.
    """
    match = _STREAM.match(data)
    if match is None or int(match[1]) >= 1 << 32 or len(data) - match.end() > DATA_LIMIT:
        raise ValueError(
            '"data" of a stream must be "STREAM NEWS" and NUL, and what came, for example "1 1\\u0000hello"'
        )
    return int(match[1]), int(match[2]), data[match.end() :]


class ReplayError(Exception):
    """The run that is replayed goes another way than the run that was recorded."""


class InputLog:
    """Writes inputs in the order in which they were taken; each is in the file before the run goes on (None: no file).

    Raises:
        RunDirError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path or Path("inputs.jsonl")
        try:
            self._file = path.open("wb", buffering=0) if path else None
        except OSError as error:
            raise RunDirError.because(self._path, error) from error

    def append(self, taken: Input) -> None:
        """Log one input."""
        if self._file is None:
            return
        step, time, kind, cell, data = taken
        line = {"step": step, "t": time, "kind": str(kind), "cell": cell, "data": data.decode("latin-1")}
        write_all(self._path, self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None


class ReplayInputs:
    """Hands out the inputs of an `inputs.jsonl`, each at its step.

    The file is read and checked whole, at once.

    Raises:
        RunDirError: the file cannot be read, or a line of it is wrong; the message names the line.
    """

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise RunDirError.because(path, error) from error
        self._path = path
        self._inputs: list[Input] = []
        self._next = 0
        if lines[-1] != b"":
            raise RunDirError(path, f"line {len(lines)}: is cut short; remove it to replay what came before")
        for number, line in enumerate(lines[:-1], 1):
            self._inputs.append(self._read(number, line))

    def peek(self) -> Input | None:
        """The next input, None after the last. An idle board waits for nothing else."""
        return self._inputs[self._next] if self._next < len(self._inputs) else None

    def due(self, step: int, now: int | None = None) -> list[Input]:
        """The inputs to take after `step` events, each of them once.

        Raises:
            ReplayError: an input's step has passed, or (if `now` is given) it was taken at another virtual time.
        """
        taken = []
        while (following := self.peek()) is not None and following.step <= step:
            self._next += 1
            if following.step < step:
                raise ReplayError(
                    f"{self._at(self._next)}: step {following.step} has passed, the run is at step {step}"
                )
            if now is not None and following.time != now:
                raise ReplayError(
                    f"{self._at(self._next)}: step {step} was at cycle {following.time} in the recorded run and is at "
                    f"{now} in this one"
                )
            taken.append(following)
        return taken

    def _at(self, number: int) -> str:
        return f"{self._path}: line {number}"

    def _read(self, number: int, line: bytes) -> Input:
        try:
            return _parse(line, after=self._inputs[-1].step if self._inputs else 0)
        except ValueError as error:
            raise RunDirError(self._path, f"line {number}: {error}") from None


def _parse(line: bytes, after: int) -> Input:
    """One line, not before the step `after`. Raises ValueError with the reason."""
    fields = _fields(line)
    step, time, kind, cell, data = (fields[key] for key in _KEYS)
    for key in ("step", "t"):
        if type(fields[key]) is not int or not 0 <= fields[key] < NEVER:
            raise ValueError(f'"{key}" must be a number from 0')
    if step < after:
        raise ValueError("comes before the line above it")
    if kind not in list(InputKind):
        raise ValueError(f'"kind" must be one of {", ".join(InputKind)}')
    if not isinstance(cell, str) or not (_CELL.fullmatch(cell) or (cell == "" and kind in _WHOLE_BOARD)):
        raise ValueError('"cell" must be the name of a cell')
    if not isinstance(data, str) or any(ord(char) > 0xFF for char in data):
        raise ValueError('"data" must be a text of characters up to \\u00ff, one for each byte')
    if kind == InputKind.TOUCH:
        Touch.parse(data.encode("latin-1"))
    if kind == InputKind.RESIZE:
        window(data.encode("latin-1"))
    if kind == InputKind.STREAM:
        stream_news(data.encode("latin-1"))
    if kind == InputKind.INJECT:
        check_order(Armed.from_text(data.encode("latin-1")), cell)
    return Input(step, time, InputKind(kind), cell, data.encode("latin-1"))


def _fields(line: bytes) -> dict[str, Any]:
    """A JSON object with exactly the keys of an input, each once."""
    try:
        pairs = json.loads(line, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(pairs, tuple) or sorted(key for key, _ in pairs) != sorted(_KEYS):
        raise ValueError(f"must be an object with the keys {', '.join(_KEYS)}")
    return dict(pairs)
