"""The hypercall page: memory-mapped registers through which an image calls the monitor (HVC exists only on ARMv7).

```
+0x00 NUMBER   store: the call happens      +0x10 RESULT   low word, negative: refused
+0x04 ARG1  +0x08 ARG2  +0x0C ARG3          +0x14 RESULT_HIGH
```
"""

from __future__ import annotations

from collections.abc import Callable

from hypervisor.abi.info_page import HypercallPage as Offset

NUMBER, ARG1, ARG2, ARG3 = Offset.NUMBER, Offset.ARG1, Offset.ARG2, Offset.ARG3
RESULT, RESULT_HIGH = Offset.RESULT, Offset.RESULT_HIGH

Call = Callable[[int, tuple[int, int, int]], int]
"""(number, arguments) -> 64-bit result word."""


class HypercallPage:
    """Registers of one vCPU; `call` makes the exit."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._words: dict[int, int] = dict.fromkeys((ARG1, ARG2, ARG3, RESULT, RESULT_HIGH), 0)

    def read(self, offset: int, size: int) -> int:
        """A register's word; others read 0."""
        return self._words.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Store an argument, or make the call."""
        if offset == NUMBER:
            words = self._words
            result = self._call(value, (words[ARG1], words[ARG2], words[ARG3]))
            words[RESULT], words[RESULT_HIGH] = result & 0xFFFFFFFF, result >> 32
        elif offset in (ARG1, ARG2, ARG3):
            self._words[offset] = value & 0xFFFFFFFF
