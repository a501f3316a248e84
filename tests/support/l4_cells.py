"""Scripted cells that speak the raw protocol of IPC, for tests of the microkernel and of what it refuses.

bench = meet({"a": caller, "b": server}, channel("pipe", 0, 1))
bench.until(NEVER); records(bench, "ipc")

The slot of the partner is 1 for a cell with one channel. `got` is what an IPC brought: the status (0 or less) or who sent, and
the message.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, NamedTuple

from hypervisor.abi import l4
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import ANY, NIL, Item, Message
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import from_word
from hypervisor.abi.time import NEVER
from hypervisor.core.costs import Costs
from hypervisor.core.l4 import Microkernel
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from tests.support.scripted import Bench, Script, ScriptedVcpu
from tests.support.talkers import call, channel, peers, records, rings, take, wiring_of

__all__ = [
    "Got",
    "accept",
    "call",
    "channel",
    "hear",
    "ipc",
    "meet",
    "pause",
    "peers",
    "records",
    "rest",
    "rings",
    "send",
    "take",
    "words",
]


class Got(NamedTuple):
    """What came of an IPC. `status`: 0, or why not; `who`: NIL if nobody sent."""

    status: int
    who: int = NIL
    message: Message = Message()

    @property
    def text(self) -> bytes:
        """The string of the message."""
        return self.message.string


Talking = Generator[Exit, None, Got]


def meet(
    scripts: dict[str, Script],
    *wires: ChannelParams | SharedParams,
    pagers: Mapping[int, int] | None = None,
    **more: Any,
) -> Bench:
    """A bench of cells under the microkernel; its trace is kept in `bench.chunks`."""
    wiring = wiring_of(wires)
    wiring = Wiring(wiring.channels, wiring.shared, pagers or {})
    more = {"costs": Costs(), "mechanism": Microkernel, "policy": "fixed_priority", **more}
    bench = Bench(scripts, wiring=wiring, **more)
    chunks: list[bytes] = []
    bench.trace.on_chunk.append(chunks.append)
    bench.chunks = chunks  # type: ignore[attr-defined]
    return bench


def ipc(
    vcpu: ScriptedVcpu,
    to: int = NIL,
    source: int = NIL,
    message: Message | None = None,
    send: int = NEVER,
    receive: int = NEVER,
) -> Talking:
    """IPC, whatever its phases."""
    sent = message or Message()
    partners, timeouts = l4.pack_partners(to, source), l4.pack_timeouts(send, receive)
    value = yield from call(vcpu, Hypercall.IPC, partners, sent.tag, timeouts, data=sent.data)
    answers = take(vcpu, EventKind.ANSWER)
    if value < 0:
        assert not answers
        return Got(value)
    who, tag = l4.unpack_answer(value)
    return Got(0, who, Message.unpack(tag, answers[0] if answers else b""))


def send(vcpu: ScriptedVcpu, text: bytes, to: int = 1, timeout: int = NEVER, items: tuple[Item, ...] = ()) -> Talking:
    """A message to a partner."""
    return (yield from ipc(vcpu, to, message=Message(l4.Label.USER, items=items, string=text), send=timeout))


def hear(vcpu: ScriptedVcpu, source: int = ANY, timeout: int = NEVER) -> Talking:
    """A message from a partner, or from anybody."""
    return (yield from ipc(vcpu, source=source, receive=timeout))


def pause(vcpu: ScriptedVcpu, cycles: int) -> Iterator[Exit]:
    """Sleep, whatever happens."""
    until = vcpu.time + cycles
    while vcpu.time < until:
        vcpu.events.clear()
        yield from vcpu.wait(until)


def rest(vcpu: ScriptedVcpu) -> Iterator[Exit]:
    """Sleep for ever."""
    yield from pause(vcpu, NEVER)


def accept(vcpu: ScriptedVcpu, address: int, pages: int) -> Generator[Exit, None, int]:
    """IPC_ACCEPT."""
    return (yield from call(vcpu, Hypercall.IPC_ACCEPT, address, pages))


def words(*numbers: int, label: int = l4.Label.USER) -> Message:
    """A message of untyped words."""
    return Message(label, numbers)


def word_of(value: int) -> int:
    """A status out of a result word."""
    return from_word(value)
