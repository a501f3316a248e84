"""The keystore: a bare guest that keeps a key and answers challenges with it, and does nothing else.

    args = ["6b65792e..."]                     # the key in hexadecimal, 16 to 64 bytes
    channel.send(request(serial, nonce))       # 24 bytes: "MAC1", serial, 16 bytes of nonce
    serial, status, mac = answer(channel.receive())

Theory: what has no way out cannot leak. The key lies in this cell's memory alone; the only channel is the one to the baseband; an
answer is the HMAC-SHA256 of the nonce, or a refusal. Challenges are worth something to whoever gathers answers to them, so
they are rationed: `BURST` at once, then `PER_SECOND`. Work per request is bounded: one message, one MAC, one answer that
nobody waits for longer than `PATIENCE`.
"""

from __future__ import annotations

import hmac
import struct
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

from cells.flavours import MessageChannel
from cells.port import Port, RefusedError
from hypervisor.abi.status import Status

MAGIC, NONCE, MAC = b"MAC1", 16, 32
_REQUEST, _ANSWER = struct.Struct(f"<4sI{NONCE}s"), struct.Struct(f"<II{MAC}s")
MAC_CYCLES = 30_000
"""An HMAC of 16 bytes is four blocks of SHA-256, and about 100 cycles a byte are what plain C takes on an ARM9: assumed."""
CHECK_CYCLES = 200
BURST, PER_SECOND = 8, 4
"""Challenges that are answered at once, and how fast the ration comes back: a phone has one for a call. Assumed."""
PATIENCE = "20ms"
KEY_SIZES = range(16, 65)
hmac.digest(b"", b"", "sha256")  # what the library opens at its first use, it opens before the sandbox closes


class Answer(IntEnum):
    """How a request was received."""

    OK = 0
    RATIONED = 1
    MALFORMED = 2


class Answered(NamedTuple):
    """An answer; `mac` is zero unless the status is OK."""

    serial: int
    status: int
    mac: bytes


def request(serial: int, nonce: bytes) -> bytes:
    """A challenge. Requires: 16 bytes of nonce."""
    return _REQUEST.pack(MAGIC, serial & 0xFFFF_FFFF, nonce)


def answer(message: bytes) -> Answered | None:
    """What the keystore said; None if that is no answer."""
    return Answered._make(_ANSWER.unpack(message)) if len(message) == _ANSWER.size else None


def mac_of(key: bytes, nonce: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104)."""
    return hmac.new(key, nonce, sha256).digest()


class Ration:
    """At most `burst` at once, `per_second` in the long run."""

    def __init__(self, hz: int, burst: int = BURST, per_second: int = PER_SECOND) -> None:
        self._step, self._burst = hz // per_second, burst
        self._full_at = 0
        """When the ration will be whole again."""

    def take(self, now: int) -> bool:
        """One more; False if the ration is used up."""
        full_at = max(self._full_at, now) + self._step
        if full_at - now > self._burst * self._step:
            return False
        self._full_at = full_at
        return True


class Keystore:
    """The key and the ration."""

    def __init__(self, key: bytes, hz: int) -> None:
        if len(key) not in KEY_SIZES:
            raise ValueError(f"a key has {KEY_SIZES.start} to {KEY_SIZES.stop - 1} bytes, not {len(key)}")
        self._key, self._ration = key, Ration(hz)
        self.counts = dict.fromkeys(Answer, 0)

    def serve(self, message: bytes, now: int) -> tuple[bytes, int]:
        """The answer to a message, and the cycles that it takes."""
        serial, status, mac, cycles = 0, Answer.MALFORMED, bytes(MAC), CHECK_CYCLES
        if len(message) == _REQUEST.size and message.startswith(MAGIC):
            _, serial, nonce = _REQUEST.unpack(message)
            status = Answer.OK if self._ration.take(now) else Answer.RATIONED
            if status is Answer.OK:
                mac, cycles = mac_of(self._key, nonce), MAC_CYCLES
        self.counts[status] += 1
        return _ANSWER.pack(serial, status, mac), cycles


def main(port: Port, key: str) -> None:
    """Serve the one channel for ever."""
    store = Keystore(bytes.fromhex(key), port.hz)
    [channel] = port.connections.channels.values()
    while True:
        _serve(port, store, channel)


def _serve(port: Port, store: Keystore, channel: MessageChannel) -> None:
    """One request, or the partner's absence."""
    try:
        message = channel.receive()
    except RefusedError as refusal:
        if refusal.status != Status.PEER_GONE:
            raise
        port.connections.wait()
        return
    reply, cycles = store.serve(message, port.now)
    port.work(cycles)
    for status, count in store.counts.items():
        if count:
            port.report(status.name.lower(), count)
    try:
        channel.send(reply, port.now + port.cycles(PATIENCE))
    except RefusedError as refusal:
        if refusal.status not in (Status.PEER_GONE, Status.TIMEOUT):
            raise
