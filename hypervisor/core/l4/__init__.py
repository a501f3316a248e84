"""The l4 flavour's mechanism: synchronous IPC, and all else built of it."""

from __future__ import annotations

from hypervisor.core.l4.microkernel import Microkernel

__all__ = ["Microkernel"]
