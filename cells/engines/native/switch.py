"""The world switch's two sides as single calls in C (switch.c): a module inside the library of `_native`.

    handle = address(link)                              # of a `struct link` or `struct cell_end` (doorbell.h)
    resume(handle, record, packed_events)               # monitor: let the cell run
    wait(handle, timeout_ns, Exit)                      # monitor: an Exit, or a LINK_* number that says why there is none
    exchange(handle, record, Resume)                    # cell: give an exit, sleep; a Resume whose events are still packed

The struct behind a handle must outlive it: whoever calls keeps it.
"""

from __future__ import annotations

from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

from cells.engines.native import _native


def _load() -> Any:
    """One library, two modules (PEP 489): the import system knows the one that the file is named after."""
    spec = spec_from_loader("_switch", ExtensionFileLoader("_switch", _native.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_switch = _load()
resume, wait, exchange = _switch.resume, _switch.wait, _switch.exchange


def address(struct: Any) -> int:
    """The handle of a cffi struct."""
    return int(_native.ffi.cast("uintptr_t", struct))
