"""What a cell is told at its start, and how a guest program that is a Python function gets into it.

The monitor pickles the guest *by value* where a fresh process could not import it: a closure, a lambda, a function of
a notebook or of the script that runs. Only the variables that it uses go along, as copies: each function has its own,
so what two of them share must be an object, not a global number that one assigns. It is unpickled in the cell's own
process and nowhere else, before the sandbox closes, since it may import modules.

    order = CellOrder(name="pinger", index=0, guest=pickle_guest(lambda port: port.send(0, b"ping")))
    ...
    guest = unpickle_guest(order.guest)      # in the cell
"""

from __future__ import annotations

import dis
import importlib
import inspect
import io
import threading
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cells.sandbox import SandboxPolicy

_PICKLING = threading.Lock()


@dataclass(frozen=True)
class CellOrder:
    """Everything that a cell's process needs to know; descriptors travel beside it."""

    name: str
    index: int
    settings: dict[str, object] = field(default_factory=dict)
    """Plain data. "preload": a list of modules to import before the sandbox closes."""
    guest: bytes = b""
    """A guest program from `pickle_guest`, or nothing."""
    sandbox: SandboxPolicy = field(default_factory=SandboxPolicy)


class GuestError(TypeError):
    """A guest program that cannot be sent to its cell; the text names what it holds on to."""


def pickle_guest(guest: Callable[..., object]) -> bytes:
    """A guest program as bytes.

    Raises: GuestError when it uses something that exists in this process only: a socket, a view of memory, a generator.
    """
    try:
        return _pickle(guest)
    except Exception as error:  # whatever an object's own __reduce__ raises
        culprits = [name for name, value in _captured(guest).items() if not _can_travel(value)]
        holds = f" (it uses {', '.join(culprits)})" if culprits else ""
        name = getattr(guest, "__qualname__", repr(guest))
        raise GuestError(f"the guest {name} cannot be sent to its cell: {error}{holds}") from error


def _pickle(value: object) -> bytes:
    import dill  # what `multiprocess` pickles with; late, as a run without Python guests does not need it
    import dill.detect

    class Pickler(dill.Pickler):  # type: ignore[misc]
        dispatch = dill.Pickler.dispatch.copy()

    # By itself dill takes along the whole content of a module that is not installed, such as one beside a script.
    Pickler.dispatch[types.ModuleType] = _save_module
    buffer = io.BytesIO()
    with _PICKLING:
        # Its own search for the globals of a function does not end when functions call each other or themselves.
        search, dill.detect.globalvars = dill.detect.globalvars, _globals_of
        try:
            Pickler(buffer, recurse=True).dump(value)
        finally:
            dill.detect.globalvars = search
    return buffer.getvalue()


def _globals_of(function: types.FunctionType, **_options: bool) -> dict[str, object]:
    """The global variables that a function names; those of a function among them are found when that is pickled."""
    names = _global_names(function.__code__)
    return {name: function.__globals__[name] for name in sorted(names & function.__globals__.keys())}


def _global_names(code: types.CodeType) -> set[str]:
    named = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    inner = (_global_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return named.union(*inner)


def _save_module(pickler: Any, module: types.ModuleType) -> None:
    pickler.save_reduce(importlib.import_module, (module.__name__,), obj=module)


def _can_travel(value: object) -> bool:
    try:
        _pickle(value)
    except Exception:
        return False
    return True


def unpickle_guest(pickled: bytes) -> Callable[..., Any]:
    """The guest program again.

    Requires: called in the cell's own process only.
    """
    import dill

    guest = dill.loads(pickled)
    if not callable(guest):
        raise GuestError(f"a guest program must be callable, not {type(guest).__name__}")
    return guest  # type: ignore[no-any-return]


def _captured(guest: Callable[..., object]) -> Mapping[str, object]:
    """The variables from outside that a function uses."""
    if not inspect.isfunction(guest):
        return {}
    variables = inspect.getclosurevars(guest)
    return {**variables.globals, **variables.nonlocals}
