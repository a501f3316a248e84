"""The mechanism of the microvisor: static capabilities, bounded channels, virtual interrupts, memory that is shared at boot."""

from __future__ import annotations

from hypervisor.core.okl4.microvisor import Microvisor

__all__ = ["Microvisor"]
