"""System calls about memory: the heap's end, mappings and their rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EACCES, EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM, Errno
from cells.personalities.arm.regions import EXECUTE, READ, USER_END, USER_START, WRITE
from cells.personalities.linux.devices import Zero
from cells.personalities.linux.inode import Regular
from cells.personalities.linux.table import PARTIAL, call
from hypervisor.abi.pv import PAGE

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_TYPE = 1, 2, 3, 15
MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_FIXED_NOREPLACE = 0x10, 0x20, 0x100, 0x10_0000
MREMAP_MAYMOVE, MREMAP_FIXED = 1, 2
RIGHTS = READ | WRITE | EXECUTE
GROWS = 0x0300_0000
"""PROT_GROWSDOWN, PROT_GROWSUP."""
O_ACCMODE, O_RDONLY, O_WRONLY, O_RDWR = 3, 0, 1, 2
DONT_NEED = 4
ADVICE = frozenset({0, 1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21})


def _up(size: int) -> int:
    return size + PAGE - 1 & -PAGE


def _range(address: int, size: int, *, error: int = EINVAL) -> tuple[int, int]:
    """Start and end of a range of whole pages."""
    if address % PAGE:
        raise Errno(EINVAL)
    end = address + _up(size)
    if end > 1 << 32:
        raise Errno(error)
    return address, end


@call(45, "brk")
def sys_brk(process: Process, wanted: int, *_: int) -> int:
    """Move the heap's end."""
    return process.space.brk(wanted)


@call(192, "mmap2", PARTIAL, "MAP_LOCKED, MAP_POPULATE and huge pages make no difference")
def sys_mmap2(process: Process, address: int, size: int, rights: int, flags: int, descriptor: int, page: int) -> int:
    """Map memory or a file; `page` counts 4096 bytes."""
    length = _up(size)
    if not size or flags & MAP_TYPE not in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE):
        raise Errno(EINVAL)
    if length > USER_END - USER_START:
        raise Errno(ENOMEM)
    shared = flags & MAP_TYPE != MAP_PRIVATE
    inode, may = _backing(process, flags, rights, descriptor, length)
    if inode is None or flags & MAP_ANONYMOUS:
        page = 0
    start = _place(process, address, length, flags)
    name = (
        "" if inode is None or flags & MAP_ANONYMOUS else process.files.file(descriptor).name.decode(errors="replace")
    )
    process.space.map(
        start, start + length, rights & RIGHTS, shared=shared, inode=inode, offset=page * PAGE, may=may, name=name
    )
    return start


def _place(process: Process, address: int, length: int, flags: int) -> int:
    """Where it goes: as wished, if that can be."""
    space = process.space
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address % PAGE or not address >= USER_START or address + length > USER_END:
            raise Errno(EINVAL if address % PAGE else ENOMEM)
        if flags & MAP_FIXED_NOREPLACE and space.regions.overlapping(address, address + length):
            raise Errno(EEXIST)
        return address
    wish = _up(address)
    if wish >= USER_START and wish + length <= USER_END and not space.regions.overlapping(wish, wish + length):
        return wish
    return space.regions.room(length)


def _nameless(process: Process, size: int) -> Regular:
    """A file for memory that a process shares with its children."""
    inode = Regular(process.kernel.vfs, 0o600)
    inode.truncate(size)
    return inode


def _backing(process: Process, flags: int, rights: int, descriptor: int, size: int) -> tuple[Any, int]:
    """The inode of a mapping, and the rights that mprotect can give."""
    shared = flags & MAP_TYPE != MAP_PRIVATE
    if flags & MAP_ANONYMOUS:
        return (_nameless(process, size) if shared else None), RIGHTS
    file = process.files.file(descriptor)
    access = file.flags & O_ACCMODE
    if access == O_WRONLY or (shared and rights & WRITE and access != O_RDWR):
        raise Errno(EACCES)
    inode: Any = file.mapping or file.inode
    if file.mapping is not None:  # of a device: shared with others, and not for programs
        if rights & EXECUTE or (shared and rights & WRITE and not inode.writable):
            raise Errno(EACCES)
        return inode, READ | (WRITE if access == O_RDWR and inode.writable else 0)
    if isinstance(file, Zero) and not shared:
        return None, RIGHTS
    if not isinstance(inode, Regular):
        raise Errno(ENODEV)
    return inode, RIGHTS if not shared or access == O_RDWR else READ | EXECUTE


