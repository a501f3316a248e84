"""/proc/PID: what the kernel knows of one process. Formats: kernel documentation, "filesystems/proc.rst"."""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import Errno
from cells.personalities.arm.regions import EXECUTE, READ, WRITE
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import File
from cells.personalities.linux.inode import Inode, Volume
from cells.personalities.linux.pseudo import Listed, Made, Pointer, fixed
from cells.personalities.linux.pty import terminal_of
from cells.personalities.linux.sys_system import INFINITY, limit
from cells.personalities.linux.vfs import Vfs

PAGE = 4096
TICKS = 100
"""USER_HZ: /proc counts in hundredths of a second."""
VECTORS = b"ffff0000-ffff1000 r-xp 00000000 00:00 0          [vectors]\n"
"""The page of helpers, which every space has."""
MOUNTS = b"tmpfs / tmpfs rw 0 0\nproc /proc proc rw 0 0\n"
MOUNT_TABLE = b"1 0 0:1 / / rw - tmpfs tmpfs rw\n2 1 0:2 / /proc rw - proc proc rw\n"
READ_ONLY = b"ro,nosuid,nodev,relatime"
"""How a view of a directory of the host is mounted (served.py)."""
LIMIT_NAMES = (
    ("cpu time", "seconds"),
    ("file size", "bytes"),
    ("data size", "bytes"),
    ("stack size", "bytes"),
    ("core file size", "bytes"),
    ("resident set", "bytes"),
    ("processes", "processes"),
    ("open files", "files"),
    ("locked memory", "bytes"),
    ("address space", "bytes"),
    ("file locks", "locks"),
    ("pending signals", "signals"),
    ("msgqueue size", "bytes"),
    ("nice priority", ""),
    ("realtime priority", ""),
    ("realtime timeout", "us"),
)
"""By RLIMIT_*."""
STATES = {"R": "running", "S": "sleeping", "T": "stopped", "Z": "zombie", "X": "dead"}


def _mount(volume: Volume) -> bytes:
    return b"host %s fuse.host %s 0 0\n" % (volume.place, READ_ONLY)


def _mounted(volume: Volume) -> bytes:
    number = volume.device + 1
    return b"%d 1 0:%d / %s %s - fuse.host host ro\n" % (number, volume.device, volume.place, READ_ONLY)


