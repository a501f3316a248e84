"""A process of the Linux-like personality without a CPU: its space is a bytearray, its kernel a few counters.

process = fake_process()
process.space.put(0x100, b"/tmp/a\0")
assert invoke(process, "open", 0x100, 0o102, 0o644) == 0
"""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

from cells.personalities.arm.errno import EFAULT, ENAMETOOLONG, Errno
from cells.personalities.arm.frames import Frames
from cells.personalities.arm.wait import Wait
from cells.personalities.linux import table
from cells.personalities.linux.attached import Attached
from cells.personalities.linux.devices import make_devices
from cells.personalities.linux.file_table import FileTable
from cells.personalities.linux.procfs import mount
from cells.personalities.linux.tty import Terminal
from cells.personalities.linux.vfs import Vfs

HZ = 1_000_000
SPACE, PAGE = 1 << 18, 4096
TEXTS = SPACE - 256
"""Where arguments and environment lie."""
NUMBERS = {row.name: row.number for row in table.load().values()}


class FakeSpace:
    """Memory from 0 to 256 KiB."""

    def __init__(self) -> None:
        self.memory = bytearray(SPACE)

    def read(self, address: int, size: int) -> bytes:
        """Bytes; EFAULT outside."""
        if address + size > SPACE:
            raise Errno(EFAULT)
        return bytes(self.memory[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        """Change bytes; EFAULT outside."""
        if address + len(data) > SPACE:
            raise Errno(EFAULT)
        self.memory[address : address + len(data)] = data

    put = write

    def read_some(self, address: int, size: int) -> bytes:
        """Bytes; EFAULT outside."""
        return self.read(address, size)

    def write_some(self, address: int, data: bytes) -> int:
        """Change bytes; EFAULT outside."""
        self.write(address, data)
        return len(data)

    def cstring(self, address: int, limit: int = PAGE) -> bytes:
        """Up to a zero."""
        text = self.read(address, min(limit, max(SPACE - address, 1)))
        if b"\0" not in text:
            raise Errno(ENAMETOOLONG)
        return text.split(b"\0")[0]


class FakeSignals:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.ignored: set[int] = set()
        self.blocked = 0
        self.masks: list[int | None] = []

    def send(self, _process: Any, number: int, _info: Any = None) -> None:
        """It is on its way."""
        self.sent.append(number)

    actions: dict[int, Any] = {}  # noqa: RUF012

    def mask_of_pending(self) -> int:
        """None."""
        return 0

    def ignores(self, number: int) -> bool:
        """As SIG_IGN."""
        return number in self.ignored

    def suspend(self, _process: Any, mask: int) -> None:
        """Of ppoll."""
        self.masks.append(mask)

    def resume(self, _process: Any) -> None:
        """Of ppoll."""
        self.masks.append(None)


class FakeProcesses(dict[int, Any]):
    """By pid."""

    made = 1

    def __iter__(self) -> Any:
        return iter(list(self.values()))

    def threads(self, leader: int) -> list[Any]:
        """Members of a process."""
        return [process for process in self.values() if process.leader == leader]

    def group(self, number: int) -> list[Any]:
        """Members of a group."""
        return [process for process in self.values() if process.group == number]


def fake_kernel(pages: int = 64) -> Any:
    """A kernel with a tree, a console and so many pages; `time` is its clock, `printed` its console."""
    kernel = SimpleNamespace(
        switches=0,
        host_name="test",
        crowded=False,
        current=None,
        copied=int,
        time=0,
        hz=HZ,
        printed=bytearray(),
        processes=FakeProcesses(),
    )
    kernel.spec = SimpleNamespace(
        architecture="v5te", unicorn_model="926", hz=HZ, name="test", boot={}, pipes=(), views=()
    )
    kernel.attached = Attached(kernel)
    kernel.now = lambda: kernel.time
    kernel.output = kernel.printed.extend
    kernel.random = lambda size: bytes(i * 37 & 0xFF for i in range(size))
    kernel.frames = Frames(bytearray(pages * PAGE), 0, 0, pages * PAGE)
    kernel.vfs = Vfs(kernel.frames, lambda: kernel.time * 1000)
    kernel.console = Terminal(kernel)
    make_devices(kernel.vfs, kernel)
    mount(kernel.vfs, kernel)
    return kernel


def fake_process(kernel: Any = None, pid: int = 1, group: int = 1, session: int = 1) -> Any:
    """A process with nothing open."""
    kernel = kernel or fake_kernel()
    process = SimpleNamespace(
        kernel=kernel, pid=pid, leader=pid, group=group, session=session, parent=None, name="test"
    )
    process.space, process.signals, process.files = FakeSpace(), FakeSignals(), FileTable()
    process.directory = process.root = kernel.vfs.root
    process.umask, process.user, process.team, process.nice, process.terminal = 0o022, [0] * 3, [0] * 3, 0, None
    process.executable, process.texts, process.state = "/bin/test", (TEXTS, TEXTS + 8, TEXTS + 16), "R"
    process.space.put(TEXTS, b"test\0-x\0A=1\0B=2\0")
    process.groups, process.limits, process.timers, process.sequence = (), {}, {}, (0, 0)
    process.cycles_user = process.cycles_system = process.cycles_children = process.started = process.faults = 0
    kernel.processes[pid] = process
    return process


def invoke(process: Any, name: str, *arguments: int) -> Any:
    """Make a system call: its result, minus an errno, or the generator of one that sleeps."""
    function = table.CALLS[NUMBERS[name]].function
    assert function is not None
    words = [word & 0xFFFFFFFF for word in (*arguments, *[0] * (6 - len(arguments)))]
    try:
        return function(process, *words)
    except Errno as error:
        return -error.code


def begin(process: Any, name: str, *arguments: int) -> tuple[Generator[Wait, None, int], Wait]:
    """A call that must sleep: its generator, and what it waits for first."""
    sleeping = invoke(process, name, *arguments)
    assert not isinstance(sleeping, int), f"{name} returned {sleeping}"
    return sleeping, next(sleeping)


def go_on(sleeping: Generator[Wait, None, int]) -> int | None:
    """It was woken: its result, None if it sleeps again, minus an errno."""
    try:
        next(sleeping)
    except StopIteration as done:
        return int(done.value)
    except Errno as error:
        return -error.code
    return None


def path(process: Any, text: bytes, at: int = 0x100) -> int:
    """Put a path into memory; where."""
    process.space.put(at, text + b"\0")
    return at
