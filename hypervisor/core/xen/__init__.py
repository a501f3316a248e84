"""xen: event channels, grants, the store, and the rules of who may use them."""

from __future__ import annotations

from hypervisor.core.xen.hypervisor import XenHypervisor

__all__ = ["XenHypervisor"]
