"""/proc: what the kernel knows, as files that are made when they are opened.

    mount(vfs, kernel)

Theory: a directory of it looks its names up in the kernel each time; its files have their content made at open, so that one
reader sees one moment. Formats: kernel documentation, "filesystems/proc.rst".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cells.personalities.linux.errno import EACCES, EPERM, Errno
from cells.personalities.linux.file import ACCESS, READ_ONLY, DirectoryFile, File, RegularFile
from cells.personalities.linux.inode import LINK, REGULAR, Directory, Inode, Link
from cells.personalities.linux.vfs import Vfs

PAGE = 4096
TICKS = 100
"""USER_HZ: /proc counts in hundredths of a second."""
STATES = {"R": "running", "S": "sleeping", "T": "stopped", "Z": "zombie", "X": "dead"}
ARCHITECTURES = {
    "v5te": ("5TEJ", "swp half thumb fastmult edsp java"),
    "v6k": ("7", "half thumb fastmult vfp edsp java tls"),
}
ARCHITECTURES["v7a"] = ("7", "half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpd32")


class Made(Inode):
    """A file whose content a function makes."""

    of_proc = True

    def __init__(self, tree: Any, make: Callable[[], bytes], mode: int = 0o444) -> None:
        super().__init__(tree, REGULAR | mode)
        self._make = make
        self.links = 1

    def open(self, process: Any, flags: int) -> File:
        """With its content of now.

        Raises:
            Errno: EACCES.
        """
        if flags & ACCESS != READ_ONLY:
            raise Errno(EACCES)
        return RegularFile(self, flags, self._make())


class Pointer(Link):
    """A link whose target a function tells; `inode`: what it leads to, which may have no name."""

    of_proc = True

    def __init__(
        self, tree: Any, where: Callable[[Any], bytes], inode: Callable[[Any], Inode | None] | None = None
    ) -> None:
        super().__init__(tree, b"")
        self.mode = LINK | 0o777
        self.links = 1
        self._where = where
        if inode is not None:
            self.inode = inode

    def target(self, process: Any = None) -> bytes:
        """Where it leads."""
        return self._where(process)


class Listed(Directory):
    """A directory whose names two functions tell. Nobody can give or take any."""

    of_proc = True

    def __init__(
        self,
        tree: Any,
        parent: Directory | None,
        find: Callable[[bytes], Inode | None],
        names: Callable[[], list[bytes]],
    ) -> None:
        super().__init__(tree, 0o555, parent)
        self.links = 2
        self._find, self._names = find, names

    def find(self, name: bytes) -> Inode | None:
        """What a name stands for."""
        return self._find(name)

    def names(self) -> list[tuple[bytes, Inode]]:
        """What is in it now."""
        found = [(name, self._find(name)) for name in self._names()]
        return [(name, inode) for name, inode in found if inode is not None]

    def add(self, name: bytes, inode: Inode) -> None:
        """Nobody gives names here."""
        raise Errno(EPERM)

    def open(self, process: Any, flags: int) -> File:
        """Its names are those of now."""
        return DirectoryFile(self, flags)


def fixed(tree: Any, parent: Directory | None, entries: dict[bytes, Inode]) -> Listed:
    """A directory with these names, always."""
    made = Listed(tree, parent, entries.get, lambda: list(entries))
    for inode in entries.values():
        if isinstance(inode, Directory):
            inode.parent = made
    return made


# ---- one process


class ProcessFiles:
    """/proc/PID."""

    def __init__(self, vfs: Vfs, kernel: Any, parent: Directory, process: Any) -> None:
        self.vfs, self.kernel, self.process = vfs, kernel, process
        contents = {
            b"stat": self.stat,
            b"statm": self.statm,
            b"status": self.status,
            b"cmdline": self.command_line,
            b"comm": lambda: process.name.encode() + b"\n",
            b"maps": self.maps,
            b"environ": lambda: b"",
        }
        entries: dict[bytes, Inode] = {name: Made(vfs, make) for name, make in contents.items()}
        entries[b"exe"] = Pointer(vfs, lambda _: process.executable.encode(), self._executable)
        entries[b"cwd"] = Pointer(vfs, lambda _: vfs.path_of(process.directory), lambda _: process.directory)
        entries[b"root"] = Pointer(vfs, lambda _: b"/")
        entries[b"fd"] = self.descriptors = Listed(vfs, None, self._descriptor, self._descriptors)
        self.directory = fixed(vfs, parent, entries)
        self.directory.parent = parent
        self._links: dict[bytes, tuple[File, Pointer]] = {}

    def _executable(self, _process: Any) -> Inode | None:
        try:
            return self.vfs.find(self.process.executable.encode())
        except Errno:
            return None

    def _descriptors(self) -> list[bytes]:
        return [b"%d" % number for number in sorted(self.process.files.files)]

    def _descriptor(self, name: bytes) -> Inode | None:
        file = self.process.files.files.get(int(name)) if name.isdigit() and len(name) < 6 else None
        if file is None:
            return None
        known = self._links.get(name)
        if known is None or known[0] is not file:
            pointer = Pointer(self.vfs, lambda _: file.name or b"anon_inode:", lambda _: file.inode)
            self._links[name] = known = (file, pointer)
        return known[1]

    # ---- contents

    def _pages(self) -> tuple[int, int]:
        """Bytes that it has mapped, and pages that are there."""
        space = self.process.space
        size = sum(region.end - region.start for region in getattr(space, "regions", ()))
        return size, len(getattr(space, "pages", ()))

    def _ticks(self, cycles: int) -> int:
        return int(cycles * TICKS // self.kernel.hz)

    def stat(self) -> bytes:
        """One line of numbers."""
        one = self.process
        size, resident = self._pages()
        console = self.kernel.console
        terminal, foreground = (5 << 8 | 1, console.foreground) if one.session == console.session else (0, -1)
        times = [self._ticks(value) for value in (one.cycles_user, one.cycles_system, one.cycles_children, 0)]
        threads = sum(other.leader == one.leader for other in self.kernel.processes)
        head = (
            one.parent.pid if one.parent else 0,
            one.group,
            one.session,
            terminal,
            foreground,
            0,
            one.faults,
            0,
            0,
            0,
        )
        rest = (20 + one.nice, one.nice, threads, 0, self._ticks(one.started), size, resident, 0xFFFFFFFF)
        numbers = (*head, *times, *rest, *[0] * 27)
        return f"{one.pid} ({one.name}) {one.state} {' '.join(map(str, numbers))}\n".encode()

    def statm(self) -> bytes:
        """Sizes in pages."""
        size, resident = self._pages()
        return b"%d %d 0 0 0 %d 0\n" % (size // PAGE, resident, size // PAGE)

    def status(self) -> bytes:
        """The same for people."""
        one = self.process
        size, resident = self._pages()
        lines = {
            "Name": one.name,
            "Umask": f"{one.umask:04o}",
            "State": f"{one.state} ({STATES.get(one.state, '')})",
            "Tgid": one.leader,
            "Pid": one.pid,
            "PPid": one.parent.pid if one.parent else 0,
            "TracerPid": 0,
            "Uid": "\t".join(map(str, [*one.user, one.user[1]])),
            "Gid": "\t".join(map(str, [*one.team, one.team[1]])),
            "FDSize": max(64, len(one.files.files)),
            "VmSize": f"{size // 1024:8d} kB",
            "VmRSS": f"{resident * PAGE // 1024:8d} kB",
            "Threads": sum(other.leader == one.leader for other in self.kernel.processes),
        }
        return "".join(f"{name}:\t{value}\n" for name, value in lines.items()).encode()

    def command_line(self) -> bytes:
        """The arguments, a zero behind each."""
        return b"" if self.process.state == "Z" else b"".join(word + b"\0" for word in self.process.arguments)

    def maps(self) -> bytes:
        """One line a region."""
        return b"".join(self._region(region) for region in getattr(self.process.space, "regions", ()))

    def _region(self, region: Any) -> bytes:
        letters = "".join(letter if region.rights & 1 << i else "-" for i, letter in enumerate("rwx"))
        inode = region.inode.inode_number if region.inode is not None else 0
        offset = region.offset if inode else 0
        kind = "s" if region.shared else "p"
        device = "00:01" if inode else "00:00"
        line = f"{region.start:08x}-{region.end:08x} {letters}{kind} {offset:08x} {device} {inode}"
        name = region.name or (self.process.executable if inode else "")
        return (f"{line:<49}{name}".rstrip() + "\n").encode()


# ---- all


class Root:
    """/proc itself."""

    def __init__(self, vfs: Vfs, kernel: Any) -> None:
        self.vfs, self.kernel = vfs, kernel
        contents = {
            b"meminfo": self.memory,
            b"uptime": self.uptime,
            b"cpuinfo": self.cpu,
            b"mounts": lambda: b"tmpfs / tmpfs rw 0 0\nproc /proc proc rw 0 0\n",
            b"version": self.version,
            b"loadavg": self.load,
            b"stat": self.stat,
            b"filesystems": lambda: b"nodev\ttmpfs\nnodev\tproc\n",
            b"devices": lambda: b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n\nBlock devices:\n",
        }
        self.entries: dict[bytes, Inode] = {name: Made(vfs, make) for name, make in contents.items()}
        self.entries[b"self"] = Pointer(vfs, lambda process: b"%d" % process.leader if process else b"")
        self.directory = Listed(vfs, vfs.root, self._find, self._names)
        self.entries[b"sys"] = self._sys()
        self._known: dict[bytes, ProcessFiles] = {}

    def _sys(self) -> Directory:
        values = {
            b"pid_max": b"32768\n",
            b"ostype": b"Linux\n",
            b"osrelease": self._release() + b"\n",
            b"ngroups_max": b"65536\n",
        }
        files: dict[bytes, Inode] = {name: Made(self.vfs, lambda value=value: value) for name, value in values.items()}  # type: ignore[misc]
        overcommit: dict[bytes, Inode] = {b"overcommit_memory": Made(self.vfs, lambda: b"0\n")}
        made = {b"kernel": fixed(self.vfs, None, files), b"vm": fixed(self.vfs, None, overcommit)}
        return fixed(self.vfs, self.directory, dict(made))

    def _release(self) -> bytes:
        return str(getattr(self.kernel, "release", "6.1.0")).encode()

    def _find(self, name: bytes) -> Inode | None:
        if name in self.entries:
            return self.entries[name]
        process = self.kernel.processes.get(int(name)) if name.isdigit() and len(name) < 9 else None
        if process is None:
            self._known.pop(name, None)
            return None
        known = self._known.get(name)
        if known is None or known.process is not process:
            known = self._known[name] = ProcessFiles(self.vfs, self.kernel, self.directory, process)
        return known.directory

    def _names(self) -> list[bytes]:
        running = [b"%d" % process.pid for process in self.kernel.processes if process.pid == process.leader]
        self._known = {name: files for name, files in self._known.items() if name in set(running)}
        return [*self.entries, *running]

    # ---- contents

    def memory(self) -> bytes:
        """RAM in kilobytes."""
        frames = self.kernel.frames
        total, free = frames.total * 4, frames.free * 4
        table = {"MemTotal": total, "MemFree": free, "MemAvailable": free, "Buffers": 0, "Cached": 0, "Shmem": 0}
        table |= {"SReclaimable": 0, "SwapTotal": 0, "SwapFree": 0}
        return "".join(f"{name + ':':<15} {value:8d} kB\n" for name, value in table.items()).encode()

    def _seconds(self) -> float:
        return float(self.kernel.now() * 100 // self.kernel.hz) / 100

    def uptime(self) -> bytes:
        """Seconds since the start; nobody counts the idle ones."""
        return b"%.2f 0.00\n" % self._seconds()

    def cpu(self) -> bytes:
        """The board's CPU."""
        spec = self.kernel.spec
        number, features = ARCHITECTURES.get(spec.architecture, ("5TE", "swp half thumb fastmult edsp"))
        lines = {"processor": 0, "model name": f"ARM {spec.unicorn_model}", "BogoMIPS": f"{spec.hz / 1e6:.2f}"}
        lines |= {"Features": features, "CPU architecture": number}
        text = "".join(f"{name}\t: {value}\n" for name, value in lines.items())
        return f"{text}\nHardware\t: Cellvisor\n".encode()

    def version(self) -> bytes:
        """What this is."""
        return b"Linux version " + self._release() + b" (Cellvisor's Linux-like personality)\n"

    def load(self) -> bytes:
        """Nobody averages: those that can run now."""
        processes = list(self.kernel.processes)
        running = sum(process.state == "R" for process in processes)
        last = max((process.pid for process in processes), default=0)
        return b"0.00 0.00 0.00 %d/%d %d\n" % (running, len(processes), last)

    def stat(self) -> bytes:
        """The CPU's time in ticks."""
        spent = sum(process.cycles_user for process in self.kernel.processes) * TICKS // self.kernel.hz
        total = self.kernel.now() * TICKS // self.kernel.hz
        idle = max(total - spent, 0)
        cpu = b"%d 0 0 %d 0 0 0 0 0 0\n" % (spent, idle)
        return b"cpu  " + cpu + b"cpu0 " + cpu + b"btime 0\nprocesses %d\n" % len(self.kernel.processes)


def mount(vfs: Vfs, kernel: Any) -> None:
    """Put it into the tree."""
    place = vfs.root.find(b"proc")
    if place is not None and place in vfs.root.entries.values():
        vfs.root.remove(b"proc")
    vfs.root.entries[b"proc"] = Root(vfs, kernel).directory
    vfs.root.links += 1
