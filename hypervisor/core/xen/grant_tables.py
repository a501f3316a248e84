"""Grants in use: pages of one domain that another one has mapped, copies from or to, or is given.

```python
(handle, address), = tables.map(back, [Wish(front.domid, reference, 0, MapFlag.HOST_MAP)])
tables.unmap(back, [(handle, address)])
```

Theory: a granter writes entries into its own table (grant_entries.py) and asks nobody. The hypervisor reads an entry when the
other domain maps it, pins the frame, and shows that in the entry's flags while it lasts: the granter sees that it cannot end
the access yet. An active grant remembers its frame, whatever the entry says by then. Underneath, granted pages are a segment
of the monitor's memory while anybody has them mapped, and plain memory of the granter afterwards; neighbouring pages that one
call maps side by side go over in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.status import Status
from hypervisor.abi.xen import CopyFlag, GrantStatus, MapFlag
from hypervisor.core.errors import Refused
from hypervisor.core.xen.domains import Domain, Domains, Mapping
from hypervisor.core.xen.errors import GrantError, XenError
from hypervisor.core.xen.grant_entries import Entries
from hypervisor.core.xen.guard import Guard
from hypervisor.core.xen.guest_memory import GuestMemory

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

PURPOSE = "grant"
MAP_REFUSALS = {Status.NO_ROOM: GrantStatus.NO_DEVICE_SPACE, Status.DENIED: GrantStatus.PERMISSION_DENIED}
"""What a refusal of the memory means to who maps; everything else is an address that will not do."""


@dataclass(slots=True)
class Active:
    """A grant that is in use: by whom, which page, how often mapped at all and writable."""

    user: int
    address: int
    segment: int
    pins: int = 0
    write_pins: int = 0


class Wish(NamedTuple):
    """One operation of a map_grant_ref array. `host`: where to, or 0 for any free place."""

    granter: int
    reference: int
    host: int
    flags: int

    @property
    def writable(self) -> bool:
        """Whether it is to be mapped writable."""
        return not self.flags & MapFlag.READONLY


class Place(NamedTuple):
    """One end of a copy: a reference into a domain's table, or a frame of the caller's own."""

    what: int
    domid: int
    offset: int
    by_reference: bool

    @classmethod
    def of(cls, flags: int, flag: CopyFlag, what: int, domid: int, offset: int) -> Place:
        """As the structure says it; a reference is the low half of the word."""
        by_reference = bool(flags & flag)
        return cls(what & 0xFFFFFFFF if by_reference else what, domid, offset, by_reference)


class GrantTables:
    """The grants of all domains in use."""

    def __init__(self, monitor: Monitor, domains: Domains, memory: GuestMemory, guard: Guard) -> None:
        self._monitor, self._domains, self._memory, self._guard = monitor, domains, memory, guard
        self.entries = Entries(monitor, memory)
        self._active: dict[tuple[int, int], Active] = {}  # (granter, reference)
        self._users: dict[int, int] = {}  # segment -> active grants in it
        self._idle: set[int] = set()  # segments without users that could not be dissolved at once

    # ---- map and unmap

    def map(self, caller: Domain, wishes: Sequence[Wish]) -> list[tuple[int, int] | GrantError]:
        """What became of each wish, in order: handle and address, or why not."""
        self._tidy()
        results: list[tuple[int, int] | GrantError] = []
        while len(results) < len(wishes):
            try:
                results += self._map_run(caller, wishes[len(results) :])
            except GrantError as error:
                results.append(error)
        return results

    def _map_run(self, caller: Domain, wishes: Sequence[Wish]) -> list[tuple[int, int]]:
        """Map the first wish, and with it those behind it that continue it page by page."""
        granter = self._granter(caller, wishes[0])
        first = self._admitted(caller, granter, wishes[0])
        self._check(caller, granter)
        pages = 1
        while pages < len(wishes) and self._continues(caller, granter, first, wishes[0], wishes[pages], pages):
            pages += 1
        self._monitor.step(caller.cell, "grant", times=pages, granter=granter.name, ref=wishes[0].reference)
        segment, offset = self._shared(granter, first, pages)
        host = self._appear(caller, segment, offset, pages, wishes[0])
        writable = int(wishes[0].writable)
        self._monitor.step(
            caller.cell, "map", times=pages, address=host, granter=granter.name, writable=writable, pages=pages
        )
        return [
            self._pin(caller, granter, wish, first + n * PAGE, segment, host + n * PAGE)
            for n, wish in enumerate(wishes[:pages])
        ]

    def unmap(self, caller: Domain, handles: Sequence[tuple[int, int]]) -> list[GrantError | None]:
        """Give mappings back, each by its handle and address; what was refused, in order."""
        self._tidy()
        results: list[GrantError | None] = []
        while len(results) < len(handles):
            try:
                results += self._unmap_run(caller, handles[len(results) :])
            except GrantError as error:
                results.append(error)
        return results

    def _unmap_run(self, caller: Domain, handles: Sequence[tuple[int, int]]) -> list[None]:
        """The first mapping, and with it those behind it that lie next to it."""
        first = self._held(caller, *handles[0])
        run = [first]
        while len(run) < len(handles):
            mapping = caller.handles.get(handles[len(run)][0])
            if mapping is None or mapping in run or not _lies_behind(mapping, run[-1], handles[len(run)][1]):
                break
            run.append(mapping)
        if first.granter is not None:
            try:
                self._monitor.memory.unmap(caller.cell, first.address, len(run))
            except Refused as refusal:
                raise GrantError(GrantStatus.BAD_VIRT_ADDR, str(refusal)) from None
        self._monitor.step(caller.cell, "unmap", times=len(run), address=first.address, pages=len(run))
        for mapping, (handle, _) in zip(run, handles, strict=False):
            del caller.handles[handle]
            self._unpin(mapping)
        return [None] * len(run)

    @staticmethod
    def _held(caller: Domain, handle: int, host: int) -> Mapping:
        mapping = caller.handles.get(handle)
        if mapping is None:
            raise GrantError(GrantStatus.BAD_HANDLE, f"no handle {handle}")
        if host != mapping.address:
            raise GrantError(GrantStatus.BAD_VIRT_ADDR, f"handle {handle} is not mapped at {host:#x}")
        return mapping

    # ---- copy and transfer

    def copy(self, caller: Domain, source: Place, dest: Place, length: int) -> None:
        """Copy bytes within two pages, each the caller's own or granted to it.

        Raises:
            GrantError: nothing was copied.
        """
        if max(source.offset, dest.offset) + length > PAGE:
            raise GrantError(GrantStatus.BAD_COPY_ARG, f"{length} bytes cross the end of a page")
        origin, read_at = self._end(caller, source, writes=False)
        target, write_at = self._end(caller, dest, writes=True)
        self._monitor.step(caller.cell, "copy", times=-(-length // 4), bytes=length, of=origin.name, to=target.name)
        try:
            data = self._memory.read(origin.cell, read_at + source.offset, length)
            self._memory.write(target.cell, write_at + dest.offset, data)
        except XenError as error:
            raise GrantError(GrantStatus.BAD_PAGE, error.why) from None
        self._changed(target, write_at + dest.offset, length)

    def transfer(self, caller: Domain, frame: int, domid: int, reference: int) -> None:
        """Give a page away for good: its content becomes that of the page which the receiver has put up for it.

        The caller is left with an empty page in its place, where after a real transfer it has none.

        Raises:
            GrantError: nothing has changed.
        """
        receiver = self._live(caller, domid)
        taken = self.entries.accepts(caller, receiver, reference)
        given = self.entries.plain(caller, frame)
        for domain, address in ((caller, given), (receiver, taken)):
            if self._monitor.memory.segment_at(domain.cell, address) is not None:
                raise GrantError(GrantStatus.BAD_PAGE, f"the page at {address:#x} of {domain.name} is in use")
        self._check(caller, receiver)
        self._monitor.step(caller.cell, "grant", granter=receiver.name, ref=reference, transfer=1)
        self._monitor.step(caller.cell, "unmap", address=given, pages=1)
        self._monitor.step(caller.cell, "map", address=taken, granter=receiver.name, writable=1, pages=1)
        self._memory.write(receiver.cell, taken, self._memory.read(caller.cell, given, PAGE))
        self._memory.write(caller.cell, given, bytes(PAGE))
        self._changed(receiver, taken, PAGE)
        self._changed(caller, given, PAGE)
        self.entries.transferred(receiver, reference)

    # ---- the end of a domain

    def domain_ended(self, domain: Domain) -> None:
        """What it had mapped is given back, what it had granted is gone from the others; its memory goes by itself."""
        for other in self._domains.all():
            for mapping in other.handles.values():
                if mapping.granter == domain.domid:
                    mapping.granter = None
        for key in [key for key in self._active if key[0] == domain.domid]:
            self._users.pop(self._active.pop(key).segment, None)
        for mapping in domain.handles.values():
            self._unpin(mapping)
        domain.handles.clear()

    def in_use(self, granter: Domain) -> list[tuple[int, int, bool]]:
        """Grants of a domain that are mapped: reference, by whom, whether writable."""
        return [(ref, a.user, a.write_pins > 0) for (domid, ref), a in self._active.items() if domid == granter.domid]

    def problems(self) -> list[str]:
        """What contradicts itself: the pins of active grants are the handles that domains hold."""
        held = [mapping for domain in self._domains.all() for mapping in domain.handles.values()]
        pins: dict[tuple[int, int], list[int]] = {}
        for mapping in held:
            if mapping.granter is not None:
                count = pins.setdefault((mapping.granter, mapping.reference), [0, 0])
                count[0] += 1
                count[1] += mapping.writable
        found = {key: [active.pins, active.write_pins] for key, active in self._active.items()}
        segments: dict[int, int] = {}
        for active in self._active.values():
            segments[active.segment] = segments.get(active.segment, 0) + 1
        problems = [] if pins == found else [f"xen: grants in use {found}, handles {pins}"]
        return problems if segments == self._users else [*problems, f"xen: segments {segments}, counted {self._users}"]

    # ---- steps

    def _changed(self, domain: Domain, address: int, length: int) -> None:
        """A domain's memory was written here; an unmodified kernel may have run what was there."""
        if domain.cell.index in self._domains.kernels:
            self._monitor.wrote(domain.cell, address, length)

    def _granter(self, caller: Domain, wish: Wish) -> Domain:
        if not wish.flags & MapFlag.HOST_MAP:
            raise GrantError(GrantStatus.BAD_GNTREF, f"flags {wish.flags:#x} do not ask for a mapping")
        if wish.flags & ~(MapFlag.HOST_MAP | MapFlag.DEVICE_MAP | MapFlag.READONLY):
            raise GrantError(GrantStatus.GENERAL_ERROR, f"flags {wish.flags:#x} are not for ARM")
        return self._live(caller, wish.granter)

    def _live(self, caller: Domain, domid: int) -> Domain:
        try:
            return self._domains.live(caller, domid)
        except XenError as error:
            raise GrantError(GrantStatus.BAD_DOMAIN, error.why) from None

    def _check(self, caller: Domain, other: Domain) -> None:
        try:
            self._guard.check(caller, other, "grant")
        except XenError as error:
            raise GrantError(GrantStatus.PERMISSION_DENIED, error.why) from None

    def _admitted(self, caller: Domain, granter: Domain, wish: Wish) -> int:
        """The address of the page that the active grant, or else the entry, lets the caller map."""
        active = self._active.get((granter.domid, wish.reference))
        if active is None:
            return self.entries.granted(caller, granter, wish.reference, writes=wish.writable)
        if active.user != caller.domid:
            raise GrantError(GrantStatus.GENERAL_ERROR, f"reference {wish.reference} is in use by another domain")
        if wish.writable and not active.write_pins:  # more than it was looked at for
            self.entries.granted(caller, granter, wish.reference, writes=True)
        return active.address

    def _continues(self, caller: Domain, granter: Domain, first: int, head: Wish, wish: Wish, page: int) -> bool:
        """Whether a later wish is, rightfully, for the `page`th page behind that of `head`, next to it in both domains."""
        host = head.host and head.host + page * PAGE
        if (wish.granter, wish.flags, wish.host) != (head.granter, head.flags, host):
            return False
        try:
            address = self._admitted(caller, granter, wish)
        except GrantError:
            return False
        memory, cell = self._monitor.memory, granter.cell
        began, here = memory.segment_at(cell, first), memory.segment_at(cell, address)
        expected = began and (began[0], began[1] + page)
        return address == first + page * PAGE and here == expected

    def _shared(self, granter: Domain, address: int, pages: int) -> tuple[int, int]:
        """The segment in which these pages are, and the first one's place in it."""
        found = self._monitor.memory.segment_at(granter.cell, address)
        if found is not None:
            return found
        try:
            return self._monitor.memory.share(granter.cell, address, pages, PURPOSE), 0
        except Refused as refusal:
            self._have_noted(granter)
            raise GrantError(MAP_REFUSALS.get(refusal.status, GrantStatus.BAD_PAGE), str(refusal)) from None

    def _have_noted(self, *domains: Domain) -> None:
        """Who has not taken note of earlier changes is made to; the caller may try again.

        Raises:
            GrantError: EAGAIN, there are such.
        """
        behind = [domain for domain in domains if self._monitor.memory.is_behind(domain.cell)]
        for domain in behind:
            self._monitor.nudge(domain.cell)
        if behind:
            why = f"{behind[0].name} has to take note of other changes first"
            raise GrantError(GrantStatus.EAGAIN, why) from None

    def _appear(self, caller: Domain, segment: int, offset: int, pages: int, wish: Wish) -> int:
        """The pages appear in the caller's window; where."""
        memory, host = self._monitor.memory, wish.host or None
        try:
            self._require_given_up(caller, wish.host, pages)
            return memory.map(segment, offset, pages, caller.cell, host, writable=wish.writable, covers=True)
        except Refused as refusal:
            self._dissolve(segment)
            self._have_noted(caller)
            raise GrantError(MAP_REFUSALS.get(refusal.status, GrantStatus.BAD_VIRT_ADDR), str(refusal)) from None

    def _require_given_up(self, caller: Domain, host: int, pages: int) -> None:
        """In its own memory a domain may have foreign pages where it has given up its own."""
        first = host // PAGE
        own = 0 < host < WINDOW_BASE
        if own and not all(frame in caller.given_up for frame in range(first, first + pages)):
            raise Refused(Status.BAD_ARGUMENT, f"{caller.name} has not given up its page at {host:#x}")

    def _pin(
        self, caller: Domain, granter: Domain, wish: Wish, address: int, segment: int, host: int
    ) -> tuple[int, int]:
        """Account for a page that has been mapped; its handle and place."""
        active = self._active.get((granter.domid, wish.reference))
        if active is None:
            active = self._active[granter.domid, wish.reference] = Active(caller.domid, address, segment)
            self._users[segment] = self._users.get(segment, 0) + 1
        active.pins += 1
        active.write_pins += wish.writable
        self.entries.show_use(granter, wish.reference, reading=True, writing=active.write_pins > 0)
        handle, caller.next_handle = caller.next_handle, caller.next_handle + 1
        caller.handles[handle] = Mapping(granter.domid, wish.reference, host, wish.writable)
        return handle, host

    def _unpin(self, mapping: Mapping) -> None:
        """A mapping is gone: so is the pin, and with the last one what shows in the entry, and the segment."""
        if mapping.granter is None:
            return
        key = (mapping.granter, mapping.reference)
        active, granter = self._active[key], self._domains.by_number(mapping.granter)
        active.pins -= 1
        active.write_pins -= mapping.writable
        reading, writing = active.pins > 0, active.write_pins > 0
        self.entries.show_use(granter, mapping.reference, reading=reading, writing=writing)
        if reading:
            return
        del self._active[key]
        self._users[active.segment] -= 1
        if not self._users[active.segment]:
            del self._users[active.segment]
            self._dissolve(active.segment)

    def _dissolve(self, segment: int) -> None:
        """A segment that nobody uses any more is the granter's plain memory again, now or as soon as that is possible."""
        if segment in self._users:
            return
        try:
            self._monitor.memory.drop(segment)
        except Refused as refusal:
            if refusal.status is Status.NO_ROOM:
                self._idle.add(segment)

    def _tidy(self) -> None:
        idle, self._idle = self._idle, set()
        for segment in sorted(idle):
            self._dissolve(segment)

    def _end(self, caller: Domain, place: Place, *, writes: bool) -> tuple[Domain, int]:
        """Whose memory one end of a copy is in, and the address of its page."""
        domain = self._live(caller, place.domid)
        if place.by_reference:
            self._check(caller, domain)
            self._monitor.step(caller.cell, "grant", granter=domain.name, ref=place.what)
            return domain, self.entries.granted(caller, domain, place.what, writes=writes)
        if domain is not caller:
            raise GrantError(GrantStatus.PERMISSION_DENIED, f"frame {place.what:#x} of {domain.name} without a grant")
        return domain, place.what * PAGE


def _lies_behind(mapping: Mapping, before: Mapping, host: int) -> bool:
    """Whether a mapping can be given back together with the one before it."""
    return host == mapping.address == before.address + PAGE and (mapping.granter is None) == (before.granter is None)
