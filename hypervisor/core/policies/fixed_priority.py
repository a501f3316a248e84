"""Fixed priorities: the highest number runs, equals take turns of one slice.

A lower one never runs on a core while a higher one that may use that core is runnable and not running elsewhere.
Work-conserving. A greedy vCPU of high priority starves all below: that is what was asked for; `reservation` and
`partition` are the answers.
"""

from __future__ import annotations

from hypervisor.core.policies.policy import VcpuParams
from hypervisor.core.policies.ranked import RankedPolicy


class FixedPriority(RankedPolicy):
    """Higher number wins; round robin among equals. A donated turn has its donor's priority."""

    donates_rank = True

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """The priority, turned round: lower ranks are more urgent."""
        return -params.priority
