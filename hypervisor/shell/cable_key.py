"""Who may hold the other end of a cable: whoever has the key that the listening end wrote.

The listening end makes a pair of CURVE keys and tells the public one to nobody but a file of its user (DEVICE.cable, or what
stands behind the comma). Without that key no handshake with it comes about, and nobody else can answer one that was made with
it; so the key is a secret between the two ends, and each knows the other by it.

    line = open_line("nic0", "tcp://*:5555,nic0.cable", stop)              # listens; writes the file
    line = open_line("nic0", "tcp://192.0.2.7:5555,nic0.cable", stop)      # connects; reads it
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypervisor.shell.netlink import LinkError, ZmqLine

_KEY_LENGTH = 40
"""Characters of a CURVE key in Z85."""


class Listening(ZmqLine):
    """The end that waits: its key lies in a file as long as it does."""

    def __init__(self, endpoint: str, stop: Callable[[], bool], path: Path) -> None:
        self._path: Path | None = None
        super().__init__(endpoint, stop)
        try:
            _write(path, self.key)
            self._path = path
        except OSError as error:
            self.close()
            why = (error.strerror or str(error)).lower()
            say = f"say behind a comma where the key can be written: {endpoint},FILE"
            raise LinkError(f"{path}: {why} ({say})") from None

    def close(self) -> None:
        """Hang up, and take the key away."""
        super().close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None


def open_line(device: str, named: str, stop: Callable[[], bool]) -> ZmqLine:
    """The end of a cable that leads to `ENDPOINT[,FILE]`.

    Raises:
        LinkError: it cannot be used, or the key is not there.
    """
    endpoint, _, file = named.partition(",")
    if "*" not in endpoint:
        if not file:
            why = "needs the key that the other end has written: write ENDPOINT,FILE"
            raise LinkError(f'"{endpoint}" {why} (as {endpoint},{device}.cable)')
        return ZmqLine(endpoint, stop, _read(Path(file)))
    path = Path(file or f"{device}.cable")
    line = Listening(endpoint, stop, path)
    join = f"--cable DEVICE={line.endpoint},{path}"
    print(f"cellvisor: {device} waits for its other end: {join}", file=sys.stderr, flush=True)
    return line


@contextmanager
def inherited(key: bytes) -> Iterator[tuple[int, str]]:
    """The key as a file that a process may inherit: its descriptor, and its path there."""
    read, write = os.pipe()
    try:
        os.write(write, key)
        os.close(write)
        yield read, f"/proc/self/fd/{read}"
    finally:
        os.close(read)


def _write(path: Path, key: bytes) -> None:
    path.unlink(missing_ok=True)  # an old one may be readable for others
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = file.read(_KEY_LENGTH + 1).strip()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise LinkError(f"{path}: {why} (the other end writes this file when it starts)") from None
    if len(key) != _KEY_LENGTH:
        raise LinkError(f"{path}: is no key of a cable (the other end writes this file when it starts)")
    return key
