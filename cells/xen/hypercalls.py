"""Hypercalls with structures: a page of the cell's own memory holds them while the hypervisor looks.

```python
xen = Hypercalls(port)
_, _, local = xen.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, 2, 0)
```
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any

from cells.port import RefusedError
from hypervisor.abi.memory import PAGE

if TYPE_CHECKING:
    from cells.port import Port


class CallError(RefusedError):
    """The hypervisor said no. `status` is the negative errno of the interface (hypervisor/abi/xen.py)."""

    @property
    def errno(self) -> int:
        """The errno."""
        return -self.status


class Hypercalls:
    """A cell's calls to the hypervisor."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._address = port.memory.allocate(1)
        self._page = port.memory.view(self._address, PAGE)

    def plain(self, call: int, operation: int, *arguments: int) -> int:
        """A call with numbers alone.

        Raises:
            CallError: refused.
        """
        try:
            return self.port.hypercall(call, operation, *arguments)
        except RefusedError as refusal:
            raise CallError(f"{call}.{operation}", refusal.status) from None

    def call(self, call: int, operation: int, layout: Struct, *values: int) -> tuple[Any, ...]:
        """A call with a structure; as the hypervisor has left it.

        Raises:
            CallError: refused.
        """
        layout.pack_into(self._page, 0, *values)
        self.plain(call, operation, self._address)
        return layout.unpack_from(self._page)

    def batch(
        self, call: int, operation: int, layout: Struct, rows: Sequence[tuple[int, ...]]
    ) -> list[tuple[Any, ...]]:
        """A call with an array of structures, or several calls if it is longer than a page.

        Raises:
            CallError: refused as a whole.
        """
        done: list[tuple[Any, ...]] = []
        most = PAGE // layout.size
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            for number, row in enumerate(part):
                layout.pack_into(self._page, number * layout.size, *row)
            self.plain(call, operation, self._address, len(part))
            done += [layout.unpack_from(self._page, number * layout.size) for number in range(len(part))]
        return done
