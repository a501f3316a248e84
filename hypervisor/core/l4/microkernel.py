"""The microkernel: IPC, and nothing that can be done by IPC.

Theory: cells meet in a rendezvous (ipc.py). Memory goes from one to another as an item of a message (mapping.py); a page fault
is a message to the pager (pager.py), an exit that nobody serves one to the virtual machine monitor that hosts the cell
(exceptions.py), an interrupt one to the driver, a bell a word of bits (notifications.py). Capabilities name partners; they are
given at boot and granted through messages. A kernel that runs without privileges is a task beside those of its processes
(door.py).

    monitor = Monitor(cells, policy, costs=..., frames=..., mechanism=Microkernel, wiring=wiring)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from hypervisor.abi.faults import Draws
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import NIL, Item, ItemKind, Label, Message, pack_partners
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.core import injected, mishaps, trust
from hypervisor.core.calls import capabilities
from hypervisor.core.capabilities import Authority, Kind, Right
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.errors import InvariantBroken, Refused, require_none
from hypervisor.core.l4 import door_calls
from hypervisor.core.l4.connections import Connections
from hypervisor.core.l4.door import TaskDoor
from hypervisor.core.l4.exceptions import Exceptions
from hypervisor.core.l4.ipc import Rendezvous
from hypervisor.core.l4.mapping import MappingDatabase
from hypervisor.core.l4.notifications import Signals
from hypervisor.core.l4.pages import Region
from hypervisor.core.l4.waits import EXCEPTIONS, Thread, Wait
from hypervisor.core.lives import fail
from hypervisor.core.mechanism import CallWords, Handler, Mechanism, Reach
from hypervisor.core.wiring import Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor
    from hypervisor.faults.injector import Injector

_PEER = _LINE = struct.Struct("<IB")
LINES = 1 << 10
"""Inputs of an interrupt controller, at most: a GIC has 1020."""


class Microkernel(Mechanism):
    """Synchronous IPC, user-level pagers and drivers, memory by map and grant."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        super().__init__(monitor, wiring)
        self.authority = Authority(static=False)
        self.connections = Connections(monitor, wiring, self.authority)
        self.signals = Signals(monitor)
        self.mapping = MappingDatabase(monitor)
        self.ipc = Rendezvous(monitor, self.authority, self.signals, self._transfer)
        self.exceptions = Exceptions(monitor, wiring, self.ipc, self.mapping)
        self.door = TaskDoor(monitor, wiring, self.signals, door_calls.CALLS)

    def show_faults(self, injector: Injector) -> None:
        """See `Mechanism`."""
        cells = self.monitor.cells
        self.authority.full = lambda cell: injected.refused(self.monitor, cells[cell], "core.capability")

    def calls(self) -> Mapping[int, Handler]:
        """IPC, what belongs to it, and notifications."""
        return {
            **capabilities.calls(self.authority),
            Hypercall.IPC: self.ipc.call,
            Hypercall.IPC_ACCEPT: self.mapping.accept,
            Hypercall.IPC_UNMAP: self.mapping.unmap_call,
            Hypercall.PAGE_FAULT: self.exceptions.page_fault,
            Hypercall.IPC_INJECT: self._inject,
            Hypercall.NOTIFY: self._notify,
        }

    def boot_info(self, cell: Cell) -> dict[str, Any]:
        """Its channels, links, shared memory, pager and clients."""
        return self.connections.describe(cell.index)

    def reserved(self, cell: Cell) -> int:
        """For the tables of its tasks."""
        return self.door.reserved(cell)

    # ---- lives

    def cell_ready(self, cell: Cell) -> None:
        """It has its capabilities; it and its partners learn who is there."""
        self.door.born(cell)
        self.connections.equip(cell.index)
        self.ipc.arrive(cell)
        for other, slot, its_slot in self.connections.partners(cell.index):
            partner = self.monitor.cells[other]
            if cell.account.restarts and self.ipc.is_up(other):
                self._tell_peer(partner, its_slot, there=True)
            if not self.ipc.is_up(other) and self._has_gone(partner):
                self._tell_peer(cell, slot, there=False)

    def cell_ended(self, cell: Cell) -> None:
        """Its partners' waits end, its capabilities and what was derived from them are gone."""
        self.door.ended(cell)
        self.ipc.leave(cell)
        self.signals.forget(cell)
        doomed = self.mapping.cell_ended(cell)
        self.authority.drop_cell(cell.index)
        for other, _, its_slot in self.connections.partners(cell.index):
            if self.ipc.is_up(other):
                self._tell_peer(self.monitor.cells[other], its_slot, there=False)
        for holder in doomed:
            fail(self.monitor, holder, f"pages that {cell.name} had mapped could not be taken from it")

    def cell_gone(self, cell: Cell) -> None:
        """It will not come back: those that waited for its next life give up."""
        self.ipc.give_up_on(cell)

    def _tell_peer(self, cell: Cell, slot: int, *, there: bool) -> None:
        if slot:
            self.monitor.post(cell, EventKind.PEER, _PEER.pack(slot, there))

    @staticmethod
    def _has_gone(cell: Cell) -> bool:
        return cell.ended or (cell.state is CellState.STARTING and cell.account.restarts > 0)

    # ---- notifications and interrupts

    def _notify(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """NOTIFY: bits for whoever the slot names; in its open receive they are a message."""
        thread = self.authority.look(cell.index, record.a1, Kind.NOTIFICATION, Right.SEND).target
        if not isinstance(thread, Thread):
            raise InvariantBroken(f"slot {record.a1} of {cell.name} is a notification of {thread}")
        monitor.step(cell, "capability", what="look", slot=record.a1)
        peer = monitor.cells[thread.cell]
        if not record.a2:
            raise Refused(Status.BAD_ARGUMENT, "no bit to ring with")
        if not self.ipc.is_up(thread.cell):
            raise Refused(Status.PEER_GONE, f"{peer.name} is gone")
        monitor.step(cell, "notify", to=peer.name, bits=record.a2)
        if monitor.faults is not None and mishaps.bell_is_lost(monitor, cell, peer.name):
            return Status.OK
        slot = self.ipc.slot_of(peer, Thread(cell.index, thread.number), Kind.NOTIFICATION)
        self.signals.ring(peer, slot, record.a2)
        if not self.ipc.signal(peer):
            monitor.ring(peer, slot, record.a2)
        return Status.OK

    def interrupt(self, cell: Cell, line: int, level: bool) -> bool:
        """A message, if the owner waits for one; else it is kept, and the LINE event tells those that do not use IPC."""
        if not level:
            self.signals.lower_line(cell, line)
            return False
        self.signals.raise_line(cell, line)
        if not self.ipc.signal(cell):
            return False
        self.monitor.ledger.charge(cell.name, "virq", self.monitor.costs.virq)
        self.monitor.note("irq", cell, line=line, level=1, cause=self._device_of(line), told="message")
        return True

    def _inject(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """IPC_INJECT: the hardware of a hosted cell is what its virtual machine monitor says."""
        thread = self.authority.look(cell.index, record.a1, Kind.ENDPOINT, Right.SEND).target
        monitor.step(cell, "capability", what="look", slot=record.a1)
        if not isinstance(thread, Thread) or thread.number != EXCEPTIONS:
            raise Refused(Status.BAD_ARGUMENT, f"slot {record.a1} is no cell that {cell.name} hosts")
        if not self.ipc.is_up(thread.cell):
            raise Refused(Status.PEER_GONE, f"{monitor.cells[thread.cell].name} is gone")
        if record.a2 >= LINES:
            raise Refused(Status.BAD_ARGUMENT, f"there is no line {record.a2}")
        client, level = monitor.cells[thread.cell], bool(record.a3)
        monitor.post(client, EventKind.LINE, _LINE.pack(record.a2, level))
        monitor.note("irq", client, line=record.a2, level=int(level), cause=cell.name)
        return Status.OK

    def _device_of(self, line: int) -> str:
        return next((device.name for device in self.monitor.bus.devices if device.line == line), "software")

    # ---- items and exceptions

    def _transfer(self, sender: Cell, receiver: Wait, message: Message, served: Cell) -> Message:
        """Carry out the items of a message: all of them, or none and a refusal."""
        if not message.items:
            return message
        for item in message.items:
            self._check(item, sender, receiver)
        passed: list[Item] = []
        try:
            for item in message.items:
                passed.append(self._pass_on(item, sender, receiver, served))  # noqa: PERF401  what was done is undone
        except Refused:
            for item in reversed(passed):
                self._undo(item, receiver.cell)
            raise
        return replace(message, items=tuple(passed))

    def _region(self, receiver: Wait) -> Region | None:
        return receiver.window if receiver.exception else self.mapping.region_of(receiver.cell)

    def _check(self, item: Item, sender: Cell, receiver: Wait) -> None:
        if item.kind is not ItemKind.CAPABILITY:
            self.mapping.check(item, sender, receiver.cell, self._region(receiver))
        else:
            self.authority.identify(sender.index, item.address)

    def _pass_on(self, item: Item, sender: Cell, receiver: Wait, served: Cell) -> Item:
        if item.kind is not ItemKind.CAPABILITY:
            return self.mapping.pass_on(item, sender, receiver.cell, self._region(receiver), served)
        slot = self.authority.grant(sender.index, item.address, receiver.cell.index, item.rights)
        self.monitor.step(served, "capability", what="grant", slot=item.address, to=receiver.cell.name, new=slot)
        return replace(item, address=slot)

    def _undo(self, item: Item, receiver: Cell) -> None:
        if item.kind is ItemKind.CAPABILITY:
            self.authority.delete(receiver.index, item.address)
        else:
            self.mapping.undo(item, receiver)

    def fault(self, cell: Cell, record: Exit) -> bool:
        """To the cell's virtual machine monitor, if it has one."""
        return self.exceptions.tell_fault(cell, record)

    def exception(self, cell: Cell, record: Exit) -> int:
        """A thread of a cell whose kernel is a task."""
        return self.door.exception(cell, record)

    def unserved(self, cell: Cell, record: Exit) -> bool:
        """Likewise."""
        return self.exceptions.serve(cell, record)

    # ---- injected faults

    def forged(self, cell: Cell, draws: Draws) -> list[CallWords]:
        """Of every family a call at a slot that the cell has not got, and pages that are not its own."""
        mine = self.authority.listing(cell.index)
        slot = next(number for number in count(1 + draws.below(255)) if number not in mine)
        nowhere = (draws.below(1 << 16) + (1 << 18)) * PAGE
        ipc = (Hypercall.IPC, pack_partners(slot, NIL), Message(Label.USER, (1,)).tag, 0, bytes(4))
        calls = (Hypercall.NOTIFY, Hypercall.IPC_INJECT, Hypercall.CAP_MINT, Hypercall.CAP_REVOKE, Hypercall.CAP_DELETE)
        unmap = (Hypercall.IPC_UNMAP, nowhere, 1, 1, b"")
        return [*super().forged(cell, draws), ipc, unmap, *((call, slot, 1, 0, b"") for call in calls)]

    def pestering(self, cell: Cell) -> list[CallWords]:
        """Messages, which nobody waits to deliver, and bells, to each partner."""
        ways: list[CallWords] = []
        for slot, capability in self.authority.listing(cell.index).items():
            if Right.SEND in capability.rights and capability.kind is Kind.ENDPOINT:
                tag = Message(Label.CHANNEL, (1,)).tag
                ways.append((Hypercall.IPC, pack_partners(slot, NIL), tag, 0, bytes(4)))
            elif Right.SEND in capability.rights and capability.kind is Kind.NOTIFICATION:
                ways.append((Hypercall.NOTIFY, slot, 1, 0, b""))
        return ways

    # ---- questions

    def reach(self) -> list[Reach]:
        """Every capability is an edge."""
        return self.connections.reach()

    def trust_rules(self) -> tuple[trust.Rule, ...]:
        """A pager gives and takes its clients' pages; who sends waits for the partner."""
        return (
            *trust.COMMON,
            trust.partners("a message over {channel} waits until it receives, or until the timeout"),
            trust.pagers("it answers its page faults and exceptions: it gives it its pages and may take them"),
        )

    def holdings(self) -> Mapping[str, int]:
        """Slots, pages that were mapped on, waits, bits that were rung."""
        cells = self.monitor.cells
        slots = sum(len(self.authority.listing(cell.index)) for cell in cells)
        return {
            "slots": slots,
            "mapped pages": self.mapping.count(),
            "waits": self.ipc.count(),
            "bits": self.signals.count(),
        }

    def check_invariants(self) -> None:
        """Tables and waits are sound."""
        self.authority.check_invariants()
        self.ipc.check_invariants()
        self.mapping.check_invariants()
        require_none(self.door.problems())
