"""Before two domains are joined the policy is asked, if there is one; its refusal becomes an errno of the interface."""

from __future__ import annotations

from hypervisor.abi.xen import Errno
from hypervisor.core.errors import Refused
from hypervisor.core.xen.access import AccessControl
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import XenError


class Guard:
    """Mandatory access control as the calls of domains see it. Without a policy all is at the domains' own discretion."""

    def __init__(self, access: AccessControl) -> None:
        self.access = access

    def check(self, subject: Domain, other: Domain, operation: str) -> None:
        """Raises:
        XenError: EACCES, the policy denies `operation` ("event_channel" or "grant").
        """
        if subject is other:
            return
        try:
            self.access.check(subject.cell, other.cell, operation)
        except Refused as refusal:
            raise XenError(Errno.EACCES, refusal.why) from None