@call(91, "munmap")
def sys_munmap(process: Process, address: int, size: int, *_: int) -> int:
    """Nothing is there any more."""
    start, end = _range(address, size)
    if start == end or end > USER_END:
        raise Errno(EINVAL)
    process.space.unmap(start, end)
    return 0


@call(125, "mprotect", PARTIAL, "CPUs before ARMv6 execute what they can read")
def sys_mprotect(process: Process, address: int, size: int, rights: int, *_: int) -> int:
    """Change what may be done."""
    start, end = _range(address, size, error=ENOMEM)
    if rights & ~(RIGHTS | GROWS | 8):
        raise Errno(EINVAL)
    if start == end:
        return 0
    regions = process.space.regions.overlapping(start, end)
    if sum(min(end, region.end) - max(start, region.start) for region in regions) != end - start:
        raise Errno(ENOMEM)
    if not process.space.protect(start, end, rights & RIGHTS):
        raise Errno(EACCES)
    return 0


@call(163, "mremap", PARTIAL, "no MREMAP_DONTUNMAP")
def sys_mremap(process: Process, old: int, old_size: int, new_size: int, flags: int, new: int, *_: int) -> int:
    """Make a mapping larger or smaller, elsewhere if need be."""
    space = process.space
    start, end = _range(old, old_size)
    wanted = _up(new_size)
    if not wanted or flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) or (flags & MREMAP_FIXED and not flags & MREMAP_MAYMOVE):
        raise Errno(EINVAL)
    region = space.regions.at(start)
    if region is None or end > region.end:
        raise Errno(EFAULT)
    if not flags & MREMAP_FIXED:
        if wanted <= end - start:
            if start + wanted < end:
                space.unmap(start + wanted, end)
            return start
        if region.end == end and start + wanted <= USER_END and not space.regions.overlapping(end, start + wanted):
            space.map(
                end, start + wanted, region.rights, shared=region.shared, inode=region.inode,
                offset=region.offset + end - region.start if region.inode is not None else 0, may=region.may, name=region.name,
            )  # fmt: skip
            return start
        if not flags & MREMAP_MAYMOVE:
            raise Errno(ENOMEM)
        new = space.regions.room(wanted)
    elif new % PAGE or (new < end and start < new + wanted):
        raise Errno(EINVAL)
    space.move(start, end, new, wanted)
    return new


@call(144, "msync", PARTIAL, "files are in memory: nothing is to be done")
def sys_msync(process: Process, address: int, size: int, flags: int, *_: int) -> int:
    """What was written is in the file already."""
    start, end = _range(address, size, error=ENOMEM)
    if flags & ~7 or flags & 5 == 5:
        raise Errno(EINVAL)
    return _need_all(process, start, end)


def _need_all(process: Process, start: int, end: int) -> int:
    regions = process.space.regions.overlapping(start, end)
    if sum(min(end, region.end) - max(start, region.start) for region in regions) != end - start:
        raise Errno(ENOMEM)
    return 0


@call(220, "madvise", PARTIAL, "DONTNEED; other advice makes no difference")
def sys_madvise(process: Process, address: int, size: int, advice: int, *_: int) -> int:
    """DONTNEED: private pages are as new."""
    start, end = _range(address, size)
    if advice not in ADVICE:
        raise Errno(EINVAL)
    _need_all(process, start, end)
    if advice == DONT_NEED:
        process.space.discard(start, end)
    return 0


@call(219, "mincore", PARTIAL, "what a process has touched")
def sys_mincore(process: Process, address: int, size: int, vector: int, *_: int) -> int:
    """Which pages are there."""
    start, end = _range(address, size, error=ENOMEM)
    _need_all(process, start, end)
    pages = process.space.pages
    process.space.write(vector, bytes(number in pages for number in range(start // PAGE, end // PAGE)))
    return 0


def _locks(process: Process, address: int, size: int, *_: int) -> int:
    start = address & -PAGE
    return _need_all(process, start, _range(start, size + address - start, error=ENOMEM)[1])


call(150, "mlock", PARTIAL, "nothing is ever taken away")(_locks)
call(151, "munlock", PARTIAL, "as mlock")(_locks)


@call(152, "mlockall", PARTIAL, "as mlock")
def sys_mlockall(_process: Process, *_: int) -> int:
    """Nothing is ever taken away."""
    return 0


call(153, "munlockall", PARTIAL, "as mlock")(sys_mlockall)


@call(389, "membarrier", PARTIAL, "one CPU: nothing is to be done")
def sys_membarrier(_process: Process, command: int, *_: int) -> int:
    """0 asks which commands there are: none but asking."""
    if command:
        raise Errno(EINVAL)
    return 0
