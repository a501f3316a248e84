"""The guest of a cell whose personality is BREW's: it puts the parts together and is the event loop.

    build(told, ram, shared).run(world)

Theory: handlers run one after another, each to its end, so that the loop is short: hear what has happened, do one thing, and
sleep until the next timer when nothing is left. The monitor's slices end inside of handlers as well (processor.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.spec import take_files
from cells.personalities.brew.arm_module import ArmModule
from cells.personalities.brew.bitmap import Bitmap, Dib
from cells.personalities.brew.codes import ClassId, Code
from cells.personalities.brew.display import Display
from cells.personalities.brew.files import File, FileMgr
from cells.personalities.brew.gate import Gate
from cells.personalities.brew.graphics import Graphics
from cells.personalities.brew.helpers import HeapInterface, Helpers
from cells.personalities.brew.image import parse
from cells.personalities.brew.net import NetMgr, Socket
from cells.personalities.brew.object import Object
from cells.personalities.brew.processor import Processor
from cells.personalities.brew.python_module import PythonModule, find
from cells.personalities.brew.remote import PEER, Remote
from cells.personalities.brew.screen import Screen
from cells.personalities.brew.shell import Shell
from cells.personalities.brew.spec import BrewSpec
from cells.personalities.brew.system import System
from cells.personalities.linux.redirection import Account
from cells.personalities.port import PersonalityPort

if TYPE_CHECKING:
    from cells.lockstep import Lockstep
    from cells.memory import CellMemory

KINDS: Mapping[int, type[Object]] = {
    ClassId.DISPLAY: Display,
    ClassId.GRAPHICS: Graphics,
    ClassId.FILEMGR: FileMgr,
    ClassId.NET: NetMgr,
    ClassId.HEAP: HeapInterface,
}
"""What ISHELL_CreateInstance makes."""
INTERFACES: tuple[type[Object], ...] = (
    *(Helpers, Shell, Display, Bitmap, Dib, Graphics),
    *(FileMgr, File, NetMgr, Socket, HeapInterface),
)
"""Everything that has a vtable, in the order of the page."""
KEYS_AT_ONCE = 64
FRAME_BUFFER = "framebuffer"


class Kernel:
    """`files`: modules by name. `memory`: what the cell shares with others."""

    def __init__(self, spec: BrewSpec, ram: Any, files: Mapping[str, bytes], memory: CellMemory | None = None) -> None:
        self.spec = spec
        self.gate = Gate(INTERFACES)
        self.account = Account(spec.redirection)
        self.processor = Processor(spec, ram, self.gate, self.account)
        self.port = PersonalityPort(self.processor.cpu.vcpu, spec, memory, self.account.pack)
        self.processor.port = self.port
        self.port.on_faults = self.processor.cpu.suffer
        self.processor.cpu.on_mark = self.port.mark
        self.system = System(self.processor, self.gate, self.port, Screen(), KINDS)
        for name, data in files.items():
            self.system.install(ArmModule(self.system, name, parse(data)))
        for name, text in spec.python:
            self.system.install(PythonModule(self.system, name, find(text)))
        self.remote: Remote | None = None

    def run(self, world: Lockstep) -> None:
        """Run for ever; the monitor ends the process."""
        self.begin(world)
        self.loop()

    def begin(self, world: Lockstep) -> None:
        """Time begins."""
        self.port.begin(world)
        self._connect()
        for name in self.spec.run:
            self.system.later(self.system.start, self.system.modules[name].classes[0])

    def loop(self) -> None:
        """Go on."""
        port, system = self.port, self.system
        while True:
            port.take()
            if port.settle():
                continue
            self._typed()
            if self.remote is not None:
                self.remote.look()
            if not system.step() and (self.remote is None or not self.remote.pending):
                port.idle(system.timers.next())

    def _connect(self) -> None:
        """What the cell is connected to: a frame buffer, the user interface, partners for sockets."""
        shared = self.port.connections.shared if self.port.boot else {}
        memory = shared.get(FRAME_BUFFER) or next(iter(shared.values()), None)
        if memory is not None and not memory.readonly:
            self.system.screen = Screen(memory)
        mail = self.port.mail
        if PEER in mail.boxes:
            self.remote = Remote(self.system, mail[PEER])
        self.system.peers = sorted(name for name in mail if name != PEER)

    def _typed(self) -> None:
        """Keys of the console are keys of the handset."""
        for key in self.port.typed()[:KEYS_AT_ONCE]:
            self.system.later(self.system.send_front, Code.KEY, key, 0)


def build(told: Mapping[str, Any], ram: Any, shared: CellMemory | None) -> Kernel:
    """The guest that a cell's order describes (cells/runtime.py)."""
    spec = BrewSpec(**told)
    return Kernel(spec, ram, take_files(spec.modules, ram), shared)
