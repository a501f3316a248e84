"""Packet captures: every frame of a network device with its virtual time, in a file that Wireshark opens.

The classic format, the one with nanoseconds (draft-ietf-opsawg-pcap-05): a header of 24 bytes, then for each frame
sixteen bytes (seconds, nanoseconds, bytes kept, bytes there were) and the frame. Frames are without checksum, as usual.
What a device sends and what it receives stand in one file, in the order in which they happened.

    capture = Capture(run.capture_path("nic0"), hz=600_000_000)
    capture.frame(cycle=600_000, frame=b"...")      # at 1 ms
    capture.close()
    for time, frame in read_capture(path): ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from hypervisor.shell.files import RunDirError, write_all

MAGIC = 0xA1B2_3C4D
"""Says: nanoseconds, and the byte order of the writer."""
ETHERNET = 1
LONGEST = 0x4_0000
"""Bytes of a frame that are kept: more than any has."""
NS = 1_000_000_000

_HEADER = struct.Struct("<IHHiIII")
_FRAME = struct.Struct("<IIII")


class Capture:
    """One file, written as frames come: what is in it can be read while the run goes on.

    Raises:
        RunDirError: it cannot be written.
    """

    def __init__(self, path: Path, hz: int) -> None:
        self._path, self._hz = path, hz
        try:
            path.parent.mkdir(exist_ok=True)
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise RunDirError.because(path, error) from error
        try:
            self._write(_HEADER.pack(MAGIC, 2, 4, 0, 0, LONGEST, ETHERNET))
        except RunDirError:
            self.close()
            raise

    def frame(self, cycle: int, frame: bytes) -> None:
        """A frame passed at `cycle`."""
        seconds, rest = divmod(cycle, self._hz)
        kept = frame[:LONGEST]
        self._write(_FRAME.pack(seconds & 0xFFFF_FFFF, rest * NS // self._hz, len(kept), len(frame)) + kept)

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        write_all(self._path, self._file, data)


def read_capture(path: Path) -> Iterator[tuple[int, bytes]]:
    """The frames of a capture of ours: (nanoseconds of virtual time, frame).

    Raises:
        RunDirError: it cannot be read, or is not one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunDirError.because(path, error) from error
    if len(content) < _HEADER.size or _HEADER.unpack_from(content)[0] != MAGIC:
        raise RunDirError(path, "is not a packet capture of ours")
    at = _HEADER.size
    while at + _FRAME.size <= len(content):
        seconds, nanoseconds, kept, _ = _FRAME.unpack_from(content, at)
        at += _FRAME.size
        yield seconds * NS + nanoseconds, content[at : at + kept]
        at += kept
