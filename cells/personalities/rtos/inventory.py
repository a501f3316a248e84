"""The objects of a kernel: made, found by handle or name, deleted; never more than so many.

frames = kernel.queue("frames", 8)
kernel.find("frames") is frames
kernel.delete(frames)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cells.personalities.rtos.mutex import Mutex
from cells.personalities.rtos.objects import Flags, Object, Queue, Semaphore, Timer
from cells.personalities.rtos.status import Refused, Status

if TYPE_CHECKING:
    from cells.personalities.rtos.kernel import Kernel

OBJECTS = 256
Kept = TypeVar("Kept", bound=Object)


class Inventory:
    """A part of `Kernel`. Handles of tasks are from the same count, so that none is mistaken for the other."""

    def __init__(self) -> None:
        self.objects: dict[int, Any] = {}
        self._handles = itertools.count(1)

    @property
    def _kernel(self) -> Kernel:
        return cast("Kernel", self)

    def queue(self, name: str, depth: int) -> Queue:
        """A queue of at most `depth` items. Raises as `keep`."""
        return self.keep(Queue(self._kernel, name, depth))

    def semaphore(self, name: str, count: int = 0, maximum: int = 0xFFFF) -> Semaphore:
        """A counting semaphore. Raises as `keep`."""
        return self.keep(Semaphore(self._kernel, name, count, maximum))

    def mutex(self, name: str) -> Mutex:
        """A mutex whose owner inherits the priority of who waits for it. Raises as `keep`."""
        return self.keep(Mutex(self._kernel, name))

    def flags(self, name: str) -> Flags:
        """32 event flags. Raises as `keep`."""
        return self.keep(Flags(self._kernel, name))

    def timer(self, name: str, function: Callable[[], object]) -> Timer:
        """A software timer, stopped. Raises as `keep`."""
        return self.keep(Timer(self._kernel, name, function))

    def keep(self, thing: Kept) -> Kept:
        """Give an object a handle.

        Raises:
            Refused: NO_ROOM.
        """
        if len(self.objects) >= OBJECTS:
            raise Refused(Status.NO_ROOM, f"more than {OBJECTS} objects")
        thing.handle = next(self._handles)
        self.objects[thing.handle] = thing
        return thing

    def delete(self, thing: Any) -> None:
        """The object is gone: who waits for it gets DELETED, and its name and handle lead nowhere.

        Raises:
            Refused: NO_OBJECT, it is gone already.
        """
        if self.objects.pop(thing.handle, None) is None:
            raise Refused(Status.NO_OBJECT, thing.name)
        thing.clear()

    def find(self, name: str) -> Any:
        """The object of a name.

        Raises:
            Refused: NO_OBJECT.
        """
        for thing in self.objects.values():
            if thing.name == name:
                return thing
        raise Refused(Status.NO_OBJECT, name)
