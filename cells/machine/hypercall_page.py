"""The hypercall page: memory-mapped registers through which an image calls the monitor (HVC exists only on ARMv7).

The layout is `HypercallPage` of hypervisor/abi/info_page.py: store the arguments, store the number, which is when the call
happens, load the result. Bytes go with a call and come with its answer in DATA; a call with more than fit is refused at once
and has not been made: nothing is ever clipped. What happens to the cell from outside waits in a
queue that the image reads through the EVENT registers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hypervisor.abi.info_page import HypercallPage as Offset
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.status import Status, to_word

Call = Callable[[int, tuple[int, int, int], bytes], tuple[int, bytes]]
"""(number, arguments, data) -> 64-bit result word and the answer's bytes."""

LOW = {Offset.ARG1: 0, Offset.ARG2: 1, Offset.ARG3: 2}
HIGH = {Offset.ARG1_HIGH: 0, Offset.ARG2_HIGH: 1, Offset.ARG3_HIGH: 2}
_WORD = 0xFFFFFFFF


class Happened(NamedTuple):
    """Something that the image is told: `kind` as `EventKind`."""

    kind: int
    source: int
    bits: int


class HypercallPage:
    """Registers of one vCPU. `call` makes the exit; `wait` sleeps until something happens."""

    def __init__(self, call: Call, wait: Callable[[], None]) -> None:
        self._call, self._wait = call, wait
        self._low, self._high = [0, 0, 0], [0, 0, 0]
        self._result = 0
        self._length = 0
        self._data = bytearray(DATA_LIMIT)
        self.events: deque[Happened] = deque()

    def read(self, offset: int, size: int) -> int:
        """A register's word or a piece of the data; others read 0."""
        if Offset.DATA <= offset < Offset.DATA + DATA_LIMIT:
            start = offset - Offset.DATA
            return int.from_bytes(self._data[start : start + size], "little")
        reader = _READ.get(offset)
        return reader(self) & _WORD if reader else 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Store an argument or data, make the call, or deal with events."""
        if Offset.DATA <= offset < Offset.DATA + DATA_LIMIT:
            start = offset - Offset.DATA
            end = min(start + size, DATA_LIMIT)
            self._data[start:end] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")[: end - start]
            return
        writer = _WRITE.get(offset)
        if writer is not None:
            writer(self, value & _WORD)

    # ---- what registers do

    def _do_call(self, number: int) -> None:
        arguments = [high << 32 | low for low, high in zip(self._low, self._high, strict=True)]
        if self._length > DATA_LIMIT:
            self._result, answer = to_word(Status.TOO_LONG), b""
        else:
            data = bytes(self._data[: self._length])
            self._result, answer = self._call(number, (arguments[0], arguments[1], arguments[2]), data)
        self._high = [0, 0, 0]
        self._length = len(answer)
        self._data[: len(answer)] = answer

    def _set_length(self, value: int) -> None:
        self._length = value

    def _drop(self, _value: int) -> None:
        if self.events:
            self.events.popleft()

    def _sleep(self, _value: int) -> None:
        if not self.events:
            self._wait()

    def _first(self) -> Happened:
        return self.events[0] if self.events else Happened(0, 0, 0)


def _load_low(place: int) -> Callable[[HypercallPage], int]:
    return lambda page: page._low[place]


def _store_low(place: int) -> Callable[[HypercallPage, int], None]:
    return lambda page, value: page._low.__setitem__(place, value)


def _store_high(place: int) -> Callable[[HypercallPage, int], None]:
    return lambda page, value: page._high.__setitem__(place, value)


_READ: dict[int, Callable[[HypercallPage], int]] = {
    Offset.RESULT: lambda page: page._result,
    Offset.RESULT_HIGH: lambda page: page._result >> 32,
    Offset.LENGTH: lambda page: page._length,
    Offset.EVENT_COUNT: lambda page: len(page.events),
    Offset.EVENT_KIND: lambda page: page._first().kind,
    Offset.EVENT_SOURCE: lambda page: page._first().source,
    Offset.EVENT_BITS: lambda page: page._first().bits,
    Offset.EVENT_BITS_HIGH: lambda page: page._first().bits >> 32,
    **{offset: _load_low(place) for offset, place in LOW.items()},
}
_WRITE: dict[int, Callable[[HypercallPage, int], None]] = {
    Offset.NUMBER: HypercallPage._do_call,
    Offset.LENGTH: HypercallPage._set_length,
    Offset.EVENT_NEXT: HypercallPage._drop,
    Offset.EVENT_WAIT: HypercallPage._sleep,
    **{offset: _store_low(place) for offset, place in LOW.items()},
    **{offset: _store_high(place) for offset, place in HIGH.items()},
}
