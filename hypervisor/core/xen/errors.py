"""What a domain is told when a call is refused: an errno of the real interface, and why, for the trace."""

from __future__ import annotations

from hypervisor.abi.xen import Errno, GrantStatus


class XenError(Exception):
    """A call is refused with `errno`; nothing has changed."""

    def __init__(self, errno: Errno, why: str) -> None:
        super().__init__(f"{errno.name}: {why}")
        self.errno = errno
        self.why = why


class GrantError(Exception):
    """One operation of grant_table_op is refused with `status`; the others of its array go on."""

    def __init__(self, status: GrantStatus, why: str) -> None:
        super().__init__(f"{status.name}: {why}")
        self.status = status
        self.why = why


class StoreError(Exception):
    """A request to the store is refused; the store answers with the name of `errno`."""

    def __init__(self, errno: Errno, why: str = "") -> None:
        super().__init__(f"{errno.name}: {why}" if why else errno.name)
        self.errno = errno
        self.why = why
