"""World switch over a shared page and a futex (HOST.md section 1): the default on one host.

The page is hostile ground: the record is copied once, lengths are checked on the copy, and the memfd is sealed so that the
peer cannot shrink it under us.
"""

from __future__ import annotations

import fcntl
import mmap
import os

from cells.engines.native._native import ffi, lib

from cells.engines.native import switch
from hypervisor.abi import page
from hypervisor.abi.records import EXIT, BadRecord, Exit, Resume, pack_events
from hypervisor.shell.links import PeerDied

SPIN_US = 20

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class ShmLink:
    """Link to one local cell. `fd` is the page to hand over; `attach` once the process is known."""

    def __init__(self, spin_us: int = SPIN_US) -> None:
        self.fd = os.memfd_create("cellvisor-page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, page.PAGE_SIZE)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _SEALS)
        self._page = mmap.mmap(self.fd, page.PAGE_SIZE)
        base = ffi.cast("char *", ffi.from_buffer(self._page))
        self._link = ffi.new("struct link *")
        self._link.page = ffi.cast("struct doorbell *", base)
        self._link.resume = ffi.cast("struct resume_record *", base + page.RESUME_AT)
        self._link.exit = ffi.cast("struct exit_record *", base + page.EXIT_AT)
        self._link.pidfd, self._link.spin_us = -1, spin_us
        self._handle = switch.address(self._link)

    def attach(self, pidfd: int) -> None:
        """The process behind the page, for noticing its death when the page does not tell."""
        self._link.pidfd = pidfd

    def resume(self, record: Resume) -> None:
        """See `Link`."""
        events = record[5]
        switch.resume(self._handle, record, pack_events(events) if events else b"")

    def wait(self, timeout_ns: int) -> Exit | None:
        """See `Link`."""
        outcome = switch.wait(self._handle, timeout_ns, Exit)
        if isinstance(outcome, Exit):
            return outcome
        if outcome == lib.LINK_TIMEOUT:
            return None
        if outcome == lib.LINK_DEAD:
            raise PeerDied
        said = EXIT.unpack(ffi.buffer(ffi.addressof(self._link, "copy")))
        raise BadRecord(f"not an answer to the resume: {list(said)}")

    def close(self) -> None:
        """See `Link`."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
