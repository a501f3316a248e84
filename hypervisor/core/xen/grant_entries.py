"""Entries of grant tables in the granters' own pages: each is read once per use, judged, and marked while it is in use.

```python
address = entries.granted(caller, granter, reference, writes=True)     # the frame that the entry gives access to
entries.show_use(granter, reference, reading=True, writing=True)
```

Theory: the granter may write its entries at any moment, and may name any number as a frame. What counts is what the entry
said when it was read, and whether the frame named is a plain page of the granter's own: neither foreign memory that it has
mapped itself, nor a page that the hypervisor writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.xen import GRANT_ENTRY, GRANT_FRAMES, GRANTS_PER_FRAME, Errno, GrantStatus, Gtf
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import GrantError, XenError
from hypervisor.core.xen.guest_memory import GuestMemory

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

TRANSFER_MASK = Gtf.TYPE_MASK | Gtf.TRANSFER_COMMITTED | Gtf.TRANSFER_COMPLETED
TRANSFERRED = Gtf.ACCEPT_TRANSFER | Gtf.TRANSFER_COMMITTED | Gtf.TRANSFER_COMPLETED


class Entries:
    """The tables as they stand in guests' memory."""

    def __init__(self, monitor: Monitor, memory: GuestMemory) -> None:
        self._monitor, self._memory = monitor, memory

    def place_frame(self, domain: Domain, index: int, frame: int) -> None:
        """Grant frame `index` of the domain appears at one of its own pages; the first time it is empty.

        Raises:
            XenError: EINVAL, EFAULT.
        """
        if index >= GRANT_FRAMES:
            raise XenError(Errno.EINVAL, f"no grant frame {index}")
        address = self._memory.own_page(domain.cell, frame)
        before = domain.grant_frames.get(index)
        content = bytes(PAGE) if before is None else self._memory.read(domain.cell, before, PAGE)
        self._memory.write(domain.cell, address, content)
        domain.grant_frames[index] = address

    def granted(self, caller: Domain, granter: Domain, reference: int, *, writes: bool) -> int:
        """The address of the frame to which an entry gives the caller access.

        Raises:
            GrantError: it gives none, or not that much, or the frame is none to give.
        """
        flags, user, frame = self._read(granter, reference)
        if flags & Gtf.TYPE_MASK != Gtf.PERMIT_ACCESS or user != caller.domid:
            why = f"reference {reference} of {granter.name} is not for {caller.name}"
            raise GrantError(GrantStatus.GENERAL_ERROR, why)
        if writes and flags & Gtf.READONLY:
            raise GrantError(GrantStatus.GENERAL_ERROR, f"reference {reference} of {granter.name} is read-only")
        return self.plain(granter, frame)

    def accepts(self, caller: Domain, receiver: Domain, reference: int) -> int:
        """The address of the page that the receiver has put up for one of the caller's.

        Raises:
            GrantError: it has put up none.
        """
        flags, user, frame = self._read(receiver, reference)
        if flags & TRANSFER_MASK != Gtf.ACCEPT_TRANSFER or user != caller.domid:
            raise GrantError(GrantStatus.BAD_GNTREF, f"reference {reference} of {receiver.name} accepts no transfer")
        return self.plain(receiver, frame)

    def transferred(self, receiver: Domain, reference: int) -> None:
        """The page has come."""
        _, user, frame = self._read(receiver, reference)
        entry = GRANT_ENTRY.pack(TRANSFERRED, user, frame)
        self._memory.write(receiver.cell, self._at(receiver, reference), entry)

    def plain(self, domain: Domain, frame: int) -> int:
        """The address of a frame which is the domain's own to give.

        Raises:
            GrantError: BAD_PAGE.
        """
        address = frame * PAGE
        if address >= WINDOW_BASE:
            raise GrantError(GrantStatus.BAD_PAGE, f"frame {frame:#x} is not of {domain.name}'s own memory")
        if frame in domain.given_up:
            raise GrantError(GrantStatus.BAD_PAGE, f"frame {frame:#x} was given up by {domain.name}")
        if address in domain.hypervisor_pages():
            raise GrantError(GrantStatus.BAD_PAGE, f"frame {frame:#x} of {domain.name} is the hypervisor's")
        try:
            self._memory.read(domain.cell, address, PAGE)
        except XenError as error:
            raise GrantError(GrantStatus.BAD_PAGE, error.why) from None
        return address

    def show_use(self, granter: Domain, reference: int, *, reading: bool, writing: bool) -> None:
        """Set or clear the flags of use. A granter that has taken its table away sees nothing of it."""
        try:
            flags, user, frame = self._read(granter, reference)
            flags &= ~(Gtf.READING | Gtf.WRITING)
            flags |= (Gtf.READING if reading else 0) | (Gtf.WRITING if writing else 0)
            self._memory.write(granter.cell, self._at(granter, reference), GRANT_ENTRY.pack(flags, user, frame))
        except (GrantError, XenError) as error:
            self._monitor.refused(granter.cell, f"grant {reference}", str(error))

    @staticmethod
    def _at(domain: Domain, reference: int) -> int:
        frame = domain.grant_frames.get(reference // GRANTS_PER_FRAME)
        if frame is None:
            raise GrantError(GrantStatus.BAD_GNTREF, f"{domain.name} has no reference {reference}")
        return frame + reference % GRANTS_PER_FRAME * GRANT_ENTRY.size

    def _read(self, domain: Domain, reference: int) -> tuple[int, int, int]:
        """The content of an entry: flags, who may use it, frame."""
        at = self._at(domain, reference)
        try:
            flags, user, frame = GRANT_ENTRY.unpack(self._memory.read(domain.cell, at, GRANT_ENTRY.size))
        except XenError as error:
            raise GrantError(GrantStatus.BAD_GNTREF, error.why) from None
        return flags, user, frame
