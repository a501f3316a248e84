"""The words of the hypercall FILES: a cell looks at a directory of the host that the monitor serves it.

    operation | view << 8, place; path      ->  a number, and bytes as the answer

`view`: which of the cell's directories. `path`: names with one "/" between them, none for the directory itself; no name is empty,
"." or "..": the monitor follows no link and knows no way up. What is no directory, file or link is not told of. Times and
owners are not told either, so that the same content is the same run.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from hypervisor.abi.records import DATA_LIMIT


class Look(IntEnum):
    """ATTRIBUTES: -> size << 8 | `Entry`, 0 if nothing has this path. NAMES: -> how many `ENTRY` are the answer, in the order of
    their bytes from number `place` on, 0 behind the last. READ: -> how many bytes from byte `place` on are the answer.
    TARGET: -> the length of the text of a link, which is the answer.
    """

    ATTRIBUTES = 1
    NAMES = 2
    READ = 3
    TARGET = 4


class Entry(IntEnum):
    """What a name stands for. PROGRAM: a file that somebody may execute."""

    DIRECTORY = 1
    FILE = 2
    PROGRAM = 3
    LINK = 4


ENTRY = struct.Struct("<BBQ")
"""An `Entry`, the length of its name, its size in bytes (a directory's is 0); the name follows."""
NAME_LIMIT = 255
ANSWER_LIMIT = DATA_LIMIT
"""Bytes of one answer."""


def is_path(path: bytes) -> bool:
    """Whether a path is one that may be asked for.

    >>> [is_path(text) for text in (b"", b"a/b", b"/a", b"a//b", b"a/../b", b".")]
    [True, True, False, False, False, False]
    """
    if not path:
        return True
    names = path.split(b"/")
    return b"\0" not in path and all(0 < len(name) <= NAME_LIMIT and name not in (b".", b"..") for name in names)
