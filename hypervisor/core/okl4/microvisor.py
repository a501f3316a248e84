"""The microvisor: what a cell can reach is settled at boot, and no call ever waits.

Theory: all partners are in front of each other from the start: a bounded queue per direction of a message channel, shared pages
and a virtual interrupt per link. Static capabilities name them. A call copies, maps or rings and returns at once; who has to
wait does so outside, until its virtual interrupt comes. A death takes nothing from others but the messages for the dead.

    monitor = Monitor(cells, policy, costs=..., frames=..., mechanism=Microvisor, wiring=wiring)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from hypervisor.abi.bells import ARRIVED, ROOM
from hypervisor.abi.faults import Draws
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.core import injected, mishaps, trust
from hypervisor.core.calls import capabilities
from hypervisor.core.capabilities import Authority, Capability, Kind, Right
from hypervisor.core.cell import Cell
from hypervisor.core.errors import InvariantBroken, Refused, require_none
from hypervisor.core.mechanism import CallWords, Handler, Mechanism, Reach
from hypervisor.core.okl4.connections import Connection, Connections, End, Region
from hypervisor.core.okl4.door import Door
from hypervisor.core.wiring import Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

WORD = 4
"""Bytes that one "copy" moves."""
_NAMING = (
    Hypercall.CHANNEL_RECEIVE,
    Hypercall.NOTIFY,
    Hypercall.MEMORY_MAP,
    Hypercall.CAP_MINT,
    Hypercall.CAP_REVOKE,
    Hypercall.CAP_DELETE,
    Hypercall.CAP_IDENTIFY,
)
"""Calls whose first argument is a slot."""
_PEER = struct.Struct("<IB")
FULL_FOR = 20_000
"""Cycles for which a queue passes for full by an injected fault."""


class Microvisor(Mechanism):
    """Static capabilities, asynchronous channels, virtual interrupts, memory shared at boot."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        super().__init__(monitor, wiring)
        self.authority = Authority(static=True)
        self.connections = Connections(monitor, wiring, self.authority)
        self.door = Door(monitor, wiring)
        self._up: set[int] = set()
        self._sealed = False

    def calls(self) -> Mapping[int, Handler]:
        """Of the calls that change a table, none is ever granted: boot is over before a guest runs."""
        return {
            **capabilities.calls(self.authority),
            Hypercall.CHANNEL_SEND: self._send,
            Hypercall.CHANNEL_RECEIVE: self._receive,
            Hypercall.NOTIFY: self._notify,
            Hypercall.MEMORY_MAP: self._map,
            Hypercall.MEMORY_UNMAP: self._unmap,
        }

    def boot_info(self, cell: Cell) -> dict[str, Any]:
        """Its channels, links and shared memory, with slots and addresses."""
        return self.connections.describe(cell.index)

    # ---- paravirtual kernels

    def reserved(self, cell: Cell) -> int:
        """What its virtual MMU takes."""
        return self.door.reserved(cell)

    def exception(self, cell: Cell, record: Exit) -> int:
        """An exit of a paravirtual kernel or its processes."""
        return self.door.exception(cell, record)

    # ---- lives

    def seal(self) -> None:
        """Hand out the board's devices, which are attached after this object is made, and end boot."""
        if self._sealed:
            return
        for device in self.monitor.bus.devices:
            if device.owner is None:
                continue
            self.authority.give(device.owner, Kind.DEVICE, device.name, Right.READ | Right.WRITE | Right.CONTROL)
            if device.line is not None:
                self.authority.give(device.owner, Kind.IRQ, (device.line, device.name), Right.RECEIVE | Right.CONTROL)
        self.authority.seal()
        self._sealed = True

    def cell_ready(self, cell: Cell) -> None:
        """It and each partner that is up learn of one another. Its shared pages are there by themselves."""
        self.seal()
        self.door.born(cell)
        self._up.add(cell.index)
        for connection in self.connections.of(cell.index):
            if connection.params.other(cell.index) in self._up:
                for end in connection.ends:
                    self._tell_peer(connection, end, there=True)

    def cell_ended(self, cell: Cell) -> None:
        """Messages for it are dropped and accounted for; those that it sent stay. Partners learn that it is gone."""
        self.door.ended(cell)
        self._up.discard(cell.index)
        for connection in self.connections.of(cell.index):
            connection.bereft.discard(cell.index)
            connection.behind.pop(cell.index, None)
            if cell.index in connection.queues:
                connection.bereft.add(connection.params.other(cell.index))
                dropped = connection.queues[cell.index].clear()
                if dropped.messages:
                    self.monitor.note("dropped", cell, cause=connection.params.name, **dropped._asdict())
            other = connection.params.other(cell.index)
            if other in self._up:
                self._tell_peer(connection, other, there=False)

    def _tell_peer(self, connection: Connection, end: int, *, there: bool) -> None:
        self.monitor.post(self.monitor.cells[end], EventKind.PEER, _PEER.pack(connection.slots[end], there))

    # ---- hypercalls

    def _look(self, cell: Cell, slot: int, kind: Kind, needed: Right) -> Capability:
        capability = self.authority.look(cell.index, slot, kind, needed)
        self.monitor.step(cell, "capability", what="look", slot=slot)
        return capability

    def _end(self, cell: Cell, slot: int, kind: Kind, needed: Right) -> tuple[Connection, Cell]:
        """The connection that a slot names, and the cell at its other end."""
        target = self._look(cell, slot, kind, needed).target
        if not isinstance(target, End):
            raise InvariantBroken(f"slot {slot} of {cell.name} is a {kind.name} of {target}")
        connection = self.connections.all[target.number]
        return connection, self.monitor.cells[connection.params.other(target.cell)]

    def _send(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """CHANNEL_SEND: into the partner's queue, and its virtual interrupt."""
        connection, peer = self._end(cell, record.a1, Kind.CHANNEL, Right.SEND)
        if peer.ended:
            raise Refused(Status.PEER_GONE, f"{peer.name} is gone")
        if monitor.faults is None:
            self._put(cell, connection, peer, record.data)
        else:
            self._put_or_not(cell, connection, peer, record.data)
        return Status.OK

    def _put(self, cell: Cell, connection: Connection, peer: Cell, data: bytes) -> None:
        queue, name = connection.queues[peer.index], connection.params.name
        queue.put(data)
        connection.bereft.discard(cell.index)
        self.monitor.step(cell, "channel", what="put", channel=name, to=peer.name, bytes=len(data), waiting=len(queue))
        self._copied(cell, data, name)
        self._ring(cell, connection, peer, ARRIVED)

    def _put_or_not(self, cell: Cell, connection: Connection, peer: Cell, data: bytes) -> None:
        """The same where something may befall the message; its sender is told, and charged, as if nothing had."""
        queue, name = connection.queues[peer.index], connection.params.name
        queue.require_room(data)
        if injected.refused(monitor := self.monitor, cell, "core.quota", channel=name):
            monitor.alarms.at(monitor.now + FULL_FOR, partial(self._ring_late, connection, cell))
            monitor.rounds.heed_timers()
            raise Refused(Status.FULL, f"{queue.depth} messages wait already")
        fate = mishaps.of_message(self.monitor, cell, data, queue.limit, channel=name, to=peer.name)
        if fate.now:
            self._put(cell, connection, peer, fate.now[0])
        else:
            self.monitor.step(cell, "channel", what="lost", channel=name, to=peer.name, bytes=len(data))
            self._copied(cell, data, name)
        late = [*fate.now[1:], *(connection.behind.pop(cell.index, []) if fate.now else [])]
        for message in late:
            self._arrive_late(connection, peer, message)
        if fate.held is not None and fate.delay:
            mishaps.later(self.monitor, fate.delay, partial(self._arrive_late, connection, peer, fate.held))
        elif fate.held is not None:
            connection.behind.setdefault(cell.index, []).append(fate.held)
            del connection.behind[cell.index][: -queue.depth]

    def _arrive_late(self, connection: Connection, peer: Cell, data: bytes) -> None:
        """A message that nobody sends now, as it was sent before: into the queue if there is room and somebody to read it."""
        queue, name = connection.queues[peer.index], connection.params.name
        if peer.index not in self._up or len(queue) >= queue.depth:
            self.monitor.note("dropped", peer, cause=name, messages=1, bytes=len(data))
            return
        queue.put(data)
        self.monitor.note("late", peer, channel=name, bytes=len(data), waiting=len(queue))
        self.monitor.ring(peer, connection.slots[peer.index], ARRIVED)

    def _ring_late(self, connection: Connection, cell: Cell) -> None:
        """A queue that passed for full has room again."""
        if cell.index in self._up:
            self.monitor.ring(cell, connection.slots[cell.index], ROOM)

    def _receive(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """CHANNEL_RECEIVE: out of the caller's queue; a partner that a full queue had refused is rung.

        Who finds nothing after its partner's death is told of that, once if there is a new life: an answer may have been lost.
        """
        connection, peer = self._end(cell, record.a1, Kind.CHANNEL, Right.RECEIVE)
        queue, name = connection.queues[cell.index], connection.params.name
        if not len(queue) and (peer.ended or cell.index in connection.bereft):
            connection.bereft.discard(cell.index)
            raise Refused(Status.PEER_GONE, f"no message waits, and {peer.name} is gone")
        data, left, was_full = queue.take()
        monitor.step(cell, "channel", what="take", channel=name, peer=peer.name, bytes=len(data), waiting=left)
        self._copied(cell, data, name)
        monitor.reply(cell, data)
        if was_full:
            self._ring(cell, connection, peer, ROOM)
        return left << 32 | len(data)

    def _notify(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """NOTIFY: the partner's virtual interrupt; bits that wait already are merged."""
        connection, peer = self._end(cell, record.a1, Kind.NOTIFICATION, Right.SEND)
        if not record.a2:
            raise Refused(Status.BAD_ARGUMENT, "no bit to ring with")
        if peer.ended:
            raise Refused(Status.PEER_GONE, f"{peer.name} is gone")
        if monitor.faults is None or not mishaps.bell_is_lost(monitor, cell, peer.name):
            self._ring(cell, connection, peer, record.a2)
        return Status.OK

    def _map(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """MEMORY_MAP: shared pages appear at a place of the caller's choice in its window."""
        needed = Right.READ | Right.WRITE if record.a3 else Right.READ
        region = self._look(cell, record.a1, Kind.MEMORY, needed).target
        if not isinstance(region, Region):
            raise InvariantBroken(f"slot {record.a1} of {cell.name} is memory {region}")
        monitor.memory.map(region.segment, 0, region.pages, cell, record.a2, writable=bool(record.a3))
        monitor.step(cell, "map", times=region.pages, memory=region.name, address=record.a2, pages=region.pages)
        return Status.OK

    def _unmap(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """MEMORY_UNMAP: the caller gives back what it has mapped by MEMORY_MAP."""
        end = record.a1 + record.a2 * PAGE
        if any(view.address < end and record.a1 < view.end for view in self.connections.views_of(cell.index)):
            raise Refused(Status.DENIED, f"what lies at {record.a1:#x} is there since boot, and stays")
        monitor.memory.unmap(cell, record.a1, record.a2)
        monitor.step(cell, "unmap", times=record.a2, address=record.a1, pages=record.a2)
        return Status.OK

    def _copied(self, cell: Cell, data: bytes, channel: str) -> None:
        words = -(-len(data) // WORD)
        if words:
            self.monitor.step(cell, "copy", times=words, channel=channel, words=words)

    def _ring(self, cell: Cell, connection: Connection, peer: Cell, bits: int) -> None:
        self.monitor.step(cell, "notify", channel=connection.params.name, to=peer.name, bits=bits)
        self.monitor.ring(peer, connection.slots[peer.index], bits)

    # ---- injected faults

    def forged(self, cell: Cell, draws: Draws) -> list[CallWords]:
        """Of every family a call at a slot that the cell has not got."""
        mine = self.authority.listing(cell.index)
        slot = next(number for number in count(1 + draws.below(255)) if number not in mine)
        named = [(call, slot, 1, 0, b"") for call in _NAMING]
        return [*super().forged(cell, draws), *named, (Hypercall.CHANNEL_SEND, slot, 0, 0, b"forged")]

    def pestering(self, cell: Cell) -> list[CallWords]:
        """Messages and bells, to each partner."""
        ways: list[CallWords] = []
        for connection in self.connections.of(cell.index):
            slot = connection.slots[cell.index]
            message = bool(connection.queues)
            ways.append(
                (Hypercall.CHANNEL_SEND, slot, 0, 0, b"flood") if message else (Hypercall.NOTIFY, slot, 1, 0, b"")
            )
        return ways

    # ---- questions

    def holdings(self) -> Mapping[str, int]:
        """Messages that wait for the dead; slots are fixed at boot. What a cell has sent stays for its partner's next life."""
        waiting = 0
        for connection in self.connections.all:
            waiting += sum(len(queue) for end, queue in connection.queues.items() if self.monitor.cells[end].ended)
        return {"messages": waiting, "cells that are up": len(self._up)}

    def reach(self) -> list[Reach]:
        """Every capability is an edge."""
        self.seal()
        return [
            self._edge(cell.name, capability)
            for cell in self.monitor.cells
            for capability in self.authority.listing(cell.index).values()
        ]

    def trust_rules(self) -> tuple[trust.Rule, ...]:
        """The microvisor settles all else at boot: a partner can leave a channel full or empty, and nobody waits in it."""
        return (*trust.COMMON, trust.partners("it may leave {channel} full or empty; a call never waits for it"))

    def _edge(self, cell: str, capability: Capability) -> Reach:
        kind, target, rights = capability.kind.name.lower(), capability.target, capability.rights.text()
        if isinstance(target, End):
            params = self.connections.all[target.number].params
            peer = self.monitor.cells[params.other(target.cell)].name
            return Reach(cell, peer, f"{kind} {params.name}", rights)
        if isinstance(target, Region):
            return Reach(cell, target.name, kind, rights)
        name = str(target[1]) if isinstance(target, tuple) else str(target)
        return Reach(cell, name, kind, rights)

    def check_invariants(self) -> None:
        """Tables and queues are sound; nothing waits for a cell that has ended."""
        self.authority.check_invariants()
        problems = self.door.problems()
        for connection in self.connections.all:
            for index, queue in connection.queues.items():
                cell = self.monitor.cells[index]
                problems += queue.problems(f"channel {connection.params.name} to {cell.name}")
                if cell.ended and len(queue):
                    problems.append(
                        f"channel {connection.params.name}: {len(queue)} messages for {cell.name}, which has ended"
                    )
        require_none(problems)
