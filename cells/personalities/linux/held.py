"""What the kernel holds for programs in the host's memory: counted over all of them, so that no program can use it up.

    vfs.held.take(len(data), ENOBUFS)      # raises Errno(ENOBUFS) when there is too much of everything
    vfs.held.give(len(data))
    vfs.open_files.take(1, ENFILE)

Theory: pages, mappings and page tables are the cell's RAM and end with it. All else that a call leaves behind (bytes in pipes
and sockets, listings of directories, texts of /proc, watches of epoll, targets of links) is an object of the host, and a program
could have a few hundred processes each collect some. Each limit of one object is Linux's; these are the limits of all together.
"""

from __future__ import annotations

from cells.personalities.arm.errno import Errno

BYTES = 16 << 20
"""Of everything that is counted in bytes. Assumed: 256 full pipes."""
OPEN_FILES = 4096
"""Open files of all processes (Linux: file-max, which follows from RAM in the same way). Assumed."""
TRAVELLING = 1024
"""Descriptors that were sent and not yet received (Linux: RLIMIT_NOFILE of the sender)."""

WATCHES = 8192
"""Of inotify (Linux: max_user_watches, from 8192 on)."""


class Held:
    """So much of something may be there."""

    __slots__ = ("limit", "now")

    def __init__(self, limit: int) -> None:
        self.limit, self.now = limit, 0

    def take(self, count: int, code: int) -> None:
        """So much more.

        Raises:
            Errno: `code`; nothing was taken.
        """
        if self.now + count > self.limit:
            raise Errno(code)
        self.now += count

    def give(self, count: int) -> None:
        """So much less."""
        self.now -= count
