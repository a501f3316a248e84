"""A module whose code runs on the engine, in an address space of its own.

Theory: the module sees its own code (which it cannot write), its data, a heap, a stack with nothing below it, one page for what
it is told, the pages of its objects (which it cannot write), and the gate. IModule and IApplet are its own objects: their
vtables are read anew for each call, and may be anything; a wild one ends in an abort like a wild pointer of its own.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.regions import EXECUTE, READ, WRITE
from cells.personalities.arm.space import Space
from cells.personalities.brew.codes import Code, Error
from cells.personalities.brew.crime import Crime
from cells.personalities.brew.heap import Heap
from cells.personalities.brew.helpers import Helpers
from cells.personalities.brew.image import BASE, Image
from cells.personalities.brew.module import Module
from cells.personalities.brew.object import LIMIT, SLOT, Object, Objects
from cells.personalities.brew.shell import Shell

if TYPE_CHECKING:
    from cells.personalities.brew.system import System

TOLD, OBJECTS, HEAP, STACK_TOP = 0x0080_0000, 0x0090_0000, 0x0100_0000, 0x0300_0000
HEAP_SIZE, STACK_SIZE = 1 << 20, 64 << 10
ADD_REF, RELEASE, CREATE_INSTANCE, FREE_RESOURCES, HANDLE_EVENT = 0, 1, 2, 3, 2
"""Places in the vtables of IModule and IApplet."""
_START = struct.Struct("<iI4hI")
"""AEEAppStart: error, class, rectangle, arguments."""


class ArmModule(Module):
    """`image`: what lies in its memory."""

    stack_top = STACK_TOP
    has_memory = True

    def __init__(self, system: System, name: str, image: Image) -> None:
        super().__init__(system, name, image.classes)
        self.image = image
        self._object = 0
        """Its IModule."""
        self.shell: Shell | None = None

    # ---- life

    def load(self) -> None:
        """See `Module`. Its AEEMod_Load makes an IModule."""
        try:
            self.space = Space(self.system.processor.memory)
        except OutOfMemory:
            raise Crime(self, "there is no room for its page tables") from None
        self.loaded = True
        self.heap = Heap(HEAP, HEAP_SIZE)
        self.objects = Objects(OBJECTS, self._show, self._hide)
        self._object, self.shell = 0, None
        try:
            self._lay_out()
        except (Errno, OutOfMemory):
            raise Crime(self, "there is no memory for it") from None
        self.helpers = Helpers(self)
        self.shell = shell = self.objects.add(Shell(self))
        table = self.system.gate.vtables[Helpers]
        if self._call(self.image.entry, shell.address, table, TOLD) != Error.SUCCESS:
            raise Crime(self, "its AEEMod_Load refuses")
        self._object = self._word(TOLD, "no IModule")
        if not self._object:
            raise Crime(self, "its AEEMod_Load makes no IModule")

    def _lay_out(self) -> None:
        image, space = self.image, self.space
        data = BASE + len(image.text)
        space.map(BASE, data, READ | WRITE)
        space.write(BASE, image.text)
        space.protect(BASE, data, READ | EXECUTE)
        if image.end > data:
            space.map(data, image.end, READ | WRITE)
            space.write(data, image.data)
        space.map(TOLD, TOLD + 4096, READ | WRITE)
        space.map(OBJECTS, OBJECTS + LIMIT * SLOT, READ, shared=True)
        for page in (TOLD, *range(OBJECTS, OBJECTS + LIMIT * SLOT, 4096)):  # now: later there may be no memory
            space.page(page, READ)
        space.map(HEAP, HEAP + HEAP_SIZE, READ | WRITE)
        space.map(STACK_TOP - STACK_SIZE, STACK_TOP, READ | WRITE)

    def unload(self) -> Counter[str]:
        """See `Module`."""
        left: Counter[str] = Counter()
        if not self.dead and self._object:
            self._method(self._object, FREE_RESOURCES, self._object)
            references = self._method(self._object, RELEASE, self._object)
            left["IModule"] += references if references < 1 << 16 else 1
        if self.shell is not None and self.shell.references:
            self.shell.release()  # the one that it was given
        left += self.objects.clear()
        left["MALLOC"] = len(self.heap.blocks)
        self.space.destroy()
        self.loaded = False
        return +left

    # ---- calls into it

    def create(self, class_id: int) -> int | None:
        """See `Module`."""
        assert self.shell is not None, "it is loaded"
        self.space.write(TOLD, bytes(4))
        code = self._method(self._object, CREATE_INSTANCE, self._object, self.shell.address, class_id, TOLD)
        applet = self._word(TOLD, "no applet")
        if code != Error.SUCCESS or not applet:
            return None
        return applet

    def handle(self, applet: int, code: int, word: int, data: Any) -> bool:
        """See `Module`."""
        if code == Code.APP_START:
            self.space.write(TOLD, _START.pack(0, word, *data, 0))
            word, data = 0, TOLD
        return bool(self._method(applet, HANDLE_EVENT, applet, code, word, int(data)))

    def notify(self, function: int, user: int) -> None:
        """See `Module`."""
        self._call(function, user)

    def drop(self, applet: int) -> int:
        """See `Module`."""
        return self._method(applet, RELEASE, applet)

    def _method(self, this: int, place: int, *arguments: int) -> int:
        """A method of one of its own objects."""
        vtable = self._word(this, f"{this:#x} is no object of it")
        return self._call(self._word(vtable + 4 * place, f"a wild vtable at {vtable:#x}"), *arguments)

    def _call(self, function: int, *arguments: int) -> int:
        return self.system.processor.call(self, function, *arguments)

    def _word(self, address: int, what: str) -> int:
        try:
            return int.from_bytes(self.space.read(address, 4), "little")
        except Errno:
            raise Crime(self, what) from None

    # ---- its objects, as it sees them

    def _show(self, new: Object) -> None:
        self.put(new.address, struct.pack("<I", self.system.gate.vtables[type(new)]))

    def _hide(self, address: int) -> None:
        self.put(address, bytes(SLOT))

    def put(self, address: int, data: bytes) -> None:
        """Write where the module may only read. Requires: within one page of its objects."""
        memory = self.space.memory.frames
        at = self.space.page(address, READ) - memory.base + address % 4096
        memory.memory[at : at + len(data)] = data
