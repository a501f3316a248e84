"""Reservations: a vCPU with budget B and period P may run B cycles in each period, and gets them when it wants them.

Each reserved vCPU is a deferrable server with hard limits, scheduled by earliest deadline first:

- Periods of a vCPU are [k*P, (k+1)*P), k = 0, 1, 2...: exact multiples from time 0. At the start of each its budget
  is B again, whatever was left or overrun before. Its deadline is the end of the period.
- While it has budget it is ranked by deadline (equal deadlines take turns of a slice). Without budget it does not
  run, not even on an idle core, until the next period.
- A blocked vCPU keeps its budget, but one that wakes at t keeps at most (deadline - t) * B / P of it, rounded down.
  Without this rule a late riser runs its full B just before its deadline and its next B just after, twice its share
  at once, at the expense of the others. (Linux, SCHED_DEADLINE: "revised wakeup rule", commit 3effcb4247e7.)
- `yield_` gives up the rest of the budget of this period (as sched_yield does under SCHED_DEADLINE).
- A vCPU without budget runs in the background: only when no reserved one may, and then round robin.

Guarantee: if on a core the B / P of those that use no other core sum to at most 1 and nobody else with a reservation
may use it, each gets its full B in every period in which it is runnable throughout. A stop that comes a block late
counts against the period in which it happened; the next is not shortened by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypervisor.abi.time import NEVER
from hypervisor.core.policies.budgeted import BudgetedPolicy
from hypervisor.core.policies.policy import VcpuParams


@dataclass(slots=True)
class Server:
    """What is `left` of the budget in period number `period` (below zero: overshot). A later period begins afresh."""

    period: int = -1
    left: int = 0


class Reservation(BudgetedPolicy[Server]):
    """Budgets by earliest deadline first; the rest in the background."""

    name = "reservation"

    def begin(self) -> Server:
        """Before all periods."""
        return Server()

    def is_sound(self, server: Server, params: VcpuParams) -> bool:
        """None has more than its budget; a stop that came late leaves less than nothing."""
        return server.left <= params.budget

    def wake(self, vcpu: int, now: int) -> None:
        """It became runnable: apply the rule for late risers."""
        params = self._known(vcpu)
        # One that is runnable may be running: what it has run in the old period is not charged yet, so open no new one.
        if params.budget and vcpu not in self._turns:
            self._settle(params, now // params.period, self._budget(params, now))
        super().wake(vcpu, now)

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """Take what it ran from the budget of the period in which it ran."""
        super().charge(vcpu, core, start, end)
        params = self._known(vcpu)
        if params.budget and end > start:
            period = (end - 1) // params.period  # what it ran in earlier periods is no longer of interest
            left = self._full_or_left(params, period)
            self._settle(params, period, left - (end - max(start, period * params.period)))

    def yield_(self, vcpu: int, now: int) -> None:
        """Give up the rest of this period's budget, or the turn in the background."""
        params = self._known(vcpu)
        if params.budget:
            period = now // params.period
            self._settle(params, period, min(0, self._full_or_left(params, period)))
        super().yield_(vcpu, now)

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """The deadline, for one with budget; behind all deadlines, for one in the background."""
        if not params.budget:
            return NEVER
        return self._deadline(params, now) if self._budget(params, now) > 0 else None

    def release(self, params: VcpuParams, now: int) -> int:
        """Budget comes with the next period."""
        return self._deadline(params, now)

    def limit(self, params: VcpuParams, now: int) -> int:
        """The budget ends, or the deadline moves."""
        if not params.budget:
            return NEVER
        return min(now + self._budget(params, now), self._deadline(params, now))

    def _budget(self, params: VcpuParams, now: int) -> int:
        """What it may still run in the period of `now`; for a blocked one: what it could if it woke now."""
        left = self._full_or_left(params, now // params.period)
        if params.vcpu in self._turns:
            return left
        return min(left, (self._deadline(params, now) - now) * params.budget // params.period)

    def _deadline(self, params: VcpuParams, now: int) -> int:
        # A core that is behind another may ask about a period that the server has left already.
        return (max(now // params.period, self._servers[params.vcpu].period) + 1) * params.period

    def _full_or_left(self, params: VcpuParams, period: int) -> int:
        server = self._servers[params.vcpu]
        return params.budget if period > server.period else server.left

    def _settle(self, params: VcpuParams, period: int, left: int) -> None:
        server = self._servers[params.vcpu]
        server.period, server.left = max(server.period, period), left
