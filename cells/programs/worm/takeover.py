"""What the attacker does with a whole cell: authority that it has not, memory of others, the key, and noise.

    take_over(port)                     # does not come back

Theory: each attempt is an ordinary exit of the cell or a system call of the host, made from the cell's own process. What
the monitor refuses stands in its trace and in the run's account, under its own reasons; what the host refuses (native.py)
reaches nobody. So the program's own word is not needed for the verdict, and what it reports is counted separately, as its word.
"""

from __future__ import annotations

import gc
import hmac
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cells.port import RefusedError
from cells.programs.amss.triplets import TRIPLETS
from cells.programs.worm import authority, floods, native
from cells.xen.store import StoreRefusedError

if TYPE_CHECKING:
    from cells.personalities.port import PersonalityPort

STEP = 32
"""Bytes of a key such as phones have."""
HEXADECIMAL = re.compile(rb"[0-9a-f]{64}")
SAMPLE = 4 << 20
"""Bytes of its own memory in which it looks for the key, in steps of a key's size."""
SCAN_CYCLES = 20_000_000
"""What the search takes of the time of an ARM9: assumed, two hundred thousand words and some thousand hashes."""
KEYS = range(16, 65)


def take_over(port: PersonalityPort) -> None:
    """Attack until somebody ends the cell."""
    port.print("worm: this kernel is mine")
    tried = got = 0
    for attempt in authority.attempts(port):
        tried += 1
        got += _got_through(port, attempt)
    port.report("forgeries tried", tried)
    port.report("forgeries that worked", got)
    port.print("worm: of the host it wants to", ", ".join(native.ATTACKS))
    through = native.attack()
    port.print("worm: of that the host did", ", ".join(through) or "nothing")
    port.report("native attempts", len(native.ATTACKS))
    port.report("native attempts that worked", len(through))
    port.report("keys found", sum(_opens(candidate) for candidate in _candidates(port)))
    port.work(SCAN_CYCLES)
    port.print("worm: now the noise")
    floods.flood(port)


def _got_through(port: PersonalityPort, attempt: authority.Attempt) -> bool:
    """Whether the monitor did it. Time passes, too: it is a program."""
    port.work(authority.ATTEMPT_CYCLES)
    try:
        attempt()
    except (RefusedError, StoreRefusedError, ValueError, MemoryError):
        return False
    called = attempt.func.__name__, [word for word in attempt.args if isinstance(word, int)]
    port.print("worm: this worked:", *called)
    return True


def _opens(candidate: bytes) -> bool:
    """Whether this is the key: the network's challenges and their answers have been on the air."""
    nonce, expected = TRIPLETS[0]
    return hmac.digest(candidate, nonce, "sha256") == expected


def _candidates(port: PersonalityPort) -> Iterator[bytes]:
    """Everything in this process that could be a key: what the interpreter can reach, and the cell's memory."""
    for thing in _reachable():
        if isinstance(thing, bytes) and len(thing) in KEYS:
            yield thing
        elif isinstance(thing, str) and len(thing) == 2 * STEP:
            yield _from_hexadecimal(thing)
    memory = port.memory.view(port.memory.base, port.memory.size)
    for found in HEXADECIMAL.finditer(memory):
        yield _from_hexadecimal(found[0].decode())
    empty = bytes(STEP)
    for at in range(0, min(len(memory), SAMPLE), STEP):
        piece = bytes(memory[at : at + STEP])
        if piece != empty:
            yield piece


def _reachable() -> Iterator[object]:
    """Every object, by whatever leads to it: who is nobody's secret is found."""
    frame = sys._getframe()
    todo: list[object] = [sys.modules, frame, *gc.get_objects()]
    seen: set[int] = set()
    while todo:
        thing = todo.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            todo += gc.get_referents(thing)
            yield thing


def _from_hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
