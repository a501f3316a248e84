"""The monitor: owns virtual time, the modelled CPU, physical memory and interrupts of one board.

`from hypervisor import launch` starts a topology from Python; the `cellvisor` command is built on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypervisor.api import Run, launch

__all__ = ["Run", "launch"]


def __getattr__(name: str) -> Any:
    """Load the Python interface on first use: cells import `hypervisor.abi` and must not pay for the monitor."""
    if name in __all__:
        from hypervisor import api

        return getattr(api, name)
    raise AttributeError(f"module 'hypervisor' has no attribute {name!r}")
