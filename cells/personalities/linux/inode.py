"""Files in memory: what a name stands for.

    folder.add(b"a", file := Regular(tree, 0o100644))
    file.write(0, b"hello")

Theory: an inode is a file, a directory, a link, a device; directories give them names. It lives as long as a name, an open
file or a mapping refers to it, which is a reference of Python here. The bytes of a regular file are pages of the cell's RAM,
the same ones that programs map. What came with the archive stays there until somebody writes or maps it: a page is made at
that moment, so that a root much larger than what its programs touch fits a small cell; and a page that nobody maps or has written
can be given back (`Regular.trim`), because the archive still has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from cells.personalities.arm.errno import EFBIG, ENOSPC, Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.linux.held import Held

PAGE = 4096
FILE_LIMIT = 1 << 31
"""A file of this personality is smaller than this, so that each offset fits each variant of each call."""
KIND, FIFO, CHARACTER, DIRECTORY, BLOCK, REGULAR, LINK, SOCKET = (
    0o170000,
    0o010000,
    0o020000,
    0o040000,
    0o060000,
    0o100000,
    0o120000,
    0o140000,
)


class Pages(Protocol):
    """Where the pages of files come from (`frames.Frames`)."""

    written: Callable[[int, int], object]
    total: int

    @property
    def free(self) -> int:
        """How many nobody uses."""
        ...

    def take(self) -> int:
        """A page."""
        ...

    def release(self, page: int) -> None:
        """Give it back."""
        ...

    def view(self, page: int) -> memoryview:
        """Its bytes."""
        ...

    def users(self, page: int) -> int:
        """How many hold it."""
        ...


class Tree(Protocol):
    """What inodes need of the tree that they are in (`vfs.Vfs`)."""

    frames: Pages
    named: int
    held: Held
    travelling: Held
    watches: Held

    def number(self) -> int:
        """A number for a new inode."""
        ...

    def now(self) -> int:
        """Virtual nanoseconds."""
        ...

    def cached(self, inode: Regular) -> None:
        """This file has pages now."""
        ...

    def room(self) -> int:
        """Pages that files may still take."""
        ...


class Volume:
    """A file system beside the tree's own. `device`: its st_dev; `read_only`: nobody may write to it; `place`: where it is."""

    device: int
    read_only: bool
    place: bytes


class Inode:
    """What all kinds have. Times are nanoseconds of virtual time."""

    volume: Volume | None = None
    """None: the tree's own file system."""
    place: tuple[Inode, bytes] | None = None
    """A directory that it is in, and its name there: the last that it was given."""
    watches: tuple[Any, ...] = ()
    """Who watches it (inotify.py)."""

    def __init__(self, tree: Tree, mode: int, device: int = 0) -> None:
        self.tree = tree
        self.inode_number = tree.number()
        self.mode, self.device = mode, device
        self.user = self.team = 0
        self.links = 0
        self.accessed = self.modified = self.changed = tree.now()
        self.data: Any = None
        """The ring of a FIFO, the socket behind a socket's name."""
        self.locks: Any = None
        """`locks.Locks`, once somebody has asked for one."""

    @property
    def kind(self) -> int:
        """Which kind of file it is."""
        return self.mode & KIND

    @property
    def size(self) -> int:
        """Bytes, as stat tells them."""
        return 0

    def touch(self) -> None:
        """Its content has changed now."""
        self.modified = self.changed = self.tree.now()


class Link(Inode):
    """A symbolic link."""

    def __init__(self, tree: Tree, target: bytes) -> None:
        super().__init__(tree, LINK | 0o777)
        self._target = b""
        tree.held.take(len(target), ENOSPC)
        self._target = target

    def __del__(self) -> None:
        self.tree.held.give(len(self._target))

    @property
    def size(self) -> int:
        """Bytes, as stat tells them."""
        return len(self._target)

    def target(self, _process: Any = None) -> bytes:
        """Where it leads. Links of /proc lead each process elsewhere."""
        return self._target


