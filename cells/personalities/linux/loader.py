"""Exec: a new address space from a program file, its stack with arguments, environment and auxiliary vector.

    program = load(kernel, find, path, arguments, environment)     # raises Errno; nothing of the caller has changed
    program.space, program.pc, program.sp

Theory (System V ABI; Linux fs/binfmt_elf.c for what the auxiliary vector says): a program starts with its stack pointer at
argc, then the pointers of argv and envp with their zeroes, then pairs of the auxiliary vector; the texts lie above. A file that
begins with #! names its interpreter, which gets the file's path as an argument.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from cells.personalities.arm.errno import E2BIG, EACCES, EIO, ELIBBAD, ELOOP, ENOEXEC, ENOMEM, Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.regions import EXECUTE, MAPPINGS, READ, USER_END, WRITE
from cells.personalities.arm.space import Space
from cells.personalities.linux import elf
from hypervisor.abi.pv import PAGE

if TYPE_CHECKING:
    from cells.personalities.linux.kernel import Kernel

TEXTS_LIMIT = 128 << 10
"""Bytes of arguments and environment (Linux: a quarter of the stack's limit, at least this)."""
STACK_AT_FIRST = 128 << 10
SET_USER, SET_GROUP, GROUP_EXECUTES = 0o4000, 0o2000, 0o010
SCRIPT_LIMIT, SCRIPTS = 256, 4
"""Bytes of the line behind #!, and how many scripts one may go through (as BINPRM_BUF_SIZE and search_binary_handler)."""
POSITION_INDEPENDENT = 0x0040_0000
"""Where a program lies that may lie anywhere; assumed, low so that its heap has room below `MAPPINGS`."""
STACK_TOP = USER_END - PAGE

NULL, PHDR, PHENT, PHNUM, PAGESZ, BASE, FLAGS, ENTRY = 0, 3, 4, 5, 6, 7, 8, 9
UID, EUID, GID, EGID, PLATFORM, HWCAP, CLKTCK, SECURE, RANDOM, HWCAP2, EXECFN = (
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    23,
    25,
    26,
    31,
)
SWP, HALF, THUMB, FAST_MULTIPLY, EDSP, TLS = 1, 2, 4, 16, 128, 1 << 15
"""Bits of HWCAP. No VFP: programs of the armel ABI do without."""
HARDWARE = {"v5": SWP | HALF | THUMB | FAST_MULTIPLY | EDSP, "v6": SWP | HALF | THUMB | FAST_MULTIPLY | EDSP | TLS}
HARDWARE["v7"] = HARDWARE["v6"]
TICKS = 100

Find = Callable[[bytes], Any]
"""A path -> its inode; raises Errno."""


class Who(NamedTuple):
    """Whose program it is: user and group, and those whose rights it has (`effective`, `group`)."""

    user: int = 0
    effective: int = 0
    team: int = 0
    group: int = 0

    def of(self, inode: Any) -> Who:
        """As a program's file says that has its owner's rights, or its group's."""
        effective = inode.user if inode.mode & SET_USER else self.effective
        group = inode.team if inode.mode & SET_GROUP and inode.mode & GROUP_EXECUTES else self.group
        return self._replace(effective=effective, group=group)


class Program(NamedTuple):
    """Ready to run."""

    space: Space
    pc: int
    sp: int
    path: bytes
    """As exec was asked for it."""
    file: bytes
    """The path of the program itself: a script's interpreter."""
    arguments: tuple[bytes, ...]
    who: Who
    texts: tuple[int, int, int]
    """Where its arguments begin, where they end and the environment begins, and where that ends."""


def load(
    kernel: Kernel,
    find: Find,
    path: bytes,
    arguments: Sequence[bytes],
    environment: Sequence[bytes],
    who: Who = Who(),  # noqa: B008  nothing can change it
) -> Program:
    """A program in a space of its own.

    Raises:
        Errno: the file is not there, cannot be executed, is no program; or there is no room. `elf.Late`: it is found out when
        Linux has no program any more that it could tell.
    """
    given = path
    for _ in range(SCRIPTS + 1):
        inode = find(path)
        if inode.mode & 0o170000 != 0o100000 or not inode.mode & 0o111:
            raise Errno(EACCES)
        line = inode.read(0, SCRIPT_LIMIT)
        if line[:2] != b"#!":
            break
        interpreter = _script(line)
        arguments = [*interpreter, path, *arguments[1:]]
        path = interpreter[0]
    else:
        raise Errno(ELOOP)
    if sum(map(len, (*arguments, *environment))) + 5 * (len(arguments) + len(environment)) > TEXTS_LIMIT:
        raise Errno(E2BIG)
    try:
        return _build(kernel, find, inode, given, arguments, environment, who.of(inode))._replace(file=path)
    except OutOfMemory as error:
        raise Errno(ENOMEM) from error


def _script(line: bytes) -> list[bytes]:
    """The interpreter of a script, and at most one argument."""
    words = line[2:].split(b"\n", 1)[0].strip().split(None, 1)
    if not words:
        raise Errno(ENOEXEC)
    return [words[0], *(word.strip() for word in words[1:])]


def _build(
    kernel: Kernel,
    find: Find,
    inode: Any,
    path: bytes,
    arguments: Sequence[bytes],
    environment: Sequence[bytes],
    who: Who,
) -> Program:
    image = elf.parse(inode.read)
    helper = None if image.interpreter is None else _interpreter(find, image.interpreter)
    for shape in (image, *(helper or ())[:1]):
        shape.check()
    space = Space(kernel.memory)
    try:
        image = image.moved(POSITION_INDEPENDENT) if image.moves else image
        _map(space, image, inode, "")
        space.brk_start = space.brk_end = min(image.end + PAGE - 1 & -PAGE, MAPPINGS)
        entry, base = image.entry, 0
        if helper:
            shape, file = helper
            base = MAPPINGS if shape.moves else 0
            shape = shape.moved(base) if shape.moves else shape
            _map(space, shape, file, kernel.vfs.real_path(None, image.interpreter or b"").decode(errors="replace"))
            entry = shape.entry
        sp, texts = _stack(kernel, space, image, base, path, arguments, environment, who)
    except BaseException as error:
        space.destroy()
        if type(error) is Errno:
            raise elf.Late from error
        raise
    return Program(space, entry, sp, path, path, tuple(arguments), who, texts)


def _interpreter(find: Find, path: bytes) -> tuple[elf.Image, Any]:
    inode = find(path)
    if inode.mode & 0o170000 != 0o100000 or not inode.mode & 0o111:
        raise Errno(EACCES)
    if inode.size < elf.HEADER.size:
        raise Errno(EIO)
    try:
        return elf.parse(inode.read), inode
    except Errno as error:
        raise Errno(ELIBBAD) from error


def _map(space: Space, image: elf.Image, inode: Any, name: str) -> None:
    """The segments: pages of the file, then zeroes. `name`: of the file, if it is not the program itself."""
    for part in image.segments:
        start = part.address & -PAGE
        file_end = part.address + part.file_size
        middle, end = file_end + PAGE - 1 & -PAGE, part.address + part.size + PAGE - 1 & -PAGE
        if not part.file_size:
            middle = start
        if middle > start:
            space.map(start, middle, part.rights, inode=inode, offset=part.offset & -PAGE, name=name)
        if end > middle:
            space.map(middle, end, part.rights)
        if middle > start and part.size > part.file_size and part.rights & WRITE:
            with suppress(Errno):  # the file ends before: whoever touches that page gets SIGBUS
                space.write(file_end, bytes(middle - file_end))


def _stack(
    kernel: Kernel,
    space: Space,
    image: elf.Image,
    base: int,
    path: bytes,
    arguments: Sequence[bytes],
    environment: Sequence[bytes],
    who: Who,
) -> tuple[int, tuple[int, int, int]]:
    """Write it; where it begins, and where the texts lie (`Program.texts`)."""
    rights = READ | WRITE | (EXECUTE if image.executable_stack else 0)
    space.map(STACK_TOP - STACK_AT_FIRST - TEXTS_LIMIT, STACK_TOP, rights, grows=True, name="[stack]")
    architecture = kernel.spec.architecture[:2]
    texts = [text + b"\0" for text in (*arguments, *environment, architecture.encode() + b"l", path)]
    content = b"".join(texts)
    at = STACK_TOP - 4 - len(content)
    places = list(accumulate(map(len, texts), initial=at))
    random_at = (at & -16) - 16
    space.write(at, content)
    space.write(random_at, kernel.random(16))
    auxiliary = {
        HWCAP: HARDWARE.get(architecture, HARDWARE["v7"]), PAGESZ: PAGE, CLKTCK: TICKS, PHDR: image.headers,
        PHENT: elf.SEGMENT.size, PHNUM: image.header_count, BASE: base, FLAGS: 0, ENTRY: image.entry,
        UID: who.user, EUID: who.effective, GID: who.team, EGID: who.group, SECURE: int(who[::2] != who[1::2]),
        RANDOM: random_at, HWCAP2: 0, EXECFN: places[-2], PLATFORM: places[-3], NULL: 0,
    }  # fmt: skip
    split = len(arguments)
    words = [split, *places[:split], 0, *places[split : split + len(environment)], 0]
    words += [word for pair in auxiliary.items() for word in pair]
    sp = random_at - 4 * len(words) & -16
    space.write(sp, struct.pack(f"<{len(words)}I", *words))
    return sp, (at, places[split], places[split + len(environment)])