class ProcessFiles:
    """/proc/PID."""

    def __init__(self, vfs: Vfs, kernel: Any, parent: Directory, process: Any) -> None:
        self.vfs, self.kernel, self.process = vfs, kernel, process
        self._old = kernel.spec.architecture.startswith("v5")
        """A CPU that executes what it can read: Linux tells the right that programs have (READ_IMPLIES_EXEC)."""
        contents = {
            b"stat": self.stat,
            b"statm": self.statm,
            b"status": self.status,
            b"cmdline": self.command_line,
            b"comm": lambda: process.name.encode() + b"\n",
            b"maps": self.maps,
            b"environ": lambda: self._texts(1),
            b"wchan": lambda: b"0",
            b"oom_score": lambda: b"0\n",
            b"oom_score_adj": lambda: b"0\n",
            b"cgroup": lambda: b"",
            b"limits": self.limits,
            b"mounts": lambda: MOUNTS + b"".join(map(_mount, vfs.volumes)),
            b"mountinfo": lambda: MOUNT_TABLE + b"".join(map(_mounted, vfs.volumes)),
        }
        entries: dict[bytes, Inode] = {name: Made(vfs, make) for name, make in contents.items()}
        entries[b"exe"] = Pointer(vfs, lambda _: process.executable.encode(), self._executable)
        entries[b"cwd"] = Pointer(vfs, lambda _: vfs.path_of(process.directory), lambda _: process.directory)
        entries[b"root"] = Pointer(vfs, lambda _: vfs.path_of(process.root), lambda _: process.root)
        entries[b"fd"] = self.descriptors = Listed(vfs, None, self._descriptor, self._descriptors)
        entries[b"fdinfo"] = Listed(vfs, None, self._told, self._descriptors)
        if process.pid == process.leader:
            entries[b"task"] = Listed(vfs, None, self._thread, self._threads)
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

    def _told(self, name: bytes) -> Inode | None:
        """What is known of a descriptor."""
        file = self.process.files.files.get(int(name)) if name.isdigit() and len(name) < 6 else None
        if file is None:
            return None
        return Made(self.vfs, lambda: b"pos:\t%d\nflags:\t0%o\nmnt_id:\t1\n" % (file.offset, file.flags))

    def _threads(self) -> list[bytes]:
        return [b"%d" % thread.pid for thread in self.kernel.processes.threads(self.process.leader)]

    def _thread(self, name: bytes) -> Inode | None:
        if name not in self._threads():
            return None
        thread = self.kernel.processes.get(int(name))
        parent = self.directory.find(b"task")
        assert isinstance(parent, Directory)
        if thread is self.process:
            return self.directory
        return ProcessFiles(self.vfs, self.kernel, parent, thread).directory

    # ---- contents

    def limits(self) -> bytes:
        """Soft and hard limits."""
        lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"]
        for number, (name, unit) in enumerate(LIMIT_NAMES):
            told = ["unlimited" if word == INFINITY else str(word) for word in limit(self.process, number)]
            lines.append(f"{'Max ' + name:<25} {told[0]:<20} {told[1]:<20} {unit:<10}\n")
        return "".join(lines).encode()

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
        of = terminal_of(self.kernel, one.session)
        terminal, foreground = (of.inode.device, of.foreground) if of is not None and of.inode is not None else (0, -1)
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
        code, data, _ = self._kinds()
        return b"%d %d 0 %d 0 %d 0\n" % (size // PAGE, resident, code // PAGE, data // PAGE)

    def _kinds(self) -> tuple[int, int, int]:
        """Bytes of code, of data and of the stack."""
        code = data = stack = 0
        for region in getattr(self.process.space, "regions", ()):
            size = region.end - region.start
            code += size if region.inode is not None and not region.rights & WRITE and region.rights & EXECUTE else 0
            data += size if region.rights & WRITE and not region.shared else 0
            stack += size if region.name == "[stack]" else 0
        return code, data, stack

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
            "Groups": "".join(f"{group} " for group in one.groups),
            "VmSize": f"{size // 1024:8d} kB",
            "VmRSS": f"{resident * PAGE // 1024:8d} kB",
            **{
                name: f"{part // 1024:8d} kB"
                for name, part in zip(("VmExe", "VmData", "VmStk"), self._kinds(), strict=True)
            },
            "Threads": sum(other.leader == one.leader for other in self.kernel.processes),
            **self._signals(),
            "Cpus_allowed": "1",
            "Cpus_allowed_list": "0",
        }
        return "".join(f"{name}:\t{value}\n" for name, value in lines.items()).encode()

    def _signals(self) -> dict[str, str]:
        """Masks: what waits, what is blocked, ignored, caught."""
        signals = self.process.signals
        actions = signals.actions.items()
        ignored = sum(1 << number - 1 for number, action in actions if action.handler == 1)
        caught = sum(1 << number - 1 for number, action in actions if action.handler > 1)
        masks = {"SigPnd": signals.mask_of_pending(), "SigBlk": signals.blocked, "SigIgn": ignored, "SigCgt": caught}
        return {name: f"{mask:016x}" for name, mask in masks.items()}

    def command_line(self) -> bytes:
        """The arguments, a zero behind each, as they are in its memory now."""
        return self._texts(0)

    def _texts(self, which: int) -> bytes:
        """Arguments (0) or environment (1)."""
        start, end = self.process.texts[which : which + 2]
        try:
            return bytes(self.process.space.read(start, end - start))
        except Errno:  # it has ended, or has unmapped them
            return b""

    def maps(self) -> bytes:
        """One line a region."""
        regions = getattr(self.process.space, "regions", ())
        return b"".join(map(self._region, regions)) + (VECTORS if regions else b"")

    def _region(self, region: Any) -> bytes:
        rights = region.rights | (EXECUTE if region.rights & READ and self._old else 0)
        letters = "".join(letter if rights & 1 << i else "-" for i, letter in enumerate("rwx"))
        inode = region.inode.inode_number if region.inode is not None else 0
        offset = region.offset if inode else 0
        kind = "s" if region.shared else "p"
        device = "00:01" if inode else "00:00"
        line = f"{region.start:08x}-{region.end:08x} {letters}{kind} {offset:08x} {device} {inode}"
        name = region.name or (self.process.executable if inode else "")
        return (f"{line:<49}{name}".rstrip() + "\n").encode()
