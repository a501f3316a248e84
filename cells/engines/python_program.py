"""The Python-program engine: a guest that is a Python function `main(port, *args)`.

Its time passes only by its calls to the port. When it returns, the cell shuts down with status 0; when it raises, the cell
faults and the last line of the traceback goes into the trace.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cells.device_memory import NO_DEVICE_MEMORY, DeviceMemory
from cells.disks import NO_DISKS, Disk
from cells.lockstep import Lockstep
from cells.memory import CellMemory
from cells.port import Port


class PythonProgram:
    """One vCPU that executes `main`."""

    def __init__(
        self,
        main: Callable[..., Any],
        arguments: Sequence[object],
        *,
        name: str,
        hz: int,
        seed: int,
        boot: Mapping[str, Any] | None = None,
        memory: CellMemory | None = None,
        devices: DeviceMemory = NO_DEVICE_MEMORY,
        disks: Mapping[str, Disk] = NO_DISKS,
    ) -> None:
        self._main, self._arguments = main, arguments
        self._facts = {"name": name, "hz": hz, "seed": seed, "boot": boot, "memory": memory}
        self._facts |= {"devices": devices, "disks": disks}

    def run(self, world: Lockstep) -> None:
        """Run the program to its end."""
        port = Port(world, **self._facts)  # type: ignore[arg-type]
        try:
            status = self._main(port, *self._arguments)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            port.fault(f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})")
        else:
            port.shut_down(status if isinstance(status, int) else 0)
