"""The descriptors of a process.

    descriptor = process.files.install(file)
    file = process.files.file(descriptor)

Theory: descriptors of one process or of several (dup, fork) share an open file, its offset and its flags; the last that is
closed ends it.
"""

from __future__ import annotations

from cells.personalities.arm.errno import EBADF, EMFILE, ENFILE, Errno
from cells.personalities.linux.file import CLOSE_ON_EXEC, PATH_ONLY, File
from cells.personalities.linux.held import OPEN_FILES, Held
from cells.personalities.linux.locks import forget
from cells.personalities.linux.notify import CLOSE_NO_WRITE, CLOSE_WRITE, tell

DESCRIPTORS = 1024
"""The limit of a process (RLIMIT_NOFILE)."""


class FileTable:
    """The descriptors of a process."""

    def __init__(self, open_files: Held | None = None) -> None:
        self._open = open_files or Held(OPEN_FILES)
        self.files: dict[int, File] = {}
        self.closing: set[int] = set()
        """Those that exec closes."""
        self.limit = DESCRIPTORS

    def file(self, descriptor: int) -> File:
        """What a descriptor stands for.

        Raises:
            Errno: EBADF.
        """
        try:
            return self.files[descriptor]
        except KeyError:
            raise Errno(EBADF) from None

    def reader(self, descriptor: int) -> File:
        """A file that may be read.

        Raises:
            Errno: EBADF.
        """
        file = self.files.get(descriptor)
        if file is None or not file.readable:
            raise Errno(EBADF)
        return file

    def writer(self, descriptor: int) -> File:
        """A file that may be written.

        Raises:
            Errno: EBADF.
        """
        file = self.files.get(descriptor)
        if file is None or not file.writable:
            raise Errno(EBADF)
        return file

    def install(self, file: File, flags: int = 0, first: int = 0) -> int:
        """The lowest free descriptor, or the lowest from `first` on.

        Raises:
            Errno: EMFILE; ENFILE, the system has too many. A file that nobody uses is closed then.
        """
        descriptor = first
        while descriptor in self.files:
            descriptor += 1
        if descriptor >= self.limit:
            if not file.users:
                file.close()
            raise Errno(EMFILE)
        self.put(descriptor, file, flags)
        return descriptor

    def put(self, descriptor: int, file: File, flags: int = 0) -> None:
        """Let a descriptor stand for this file, and not for what it stood for before."""
        if not file.users:
            self._count(file)
        file.users += 1
        if descriptor in self.files:
            self.close(descriptor)
        self.files[descriptor] = file
        if flags & CLOSE_ON_EXEC:
            self.closing.add(descriptor)

    def _count(self, file: File) -> None:
        """It is one of the system's open files from now on."""
        try:
            self._open.take(1, ENFILE)
        except Errno:
            file.close()
            raise
        file.counted = self._open

    def close(self, descriptor: int) -> None:
        """Free a descriptor.

        Raises:
            Errno: EBADF.
        """
        file = self.file(descriptor)
        del self.files[descriptor]
        self.closing.discard(descriptor)
        forget(file.inode, self)
        release(file)

    def fork(self) -> FileTable:
        """A child's table: the same files."""
        table = FileTable(self._open)
        table.files, table.closing, table.limit = dict(self.files), set(self.closing), self.limit
        for file in self.files.values():
            file.users += 1
        return table

    def exec(self) -> None:
        """Close what a new program shall not have."""
        for descriptor in sorted(self.closing):
            self.close(descriptor)

    def close_all(self) -> None:
        """Their process has ended."""
        for descriptor in sorted(self.files):
            self.close(descriptor)


def release(file: File) -> None:
    """One user less."""
    file.users -= 1
    if not file.users:
        forget(file.inode, file)
        if file.inode is not None and not file.flags & PATH_ONLY:
            tell(file.inode, CLOSE_WRITE if file.writable else CLOSE_NO_WRITE)
        if file.counted is not None:
            file.counted.give(1)
        file.close()
