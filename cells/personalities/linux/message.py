"""What lies in a socket until it is read: bytes or a message, its sender, the files that travel with it; how much may wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cells.personalities.linux.file import File

STREAM, DATAGRAM, SEQUENCE = 1, 2, 5
MESSAGE = 512
"""Bytes of the host for a message, or for somebody who has connected, beside its data: assumed."""
BUFFER = 0x1A000
"""Bytes that may wait in a socket: 208 KiB of Linux, of which half is data."""
MESSAGES = 256
"""So many messages may wait, however small."""


@dataclass
class Message:
    """What was sent at once. `files`: descriptors that travel with it (SCM_RIGHTS)."""

    data: bytes
    sender: bytes = b""
    files: list[File] = field(default_factory=list)
    credentials: tuple[int, int, int] = (0, 0, 0)


def credentials(process: Any) -> tuple[int, int, int]:
    """Who a process is, for its peer."""
    return (process.leader, process.user[1], process.team[1])
