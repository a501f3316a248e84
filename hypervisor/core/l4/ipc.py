"""Synchronous IPC: a message passes when its sender and its receiver are both there, and is nowhere in between.

Theory: an IPC is a send phase and then a receive phase, either of which may be left out. A sender whose receiver does not wait
for it waits itself, in the order of priority and then of arrival; the kernel keeps no copy, so there is nothing to flood. Who
has handed over a message and goes on to wait leaves the rest of its slice to the receiver: a call runs on its caller's time.
Timeouts bound both phases; a partner's death ends them. A circle of waits is reported with every story, and ended: by the first
timeout in it, or, if nobody set one, by the backstop.

Served in here is always one caller; `step` charges what is done to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hypervisor.abi import l4
from hypervisor.abi.l4 import ANY, INTERRUPT, NIL, REPLY, BadIpc, Label, Message
from hypervisor.abi.records import QUIET, Exit
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.capabilities import Authority, Kind, Right
from hypervisor.core.cell import Cell
from hypervisor.core.errors import InvariantBroken, Refused, require_none
from hypervisor.core.l4.late import OnTheirWay
from hypervisor.core.l4.notifications import Signals
from hypervisor.core.l4.pages import Region
from hypervisor.core.l4.waits import EXCEPTIONS, READY, RECEIVE, SEND, Phase, Source, Thread, Wait, circle, rank

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

BACKSTOP = 10_000_000
"""Cycles after which the last wait of a circle without timeouts is ended: 10 ms at 1 GHz. A choice of ours; L4 waits for ever."""

Transfer = Callable[[Cell, Wait, Message, Cell], Message]
"""(sender, receiver's wait, message, who is being served) -> what the receiver gets, its items carried out. Raises `Refused`,
and
leaves nothing then."""


class Rendezvous:
    """All waits of a board, and the calls that make and end them."""

    def __init__(self, monitor: Monitor, authority: Authority, signals: Signals, transfer: Transfer) -> None:
        self.monitor = monitor
        self.waits: dict[int, Wait] = {}
        self._authority = authority
        self._signals = signals
        self._transfer = transfer
        self._names = {cell.index: cell.name for cell in monitor.cells}
        self._callers: dict[int, Wait] = {}
        self.late = OnTheirWay(monitor, self._hand_late)
        self._up: set[int] = set()
        self._serial = 0

    # ---- the hypercall

    def call(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """IPC: see hypervisor/abi/l4.py."""
        to, source = l4.unpack_partners(record.a1)
        send_timeout, receive_timeout = l4.unpack_timeouts(record.a3)
        message = _decode(record.a2, record.data) if to != NIL else None
        partner, me = self._partner(cell, to)
        wait = self._wait(cell, me, partner, message, self._source(cell, source), receive_timeout)
        if partner is not None and not self._send(wait, send_timeout):
            return 0
        return self._receive(wait)

    def raise_exception(
        self,
        cell: Cell,
        to: int,
        message: Message,
        complete: Completion,
        broken: Broken,
        window: Region | None = None,
    ) -> None:
        """In a cell's name, call the cell `to`, which takes care of it; `complete` sees the reply, whose pages go to `window`.

        Raises:
            Refused: PEER_GONE: that one will not come back.
        """
        partner, me = Thread(to, EXCEPTIONS), Thread(cell.index, EXCEPTIONS)
        wait = self._wait(cell, me, partner, message, partner, NEVER)
        wait.exception, wait.again, wait.window = True, message, window
        wait.complete, wait.broken = complete, broken
        if self._send(wait, NEVER):
            self._receive(wait)

    def _wait(
        self, cell: Cell, me: Thread, to: Thread | None, message: Message | None, source: Source, receive_timeout: int
    ) -> Wait:
        self._serial += 1
        return Wait(cell, self._serial, me, to, message, source, receive_timeout, self._hand_over, self._give_up)

    def _partner(self, cell: Cell, to: int) -> tuple[Thread | None, Thread]:
        """To whom, and as whom; a reply needs no capability but the call that it answers."""
        if to == NIL:
            return None, Thread(cell.index, EXCEPTIONS)
        if to == REPLY:
            caller = self._callers.get(cell.index)
            waits = caller is not None and self.waits.get(caller.cell.index) is caller
            if caller is None or not waits or not isinstance(caller.source, Thread):
                raise Refused(Status.WRONG_STATE, "nobody waits for a reply")
            return caller.me, caller.source
        partner = self._look(cell, to, Right.SEND)
        return partner, Thread(cell.index, partner.number)

    def _source(self, cell: Cell, source: int) -> Source:
        if source in (NIL, ANY, INTERRUPT):
            return source
        return self._look(cell, source, Right.RECEIVE)

    def _look(self, cell: Cell, slot: int, right: Right) -> Thread:
        thread = self._authority.look(cell.index, slot, Kind.ENDPOINT, right).target
        if not isinstance(thread, Thread):
            raise InvariantBroken(f"slot {slot} of {cell.name} is an endpoint of {thread}")
        self.monitor.step(cell, "capability", what="look", slot=slot)
        return thread

    # ---- the send phase

    def _send(self, wait: Wait, timeout: int) -> bool:
        """Deliver now (True), or wait for the receiver (False)."""
        assert wait.to is not None
        receiver = self.waits.get(wait.to.cell)
        if receiver is not None and self._ready(receiver) and receiver.takes(wait):
            if self._deliver(wait, receiver, wait.cell) is not None and wait.source != NIL:
                self.monitor.scheduler.donate(wait.cell.vcpu, receiver.cell.vcpu)
            return True
        partner = self.monitor.cells[wait.to.cell]
        if wait.to.cell not in self._up and (partner.ended or not wait.exception):
            raise Refused(Status.PEER_GONE, f"{partner.name} is gone")
        if not timeout:
            raise Refused(Status.TIMEOUT, f"{partner.name} does not wait for this")
        self._block(wait, SEND, timeout)
        return False

    def _ready(self, receiver: Wait) -> bool:
        return receiver.phase is RECEIVE and receiver.alive(self.monitor.now)

    def _deliver(self, sender: Wait, receiver: Wait, served: Cell) -> Message | None:
        """The message passes; what came of it, None if an injected fault has kept it from its receiver.

        Raises:
            Refused: its items cannot, and nothing has happened.
        """
        message, monitor = sender.message, self.monitor
        if message is None:
            raise InvariantBroken(f"{sender.cell.name} has nothing to send")
        if monitor.faults is not None and not sender.exception and sender.origin is None:
            arrives = self.late.befall(sender, message)
            if arrives is None:
                sender.message = None
                return None
            message = arrives
        passed = self._transfer(sender.cell, receiver, message, served)
        who = self.slot_of(receiver.cell, sender.me)
        fields: dict[str, Any] = {"from": sender.cell.name, "to": receiver.cell.name, "label": message.label}
        monitor.step(served, "ipc", **fields, words=len(message.words), items=len(message.items))
        more = message.registers - l4.FREE_REGISTERS
        if more > 0:
            monitor.step(served, "ipc_word", times=more, words=more)
        if message.string:
            words = -(-len(message.string) // 4)
            monitor.step(served, "copy", times=words, words=words)
        sender.message = None
        caller = sender.origin or sender
        if isinstance(caller.source, Thread) and caller.source.cell == receiver.cell.index:
            self._callers[receiver.cell.index] = caller
        receiver.complete(receiver, who, passed)
        return message

    def _hand_late(self, late: Wait) -> bool:
        """A message without a sender that waits (late.py), to a receiver that does; whether there is one."""
        receiver = self.waits.get(late.to.cell) if late.to is not None else None
        if receiver is None or not self._ready(receiver) or not receiver.takes(late):
            return False
        self._deliver(late, receiver, receiver.cell)
        return True

    # ---- the receive phase

    def _receive(self, wait: Wait) -> int:
        """The caller's receive phase, if it has one; its result so far."""
        if wait.source == NIL:
            return Status.OK
        value = self._take(wait, wait.cell)
        if value is not None:
            return value
        if not wait.receive_timeout:
            raise Refused(Status.EMPTY, "nobody sends")
        if isinstance(wait.source, Thread) and wait.source.cell not in self._up and not wait.exception:
            raise Refused(Status.PEER_GONE, f"{self.monitor.cells[wait.source.cell].name} is gone")
        if wait.source in (ANY, INTERRUPT) and _has_news(wait.cell):
            return NIL  # it goes with the answer
        self._block(wait, RECEIVE, wait.receive_timeout)
        return 0

    def _take(self, wait: Wait, served: Cell) -> int | None:
        """What is there already for a receive phase. It is handed over; the value is for the caller being served."""
        if wait.source in (ANY, INTERRUPT):
            signal = self._signals.take(wait.cell)
            if signal is not None:
                who, message = signal
                self.monitor.step(served, "ipc", label=message.label, words=len(message.words), to=wait.cell.name)
                wait.complete(wait, who, message)
                return l4.pack_answer(who, message.tag)
        while (sender := self._first_sender(wait)) is not None:
            try:
                passed = self._deliver(sender, wait, served)
            except Refused as refusal:  # its items cannot pass: the sender's trouble alone
                sender.broken(sender, refusal.status, refusal.why)
                continue
            who = self.slot_of(wait.cell, sender.me)
            self._go_on(sender, served)
            if passed is not None:
                return l4.pack_answer(who, passed.tag)
        return None

    def _first_sender(self, wait: Wait) -> Wait | None:
        now = self.monitor.now
        waiting = [w for w in self.waits.values() if w.phase is SEND and w.alive(now) and wait.takes(w)]
        waiting += self.late.having(wait)
        return min(waiting, key=rank, default=None)

    def _go_on(self, sender: Wait, served: Cell) -> None:
        """A sender that waited has been heard: it is done, or waits for the answer."""
        if sender.origin is not None:
            self.late.waiting.remove(sender)
            return
        sender.phase = READY
        if sender.source == NIL:
            self.forget(sender)
            self.monitor.answer(sender.cell, Status.OK)
        elif self._take(sender, served) is None:
            if not sender.receive_timeout:
                self._give_up(sender, Status.EMPTY, "nobody sends")
            elif sender.source in (ANY, INTERRUPT) and _has_news(sender.cell):
                self.forget(sender)
                self.monitor.answer(sender.cell, NIL)
            else:
                self._block(sender, RECEIVE, sender.receive_timeout)

    # ---- waiting and its ends

    def _block(self, wait: Wait, phase: Phase, timeout: int) -> None:
        monitor, cell = self.monitor, wait.cell
        now = max(monitor.now, cell.vcpu.time)
        wait.phase, wait.since, wait.until = phase, now, min(now + timeout, NEVER)
        self.waits[cell.index] = wait
        self._look_for_deadlock(wait)
        status = Status.TIMEOUT if phase is SEND else Status.EMPTY
        interrupted = (lambda: self._end(wait, NIL)) if wait.open else None
        monitor.suspend(cell, f"ipc {phase}", wait.until, lambda: self._end(wait, status), interrupted)
        monitor.note("wait", cell, cause=wait.story(self._names))

    def _end(self, wait: Wait, value: int) -> int:
        """The vCPU goes on without a partner."""
        self.forget(wait)
        return value

    def forget(self, wait: Wait) -> None:
        """It waits no longer."""
        if self.waits.get(wait.cell.index) is wait:
            del self.waits[wait.cell.index]

    def _hand_over(self, wait: Wait, who: int, message: Message) -> None:
        """The receive phase ends with a message: for one that waited, and for the caller being served."""
        if self.waits.get(wait.cell.index) is wait:
            self.forget(wait)
            self.monitor.answer(wait.cell, l4.pack_answer(who, message.tag), message.data)
        else:
            self.monitor.reply(wait.cell, message.data)

    def _give_up(self, wait: Wait, status: Status, why: str) -> None:
        """A wait of a vCPU that is asleep in it ends with a status."""
        self.forget(wait)
        self.monitor.refused(wait.cell, "ipc", why)
        self.monitor.answer(wait.cell, status)

    def _look_for_deadlock(self, wait: Wait) -> None:
        found = circle(self.waits, wait)
        if not found:
            return
        story = "; ".join(member.story(self._names) for member in found)
        if all(member.until >= NEVER for member in found):
            wait.until = wait.since + BACKSTOP
            story += f"; the backstop ends the last at {wait.until}"
        for member in found:
            self.monitor.note("deadlock", member.cell, cause=story)

    # ---- signals, lives

    def signal(self, cell: Cell) -> bool:
        """Something is there for an open receive of `cell`: whether it waited in one and has it now."""
        wait = self.waits.get(cell.index)
        if wait is None or not wait.open or not wait.alive(self.monitor.now):
            return False
        signal = self._signals.take(cell)
        if signal is None:
            return False
        wait.complete(wait, *signal)
        return True

    def is_up(self, cell: int) -> bool:
        """Whether a cell can be a partner."""
        return cell in self._up

    def arrive(self, cell: Cell) -> None:
        """A cell has begun a life."""
        self._up.add(cell.index)

    def leave(self, cell: Cell) -> None:
        """A cell's life is over: nobody waits for the dead, but those who can wait for the next life."""
        self._up.discard(cell.index)
        self._callers.pop(cell.index, None)
        self.waits.pop(cell.index, None)
        self.late.gone(cell)
        for wait in sorted(self.waits.values(), key=rank):
            if wait.waits_for != cell.index or not wait.alive(self.monitor.now):
                continue
            if wait.exception:
                wait.message = wait.again
                self._block(wait, SEND, NEVER)
            else:
                wait.broken(wait, Status.PEER_GONE, f"{cell.name} is gone")

    def give_up_on(self, cell: Cell) -> None:
        """There will be no next life: the patient ones learn of it."""
        for wait in sorted(self.waits.values(), key=rank):
            if wait.waits_for == cell.index and wait.exception:
                wait.broken(wait, Status.PEER_GONE, f"{cell.name} is gone")

    # ---- questions

    def slot_of(self, cell: Cell, thread: Thread, kind: Kind = Kind.ENDPOINT) -> int:
        """The lowest slot by which a cell names a thread; STRANGER if it has none."""
        slot = self._authority.find(cell.index, kind, thread)
        return l4.STRANGER if slot is None else slot

    def count(self) -> int:
        """Waits, callers, and cells that are up."""
        return len(self.waits) + len(self._callers) + len(self._up)

    def check_invariants(self) -> None:
        """Every wait is that of a vCPU that waits in a call, and for somebody who may still come.

        Raises:
            InvariantBroken: it is not so.
        """
        problems = []
        for index, wait in self.waits.items():
            if wait.cell.index != index or wait.phase is READY or wait.cell.vcpu.pending is None:
                problems.append(f"ipc: {wait.story(self._names)}, but its vCPU does not wait")
            if (wait.phase is SEND) != (wait.message is not None):
                problems.append(f"ipc: {wait.story(self._names)} with message {wait.message}")
            hopeless = wait.waits_for is not None and wait.waits_for not in self._up and not wait.exception
            if hopeless and wait.alive(self.monitor.now):
                problems.append(f"ipc: {wait.story(self._names)}, which is gone")
        require_none(problems)


Completion = Callable[[Wait, int, Message], None]
Broken = Callable[[Wait, Status, str], None]


def _has_news(cell: Cell) -> bool:
    """Something waits for its vCPU that an open receive must not sleep over."""
    return any(event.kind not in QUIET for event in cell.vcpu.events)


def _decode(tag: int, data: bytes) -> Message:
    """What a caller wants to send.

    Raises:
        Refused: it is no message, or claims to come from the kernel.
    """
    try:
        message = Message.unpack(tag, data)
    except BadIpc as bad:
        raise Refused(bad.status, str(bad)) from None
    if Label.INTERRUPT <= message.label <= Label.EXCEPTION:
        raise Refused(Status.BAD_ARGUMENT, f"label {message.label} is the kernel's")
    return message
