"""What an unmodified kernel boots into to be measured: an initramfs of busybox, a first process, and the benchmark programs.

The first process mounts what programs expect, switches the kernel's habits off that would blur a count (fault-around by debugfs,
hidden symbols), runs `/bench/ready`, which executes the mark 0xB007, and then does what the console says, a line at a time. Each
line's end is told by `DONE`; nothing runs while it waits for a line but the kernel's own idle loop.

A mark is `svc 0` with r7 = 0xFEED, r0 = an id, r1 = iterations (0 at the begin): an engine that counts sees it, and a kernel does
not; without counting it is a system call that does not exist.

    archive = build(busybox, {"bin/lat": elf})
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from cells.personalities.linux.initramfs import MODE
from cells.personalities.linux.initramfs import entries as unpacked
from hypervisor.shell.guests.initramfs import CONSOLE, FOLDERS, Entry, character_device, folder, link, newc, program

BOOTED = 0xB007
"""Id of the mark "booted, ready"; nobody has written on the console since."""
READY = b"cellvisor: bench ready"
DONE = b"cellvisor: bench done, status "
SHARED = ("bin/dash", "lib/arm-linux-gnueabi/ld-linux.so.3", "lib/arm-linux-gnueabi/libc.so.6", "lib/ld-linux.so.3")
"""Of Debian's root, for programs that are not static."""
HOME = "bench"
"""Where the programs are, from the root; a line runs there."""

INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root TERM=vt100
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug && echo 4096 > /sys/kernel/debug/fault_around_bytes
echo 0 > /proc/sys/kernel/kptr_restrict
echo 0 > /proc/sys/kernel/printk
ifconfig lo 127.0.0.1 up
hostname cell
stty -echo
cd /{HOME}
echo "{READY.decode()}"
/{HOME}/ready
while read -r line; do
    (eval "$line")
    echo "{DONE.decode()}$?"
done
poweroff -f
while true; do sleep 86400; done
"""

_LOAD = 0x10000
_HEAD = struct.Struct("<4s5B7x2H5I6H")
_SEGMENT = struct.Struct("<8I")


def marker(number: int, iterations: int = 1) -> bytes:
    """A program that marks once and ends: a static ARM executable of a few words (ARM state, any architecture since v4)."""
    words = (
        0xE59F0018,  # ldr r0, [pc, #24]
        0xE59F1018,  # ldr r1, [pc, #24]
        0xE3A070ED,  # mov r7, #0xed
        0xE3877CFE,  # orr r7, r7, #0xfe00
        0xEF000000,  # svc 0
        0xE3A00000,  # mov r0, #0
        0xE3A07001,  # mov r7, #1: exit
        0xEF000000,  # svc 0
        number,
        iterations,
    )
    return executable(struct.pack("<10I", *words))


def executable(code: bytes) -> bytes:
    """A static ARM executable around code that begins with its entry and may write to nothing.

    Layout: the ELF specification, and ARM's supplement to it (IHI 0044): machine 40, EABI version 5.
    """
    offset = _HEAD.size + _SEGMENT.size
    size = offset + len(code)
    head = _HEAD.pack(
        b"\x7fELF", 1, 1, 1, 0, 0, 2, 40, 1, _LOAD + offset, _HEAD.size, 0, 0x05000000, _HEAD.size, 32, 1, 40, 0, 0
    )
    return head + _SEGMENT.pack(1, 0, _LOAD, _LOAD, size, size, 5, 0x1000) + code


def build(busybox: bytes, programs: Mapping[str, bytes], shared: Sequence[Entry] = ()) -> bytes:
    """The archive: `programs` by their path below /bench, and what they need beside them (`libraries`)."""
    executables = {f"{HOME}/{path}": content for path, content in {"ready": marker(BOOTED), **programs}.items()}
    paths = (*executables, *(entry.path for entry in shared))
    parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"."}
    entries = [folder(path) for path in sorted({*FOLDERS, *parents})]
    entries += [
        program("bin/busybox", busybox),
        link("bin/sh", "busybox"),
        character_device("dev/console", CONSOLE),
        program("init", INIT.encode()),
    ]
    entries += [program(path, content) for path, content in sorted(executables.items())]
    return newc([*entries, *shared])


def libraries(root: bytes) -> list[Entry]:
    """What dynamic programs need, out of the archive of a root (debian:armel): the loader, libc, a shell that is linked with it.

    Raises:
        KeyError: the root lacks one of them.
    """
    found = {entry.name.decode("latin-1").lstrip("/"): entry for entry in unpacked(root)}
    return [Entry(path, found[path].fields[MODE], bytes(found[path].content)) for path in SHARED]
