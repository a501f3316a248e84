"""Back ends of a disk that lie, for front ends in kernels: `{"guest": "tests.support.liars:main", "args": ["short_read"]}`.

Each is the honest back end but for one thing, which it does from the first request on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cells.port import Port
from cells.split.block.back import BlockBack, RamStore
from cells.split.block.protocol import IDENTITY, LAYOUT, Operation
from cells.split.ends import Answer, Client
from cells.split.ring import BackRing, Request

RESPONSES, VERDICT, SLOTS, SLOT, SIZE_AT = 40, 44, 64, 32, 12
NONCE = 32


def _identity(sectors: int, size: int) -> Callable[[Request, Answer], Answer]:
    def lie(request: Request, answer: Answer) -> Answer:
        return (
            answer._replace(body=IDENTITY.pack(sectors, size, 0)) if request.operation == Operation.IDENTIFY else answer
        )

    return lie


def _data(change: Callable[[bytes], bytes]) -> Callable[[Request, Answer], Answer]:
    def lie(request: Request, answer: Answer) -> Answer:
        return answer._replace(data=change(answer.data)) if request.operation == Operation.READ else answer

    return lie


ANSWERS: dict[str, Callable[[Request, Answer], Answer]] = {
    "sectors_of_nothing": _identity(2048, 0),
    "sectors_of_three_bytes": _identity(2048, 3),
    "sectors_without_end": _identity(2048, 1 << 31),
    "short_read": _data(lambda data: data[: len(data) // 2]),
    "no_read": _data(lambda data: b""),
    "strange_status": lambda request, answer: answer._replace(status=0x7FFF),
}
"""What is said, in good form."""


def _word(at: int, value: int) -> Callable[[Any, int], None]:
    return lambda memory, slot: struct.pack_into("<I", memory, at, value)


PAGES: dict[str, Callable[[Any, int], None]] = {
    "another_identity": lambda memory, slot: struct.pack_into("<Q", memory, slot, 1 << 40),
    "a_size_beyond_the_buffer": lambda memory, slot: struct.pack_into("<I", memory, slot + SIZE_AT, 1 << 31),
    "a_size_of_everything": lambda memory, slot: struct.pack_into("<I", memory, slot + SIZE_AT, (1 << 32) - 1),
    "more_answers_than_requests": _word(RESPONSES, 999),
    "fewer_answers_than_none": _word(RESPONSES, (1 << 32) - 1),
    "a_verdict": _word(VERDICT, 7),
}
"""What is written into the shared pages behind an honest answer: (memory, place of its slot)."""

ANEW = {"another_nonce": _word(NONCE, 0xBAD)}
"""The same, and the front end asks for another session: the lie was told once."""

NEVER = {
    "all_ones": lambda memory, slot: memory.__setitem__(slice(None), b"\xff" * len(memory)),
}
"""The same, and the front end waits for another back end."""


class Liar(BlockBack):
    """Tells one lie."""

    def __init__(self, port: Port, lie: str) -> None:
        super().__init__(port.connections, RamStore(512, 2048), port, port.print)
        self._lie = lie

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer | None:  # type: ignore[override]
        answer = super().serve(client, ring, request)
        if self._lie in ANSWERS:
            return ANSWERS[self._lie](request, answer)
        slot = SLOTS + struct.unpack_from("<I", client.link.memory, RESPONSES)[0] % LAYOUT.slots * SLOT
        self._answer(client, ring, answer)
        {**PAGES, **ANEW, **NEVER}[self._lie](client.link.memory, slot)
        return None


def main(port: Port, lie: str) -> None:
    """Serve for ever."""
    Liar(port, lie).run()