class Regular(Inode):
    """Bytes in pages. `content`: what it begins as."""

    def __init__(self, tree: Tree, mode: int, content: bytes | memoryview = b"") -> None:
        super().__init__(tree, REGULAR | mode & 0o7777)
        self._content = memoryview(content)
        self._size = len(content)
        self._pages: dict[int, int] = {}
        self._written: set[int] = set()
        """Pages that differ from the content, or may soon."""

    def __del__(self) -> None:
        for page in self._pages.values():
            self.tree.frames.release(page)

    @property
    def size(self) -> int:
        """Bytes, as stat tells them."""
        return self._size

    @property
    def blocks(self) -> int:
        """Blocks of 512 bytes that it takes."""
        content = -(-len(self._content) // PAGE)
        return 8 * (content + sum(index >= content for index in self._pages))

    def page(self, index: int, writable: bool = False) -> int:
        """The physical page, made if it was not there. The file stays a user of it. `writable`: others will write to it.

        Raises:
            OutOfMemory: there is no room.
        """
        found = self._pages.get(index)
        if writable:
            self._written.add(index)
        return self._make(index) if found is None else found

    def _make(self, index: int) -> int:
        frames = self.tree.frames
        initial = self.initial(index * PAGE, (index + 1) * PAGE)
        page = frames.take()
        if not self._pages:
            self.tree.cached(self)
        self._pages[index] = page
        frames.view(page)[: len(initial)] = initial
        frames.written(page, PAGE)
        return page

    def initial(self, begin: int, end: int) -> bytes | memoryview:
        """What it began with, from a byte to before another, as far as that goes."""
        return self._content[begin:end]

    def trim(self) -> int:
        """Give back pages that the content has as well, and nobody maps; how many."""
        frames = self.tree.frames
        idle = [i for i, page in self._pages.items() if i not in self._written and frames.users(page) == 1]
        for index in idle:
            frames.release(self._pages.pop(index))
        return len(idle)

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        end = min(offset + size, self._size)
        if offset >= end:
            return b""
        if not self._pages:
            return bytes(self.initial(offset, end)).ljust(end - offset, b"\0")
        return b"".join(self._parts(offset, end))

    def _parts(self, offset: int, end: int) -> Iterable[bytes]:
        while offset < end:
            index, start = divmod(offset, PAGE)
            part = min(PAGE - start, end - offset)
            yield self._part(index, start, part)
            offset += part

    def _part(self, index: int, start: int, size: int) -> bytes:
        page = self._pages.get(index)
        if page is not None:
            return bytes(self.tree.frames.view(page)[start : start + size])
        begin = index * PAGE + start
        return bytes(self.initial(begin, begin + size)).ljust(size, b"\0")

    def write(self, offset: int, data: bytes) -> int:
        """Put bytes there; what lies between the end and them reads as zeroes. Less than all is written where room ends.

        Raises:
            Errno: EFBIG, ENOSPC, if nothing could be written.
        """
        if offset + len(data) >= FILE_LIMIT:
            raise Errno(EFBIG)
        done = 0
        try:
            while done < len(data):
                done += self._put(offset + done, data[done : done + PAGE])
        except Errno:
            if not done:
                raise
        finally:
            self._size = max(self._size, offset + done) if done else self._size
            self.touch()
        return done

    def _put(self, offset: int, data: bytes) -> int:
        index, start = divmod(offset, PAGE)
        part = data[: PAGE - start]
        if index not in self._pages and not self.tree.room():
            raise Errno(ENOSPC)
        try:
            page = self.page(index, writable=True)
        except OutOfMemory:
            raise Errno(ENOSPC) from None
        self.tree.frames.view(page)[start : start + len(part)] = part
        if self.tree.frames.users(page) > 1:
            self.tree.frames.written(page, PAGE)
        return len(part)

    def truncate(self, size: int) -> None:
        """Cut it off, or make it longer by zeroes.

        Raises:
            Errno: EFBIG.
        """
        if size >= FILE_LIMIT:
            raise Errno(EFBIG)
        if size < self._size:
            self._cut(size)
        self._size = size
        self.touch()

    def _cut(self, size: int) -> None:
        """What is cut off must not come back when the file grows."""
        last, used = divmod(size, PAGE)
        for index in [index for index in self._pages if index > last or (index == last and not used)]:
            self.tree.frames.release(self._pages.pop(index))
            self._written.discard(index)
        self._content = self._content[:size]
        if last in self._pages:
            self.tree.frames.view(self._pages[last])[used:] = bytes(PAGE - used)
