"""/proc: what the kernel knows, as files that are made when they are opened.

    mount(vfs, kernel)

Formats: kernel documentation, "filesystems/proc.rst".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cells.personalities.arm.regions import REGION_LIMIT
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file_table import DESCRIPTORS
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.proc_process import TICKS, ProcessFiles
from cells.personalities.linux.process import PROCESS_LIMIT
from cells.personalities.linux.pseudo import Listed, Made, Pointer, fixed
from cells.personalities.linux.sys_time import BOOT
from cells.personalities.linux.vfs import Vfs

ARCHITECTURES = {
    "v5te": ("5TEJ", "swp half thumb fastmult edsp java"),
    "v6k": ("7", "half thumb fastmult vfp edsp java tls"),
}
ARCHITECTURES["v7a"] = ("7", "half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpd32")
DEVICES = b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"


class Root:
    """/proc itself."""

    def __init__(self, vfs: Vfs, kernel: Any) -> None:
        self.vfs, self.kernel = vfs, kernel
        contents = {
            b"meminfo": self.memory,
            b"uptime": self.uptime,
            b"cpuinfo": self.cpu,
            b"version": self.version,
            b"loadavg": self.load,
            b"stat": self.stat,
            b"filesystems": lambda: b"nodev\ttmpfs\nnodev\tproc\n",
            b"interrupts": self.interrupts,
            b"cmdline": lambda: b"\n",
            b"partitions": lambda: b"major minor  #blocks  name\n\n",
            b"swaps": lambda: b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
            b"modules": lambda: b"",
            b"vmstat": self.paging,
            b"devices": lambda: DEVICES,
        }
        self.entries: dict[bytes, Inode] = {name: Made(vfs, make) for name, make in contents.items()}
        self.entries[b"mounts"] = Pointer(vfs, lambda _: b"self/mounts")
        self.entries[b"thread-self"] = Pointer(vfs, lambda one: b"%d/task/%d" % (one.leader, one.pid) if one else b"")
        self.entries[b"self"] = Pointer(vfs, lambda process: b"%d" % process.leader if process else b"")
        self.directory = Listed(vfs, vfs.root, self._find, self._names)
        self.entries[b"sys"] = self._sys()
        self._known: dict[bytes, ProcessFiles] = {}

    def _sys(self) -> Directory:
        values: dict[bytes, dict[bytes, Callable[[], object]]] = {
            b"kernel": {
                b"pid_max": lambda: 32768,
                b"threads-max": lambda: PROCESS_LIMIT,
                b"ostype": lambda: "Linux",
                b"osrelease": lambda: self._release().decode(),
                b"version": lambda: "#1 Cellvisor",
                b"hostname": lambda: self.kernel.host_name,
                b"domainname": lambda: "(none)",
                b"ngroups_max": lambda: 65536,
                b"cap_last_cap": lambda: 40,
                b"randomize_va_space": lambda: 0,
            },
            b"vm": {b"overcommit_memory": lambda: 0, b"swappiness": lambda: 0, b"max_map_count": lambda: REGION_LIMIT},
            b"fs": {
                b"file-max": lambda: self.vfs.open_files.limit,
                b"file-nr": lambda: f"{self.vfs.open_files.now}\t0\t{self.vfs.open_files.limit}",
                b"nr_open": lambda: DESCRIPTORS,
                b"pipe-max-size": lambda: 1 << 20,
            },
        }
        made: dict[bytes, Inode] = {name: fixed(self.vfs, None, self._lines(group)) for name, group in values.items()}
        return fixed(self.vfs, self.directory, made)

    def _lines(self, values: dict[bytes, Callable[[], object]]) -> dict[bytes, Inode]:
        """Files of one line each."""
        return {name: Made(self.vfs, partial(_line, value)) for name, value in values.items()}

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
        """Seconds since the start, and those of them in which nobody ran."""
        spent, total = self._spent()
        return b"%.2f %.2f\n" % (self._seconds(), max(total - spent, 0) / TICKS)

    def _spent(self) -> tuple[int, int]:
        """Ticks in which processes ran, and all. Those of the dead are in their parents."""
        cycles = sum(one.cycles_user + one.cycles_children for one in self.kernel.processes)
        hz = self.kernel.hz
        return cycles * TICKS // hz, self.kernel.now() * TICKS // hz

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
        spent, total = self._spent()
        cpu = f"{spent} 0 0 {max(total - spent, 0)} 0 0 0 0 0 0\n"
        running = sum(process.state == "R" for process in self.kernel.processes)
        made = self.kernel.processes.made
        return (
            f"cpu  {cpu}cpu0 {cpu}intr 0\nctxt {self.kernel.switches}\nbtime {BOOT}\nprocesses {made}\n"
            f"procs_running {running}\nprocs_blocked 0\nsoftirq 0\n"
        ).encode()

    def interrupts(self) -> bytes:
        """The cell has none of its own: what comes from outside comes as events."""
        return b"           CPU0       \nErr:          0\n"

    def paging(self) -> bytes:
        """Frames, and pages that were made."""
        kernel = self.kernel
        return b"nr_free_pages %d\npgfault %d\n" % (kernel.frames.free, sum(one.faults for one in kernel.processes))


def _line(value: Callable[[], object]) -> bytes:
    return f"{value()}\n".encode()


def mount(vfs: Vfs, kernel: Any) -> None:
    """Put it into the tree."""
    place = vfs.root.find(b"proc")
    if place is not None and place in vfs.root.entries.values():
        vfs.root.remove(b"proc")
    vfs.root.entries[b"proc"] = Root(vfs, kernel).directory
    vfs.root.links += 1
