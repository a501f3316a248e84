"""What happens to files, told to whoever watches them (inotify.py).

    tell(inode, MODIFY)                             # to those who watch it, and those who watch the directory it is in
    tell_name(directory, CREATE, b"new", inode)     # to those who watch the directory

Theory (inotify(7)): a watch is on an inode; one on a directory hears of its files as well, by name. Nothing is done while nobody
watches anything, which is one look at a counter.
"""

from __future__ import annotations

from cells.personalities.linux.inode import DIRECTORY, Inode

ACCESS, MODIFY, ATTRIBUTES, CLOSE_WRITE, CLOSE_NO_WRITE, OPEN, MOVED_FROM, MOVED_TO = (1 << bit for bit in range(8))
CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x100, 0x200, 0x400, 0x800
OVERFLOW, IGNORED, IS_DIRECTORY = 0x4000, 0x8000, 0x4000_0000
SELF = DELETE_SELF | MOVE_SELF
"""Of these it is not told whether it was a directory."""


def tell(inode: Inode, mask: int) -> None:
    """Something happened to a file."""
    if not inode.tree.watches.now:
        return
    mask |= _kind(inode)
    if inode.place is not None and not mask & SELF:
        directory, name = inode.place
        for watch in directory.watches:
            watch.happened(mask, 0, name)
    for watch in inode.watches:
        watch.happened(mask & ~IS_DIRECTORY if mask & SELF else mask, 0, b"")


def tell_name(directory: Inode, mask: int, name: bytes, inode: Inode, cookie: int = 0) -> None:
    """Something happened to a name of a directory. `cookie`: the same for both halves of a move."""
    for watch in directory.watches:
        watch.happened(mask | _kind(inode), cookie, name)


def gone(inode: Inode) -> None:
    """A file has lost a name; with the last one, its watches end."""
    if not inode.watches:
        return
    if inode.links > (inode.kind == DIRECTORY):
        tell(inode, ATTRIBUTES)
        return
    if inode.kind != DIRECTORY:
        tell(inode, ATTRIBUTES)
    tell(inode, DELETE_SELF)
    for watch in inode.watches:
        watch.end()


def _kind(inode: Inode) -> int:
    return IS_DIRECTORY if inode.kind == DIRECTORY else 0
