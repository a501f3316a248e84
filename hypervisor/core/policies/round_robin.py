"""Round robin: all are equal and take turns of one slice. Work-conserving; who waits, waits one slice of each other."""

from __future__ import annotations

from hypervisor.core.policies.policy import VcpuParams
from hypervisor.core.policies.ranked import RankedPolicy


class RoundRobin(RankedPolicy):
    """Everybody has the same rank; priorities do not count."""

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """All the same."""
        return 0
