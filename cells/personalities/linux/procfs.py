"""/proc: what the kernel knows, as files that are made when they are opened.

    mount(vfs, kernel)

Formats: kernel documentation, "filesystems/proc.rst".
"""

from __future__ import annotations

from typing import Any

from cells.personalities.linux.directory import Directory
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.proc_process import MOUNTS, TICKS, ProcessFiles
from cells.personalities.linux.pseudo import Listed, Made, Pointer, fixed
from cells.personalities.linux.vfs import Vfs

ARCHITECTURES = {
    "v5te": ("5TEJ", "swp half thumb fastmult edsp java"),
    "v6k": ("7", "half thumb fastmult vfp edsp java tls"),
}
ARCHITECTURES["v7a"] = ("7", "half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpd32")


class Root:
    """/proc itself."""

    def __init__(self, vfs: Vfs, kernel: Any) -> None:
        self.vfs, self.kernel = vfs, kernel
        contents = {
            b"meminfo": self.memory,
            b"uptime": self.uptime,
            b"cpuinfo": self.cpu,
            b"mounts": lambda: MOUNTS,
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
