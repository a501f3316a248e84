"""Applets in Python: the same interfaces, events and references, without an engine.

    class Hello(Applet):
        CLASS = 0x01CE1000

        def handle_event(self, code, word, data):
            if code == Code.APP_START:
                _, self.display = self.shell.create_instance(ClassId.DISPLAY)
                self.display.draw_text(Font.NORMAL, "hello", 10, 10, None, 0)
                self.display.update()
            return True

Theory: what an applet holds is a `Handle`, which charges for each call as a trap does, and knows nothing after the last
Release. Methods have the names of the vtable in lower case and return (result, *outputs) where there are outputs. Python code
cannot be stopped by force: the watchdog looks at each call, and an applet that makes none for ever is the cell's backstop's.
"""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, cast

from cells.personalities.brew.crime import Crime, Refusal
from cells.personalities.brew.method import KINDS, Method
from cells.personalities.brew.module import Module
from cells.personalities.brew.object import SLOT, Object, Objects
from cells.personalities.brew.shell import Shell

if TYPE_CHECKING:
    from cells.personalities.brew.system import System

CALL_CYCLES = 300
"""Of an interface's method, the applet's own work around it included: assumed."""


class Applet:
    """An applet. `shell`: a `Handle`."""

    CLASS: ClassVar[int]

    def __init__(self, shell: Handle) -> None:
        self.shell = shell

    def handle_event(self, code: int, word: int, data: Any) -> bool:
        """Whether it handled the event."""
        return False

    def free(self) -> None:
        """Release what it holds."""


class Handle:
    """A reference to an object, as an applet has it: its methods, nothing else."""

    def __init__(self, module: PythonModule, target: Object) -> None:
        self._module, self._target = module, target

    def __getattr__(self, name: str) -> Any:
        function = getattr(type(self._target), name, None)
        row: Method | None = getattr(function, "brew", None)
        if function is None or row is None:
            raise AttributeError(f"{self._target.NAME} has no method {name}")
        return lambda *arguments: self._call(function, row, arguments)

    def _call(self, function: Any, row: Method, arguments: tuple[Any, ...]) -> Any:
        module, target = self._module, self._target
        module.system.processor.charge(module, CALL_CYCLES)
        if module.objects.get(target.address) is not target:
            raise Crime(module, f"{target.NAME}_{row.name}: there is no reference to it any more")
        outputs = sum(1 for kind, _ in row.arguments if KINDS[kind].write is not None)
        try:
            result = function(target, *(_plain(argument) for argument in arguments))
        except Refusal as refusal:
            return (refusal.code, *[None] * outputs) if outputs else refusal.code
        if isinstance(result, tuple) and outputs:
            return tuple(self._wrapped(part) for part in result)
        return self._wrapped(result)

    def _wrapped(self, value: Any) -> Any:
        return Handle(self._module, value) if isinstance(value, Object) else value


class PythonModule(Module):
    """A module with one applet of class `applet`."""

    def __init__(self, system: System, name: str, applet: type[Applet]) -> None:
        super().__init__(system, name, (applet.CLASS,))
        self._make = applet

    def load(self) -> None:
        """See `Module`."""
        self.loaded = True
        self.objects = Objects(SLOT, lambda _object: None, lambda _address: None)
        self._shell = self.objects.add(Shell(self))

    def create(self, class_id: int) -> Applet:
        """See `Module`."""
        return cast(Applet, self._guarded(self._make, Handle(self, self._shell)))

    def handle(self, applet: Applet, code: int, word: int, data: Any) -> bool:
        """See `Module`."""
        return bool(self._guarded(applet.handle_event, code, word, data))

    def notify(self, function: Any, user: Any) -> None:
        """See `Module`."""
        self._guarded(function, user)

    def drop(self, applet: Applet) -> int:
        """See `Module`."""
        self._guarded(applet.free)
        return 0

    def unload(self) -> Counter[str]:
        """See `Module`."""
        if self._shell.references:
            self._shell.release()
        self.loaded = False
        return self.objects.clear()

    def _guarded(self, function: Any, *arguments: Any) -> Any:
        """A call of the applet's code: what it raises is its own crime."""
        processor = self.system.processor
        processor.begin(self)
        try:
            result = function(*arguments)
        except Crime:
            raise
        except Exception as error:
            raise Crime(self, f"{type(error).__name__}: {error}"[:200]) from None
        finally:
            processor.end()
        if self.dead:
            raise Crime(self, "was closed meanwhile")
        return result


def find(text: str) -> type[Applet]:
    """The class behind "module:Class".

    Raises:
        TypeError: that is no applet.
    """
    module, _, name = text.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not (isinstance(found, type) and issubclass(found, Applet)):
        raise TypeError(f"{text} is no applet")
    return found


def _plain(argument: Any) -> Any:
    return argument._target if isinstance(argument, Handle) else argument
