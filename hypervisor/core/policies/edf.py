"""Real time on Xen: earliest deadline first over budgets and periods, and what is left over goes to whoever wants it.

As Xen's RTDS and its older SEDF: a vCPU with budget B and period P may run B cycles before its deadline; the one whose deadline
is nearest runs. It differs from `reservation` in two ways:

- Periods are a vCPU's own. They begin when it wakes: with a full budget and a deadline one period away, unless it is back so
  soon that it had rather keep what it has: if what is left would be more than its share B / P of the time up to its old
  deadline, taking it then would be at the others' expense. (L. Abeni, G. Buttazzo, "Integrating Multimedia Applications in
  Hard Real-Time Systems", RTSS 1998: the constant-bandwidth server.) While it stays runnable periods follow each other.
- *Extra time*: whoever has spent its budget is not stopped, but goes a level down, with a fresh budget and the same deadline,
  and down again when that is spent (RTDS calls it priority level). So the core idles only when nobody wants it, and extra
  time is shared as budgets are. At the deadline it is back on top.

A vCPU without budget runs after all that have some left and before all extra time, in turns of a slice. `yield_` gives up
what is left of the budget.

Guarantee: if on a core the B / P of those that use no other core sum to at most 1 and nobody else with a budget may use it,
each that stays runnable gets B before each of its deadlines, whatever the others do. A stop that comes a block late takes that
from the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypervisor.abi.time import NEVER
from hypervisor.core.policies.budgeted import BudgetedPolicy
from hypervisor.core.policies.policy import VcpuParams

LEVEL = 1 << 64
"""A rank is level * LEVEL + deadline: even levels belong to vCPUs with a budget, level 1 to those without."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is `left` of the budget until `deadline`; `spent`: how many budgets it has used up in this period."""

    deadline: int = 0
    left: int = 0
    spent: int = 0


class EarliestDeadline(BudgetedPolicy[Server]):
    """Budgets by earliest deadline first, with extra time."""

    name = "edf"

    # ---- servers begin

    def begin(self) -> Server:
        """Its first period begins when it wakes."""
        return Server()

    def is_sound(self, server: Server, params: VcpuParams) -> bool:
        """Some of the budget is left but never more than all of it, once a period has begun."""
        return 0 < server.left <= params.budget or not server.deadline

    # ---- vCPUs run

    def wake(self, vcpu: int, now: int) -> None:
        """It became runnable: a new period begins, or the old one goes on."""
        params = self._known(vcpu)
        if params.budget:
            self._servers[vcpu] = self._server(params, now)
        super().wake(vcpu, now)

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """Take what it ran from the budgets of the periods in which it ran."""
        super().charge(vcpu, core, start, end)
        params = self._known(vcpu)
        while params.budget and start < end:
            server = self._renewed(params, self._servers[vcpu], start)
            stop = min(end, server.deadline)
            self._servers[vcpu] = self._used(params, server, stop - start)
            start = stop

    def yield_(self, vcpu: int, now: int) -> None:
        """Give up what is left of the budget, or the turn of one without."""
        params = self._known(vcpu)
        if params.budget and vcpu in self._turns:
            server = self._server(params, now)
            self._servers[vcpu] = replace(server, left=params.budget, spent=server.spent + 1)
        super().yield_(vcpu, now)

    # ---- what the policy answers

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """By level, then by deadline."""
        if not params.budget:
            return LEVEL
        server = self._server(params, now)
        return 2 * server.spent * LEVEL + server.deadline

    def improves(self, params: VcpuParams, now: int) -> int:
        """At its deadline one in extra time comes back to the top."""
        if not params.budget:
            return NEVER
        server = self._server(params, now)
        return server.deadline if server.spent else NEVER

    def limit(self, params: VcpuParams, now: int) -> int:
        """The budget ends, or the period."""
        if not params.budget:
            return NEVER
        server = self._server(params, now)
        return min(now + server.left, server.deadline)

    # ---- servers

    def _server(self, params: VcpuParams, now: int) -> Server:
        """The server as it is at `now`; of a blocked vCPU: as it would be if that woke now."""
        server = self._servers[params.vcpu]
        if params.vcpu in self._turns:
            return self._renewed(params, server, now)
        passed = now >= server.deadline
        too_much = not server.spent and server.left * params.period > (server.deadline - now) * params.budget
        return Server(now + params.period, params.budget) if passed or too_much else server

    @staticmethod
    def _renewed(params: VcpuParams, server: Server, now: int) -> Server:
        """Periods follow each other while it is runnable."""
        if now < server.deadline:
            return server
        periods = (now - server.deadline) // params.period + 1
        return Server(server.deadline + periods * params.period, params.budget)

    @staticmethod
    def _used(params: VcpuParams, server: Server, cycles: int) -> Server:
        """So many cycles later: whole budgets that were used up take it levels down."""
        budgets, into = divmod(params.budget - server.left + cycles, params.budget)
        return Server(server.deadline, params.budget - into, server.spent + budgets)
