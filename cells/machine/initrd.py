"""Initial RAM disks: what a file is, and whether it is whole. Pure.

The kernel takes cpio archives ("newc"), plain or compressed, one after another
(Documentation/driver-api/early-userspace/buffer-format.rst); it unpacks what it can and goes on without a word, so
that a file cut short shows much later and elsewhere. Here every archive is followed to its end, and every gzip, xz,
lzma or bzip2 stream is decompressed.

>>> check_initrd("empty.cpio", EMPTY_CPIO)
('cpio',)
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from cells.machine.images import ImageError

_HEADER = 110
"""Of a newc entry: a magic of 6 characters and 13 hexadecimal numbers of 8 (cpio(5))."""
_FILE_SIZE, _NAME_SIZE = 6, 11
"""Which of the 13 numbers they are."""
_HEX = frozenset(b"0123456789abcdefABCDEF")
_TRAILER = b"TRAILER!!!\0"
EMPTY_CPIO = b"070701" + b"%08X" * 13 % (*[0] * 11, len(_TRAILER), 0) + _TRAILER + b"\0" * 3
"""An archive with nothing in it."""
_PIECES = 256
"""Archives one after another; distributions have three at most."""
_UNPACKED_LIMIT = 1 << 30
"""Bytes; more than any board's RAM."""


class _Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_COMPRESSED: tuple[tuple[bytes, str, Callable[[], _Decompressor] | None], ...] = (
    (b"\x1f\x8b", "gzip", lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    (b"\xfd7zXZ\0", "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    (b"]\0\0", "lzma", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", "zstd", None),
    (b"\x02\x21\x4c\x18", "lz4", None),
)
"""Beginning, name, and how to decompress; None: Python 3.11 cannot, so only the beginning is looked at."""


def check_initrd(file: str, data: bytes) -> tuple[str, ...]:
    """The formats of the pieces in order, such as ("gzip",) or ("cpio", "xz"), after every one was found whole.

    Raises:
        ImageError: it is empty, of no format that a kernel takes, damaged or cut short.
    """
    return _formats(file, data, inside=False)


def _formats(file: str, data: bytes, *, inside: bool) -> tuple[str, ...]:
    """`inside`: of a compressed piece, where a kernel takes no other one; so nothing is unpacked for ever."""
    formats = []
    rest = data
    while rest := rest.lstrip(b"\0"):
        name, rest = _piece(file, rest, inside=inside)
        formats.append(name)
        if len(formats) > _PIECES:
            raise ImageError(file, f"is no initrd: it has more than {_PIECES} pieces")
    if not formats:
        raise ImageError(file, "is empty")
    return tuple(formats)


def _piece(file: str, data: bytes, *, inside: bool) -> tuple[str, bytes]:
    """The format of the first piece and what follows it."""
    if data.startswith((b"070701", b"070702")):
        return "cpio", data[_cpio_end(file, data) :]
    for magic, name, make in _COMPRESSED:
        if data.startswith(magic):
            if inside:
                raise ImageError(file, f"is no initrd: a compressed piece holds another one ({name})")
            return name, _after_stream(file, data, name, make()) if make else b""
    known = ", ".join(["cpio (newc)", *(name for _, name, _ in _COMPRESSED)])
    raise ImageError(file, f"is no initrd: it begins with {data[:4].hex(' ')}, which is none of {known}")


def _after_stream(file: str, data: bytes, name: str, decompressor: _Decompressor) -> bytes:
    """What follows a compressed piece; an archive inside must be whole too."""
    try:
        unpacked = decompressor.decompress(data, _UNPACKED_LIMIT)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ImageError(file, f"is damaged: its {name} stream does not decompress ({error})") from None
    if len(unpacked) >= _UNPACKED_LIMIT:
        raise ImageError(file, f"is too large: its {name} stream holds more than {_UNPACKED_LIMIT >> 20} MiB")
    if not decompressor.eof:
        raise ImageError(file, f"is truncated: its {name} stream has no end")
    if unpacked.startswith(b"0707"):
        _formats(file, unpacked, inside=True)
    return decompressor.unused_data


def _cpio_end(file: str, data: bytes) -> int:
    """Where the archive that begins at 0 ends: behind the entry TRAILER!!!."""
    at = 0
    while True:
        header = data[at : at + _HEADER]
        if len(header) < _HEADER:
            raise ImageError(file, f"is truncated: its cpio archive has no TRAILER!!! in {len(data)} bytes")
        size, name_size = _cpio_number(file, header, _FILE_SIZE), _cpio_number(file, header, _NAME_SIZE)
        name = data[at + _HEADER : at + _HEADER + name_size]
        at = _aligned(_aligned(at + _HEADER + name_size) + size)
        if name == _TRAILER:
            return at


def _cpio_number(file: str, header: bytes, index: int) -> int:
    """One of the 13 numbers of an entry."""
    if not header.startswith((b"070701", b"070702")):
        raise ImageError(file, f"is damaged: a cpio entry begins with {header[:6]!r}, not with 070701")
    digits = header[6 + 8 * index : 14 + 8 * index]
    if not _HEX.issuperset(
        digits
    ):  # `int` takes signs, spaces and underscores too: a negative size would lead in a circle
        raise ImageError(file, "is damaged: a cpio entry has a number that is none")
    return int(digits, 16)


def _aligned(offset: int) -> int:
    """Names and contents begin at multiples of 4."""
    return (offset + 3) & ~3
