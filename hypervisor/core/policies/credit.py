"""Xen's credit scheduler: shares by weight, limits by cap, and a quick start for who wakes.

Every `PERIOD_SLICES` slices (30 ms with slices of 10 ms, as Xen has them) is an accounting. Running burns credit, a cycle
for a cycle. At the accounting each active vCPU earns its part of what all cores gave since the last one, by weight; nobody
earns more than one core's time, or than its cap, and what it leaves goes to the others. Then:

- credit 0 or more is UNDER, less is OVER: who is OVER runs only when nobody UNDER wants the core. Work-conserving, and so
  that in the long run each gets its share, while credit is bounded by about one period either way;
- one that is UNDER and wakes is BOOST: it goes before all UNDER, until it is found running at the end of a slice or to the
  next accounting. A guest that mostly waits so answers at once, and one that abuses it runs out of credit;
- with a cap: who is further behind than its cap's earnings is parked, and may not run, not even on an idle core, until it
  is UNDER again. So a cap holds over several periods, not within one;
- who has more than a period's credit does not need it: half is taken, and it earns no more until it has run again.

(`xen/common/sched/credit.c` of Xen 4.x; its numbers: 10 ms per tick, 3 ticks per accounting, weight 256, cap 0.) Where this
model differs: activity and credit are exact where Xen samples at ticks; there is one line for all cores where Xen has one
per core and steals, so that shares are those of the whole board; a turn is a slice, where Xen's is an accounting; a domain is
a vCPU. Asking for the future (`pick`, `preempts`) does the accountings up to then on a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from hypervisor.core.errors import require_none
from hypervisor.core.policies.policy import VcpuParams
from hypervisor.core.policies.ranked import RankedPolicy

PERIOD_SLICES = 3
"""Slices from one accounting to the next."""
BOOST, UNDER, OVER = range(3)
"""Ranks."""


@dataclass(frozen=True, slots=True)
class Account:
    """A vCPU's `credit` in cycles, and what the last accounting made of it. `active`: it has run since, or still owes."""

    credit: int = 0
    active: bool = False
    over: bool = False
    parked: bool = False
    boosted: bool = False


Accounts = Mapping[int, Account]


class Credit(RankedPolicy):
    """Weights, caps and credit. `weight` and `cap` of `VcpuParams` are what it looks at."""

    def __init__(self, slice_cycles: int) -> None:
        super().__init__(slice_cycles)
        self._period = PERIOD_SLICES * slice_cycles
        self._accounts: Accounts = {}
        self._number = 0  # of the period that the accounts are in
        self._future: tuple[int, Accounts] | None = None

    # ---- vCPUs come, go and run

    def add(self, vcpu: VcpuParams) -> None:
        """Learn of a vCPU: no credit, no debt."""
        super().add(vcpu)
        self._change({**self._accounts, vcpu.vcpu: Account()})

    def remove(self, vcpu: int) -> None:
        """Forget it; its credit is nobody's."""
        super().remove(vcpu)
        self._change({other: account for other, account in self._accounts.items() if other != vcpu})

    def wake(self, vcpu: int, now: int) -> None:
        """It became runnable: before its equals, unless it owes."""
        self._known(vcpu)
        self._settle(now)
        account = self._accounts[vcpu]
        if vcpu not in self._turns:
            self._put(vcpu, replace(account, boosted=not account.over and not account.parked))
        super().wake(vcpu, now)

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """Burn credit, and account where an accounting was due meanwhile."""
        super().charge(vcpu, core, start, end)
        while start < end:
            self._settle(start)
            stop = min(end, (start // self._period + 1) * self._period)
            account = self._accounts[vcpu]
            boosted = account.boosted and start // self._slice == stop // self._slice
            self._put(vcpu, replace(account, credit=account.credit - (stop - start), active=True, boosted=boosted))
            start = stop

    # ---- what the policy answers

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """BOOST, UNDER or OVER; None while parked. One that sleeps would be boosted."""
        account = self._at(now)[params.vcpu]
        if account.parked:
            return None
        if account.over:
            return OVER
        return BOOST if account.boosted or params.vcpu not in self._turns else UNDER

    def release(self, params: VcpuParams, now: int) -> int:
        """Who is parked hopes for the next accounting."""
        return (now // self._period + 1) * self._period

    def limit(self, params: VcpuParams, now: int) -> int:
        """The next accounting; for one that is boosted the end of the slice at which that is over."""
        grain = self._slice if self._at(now)[params.vcpu].boosted else self._period
        return (now // grain + 1) * grain

    def check_invariants(self) -> None:
        """Everybody has an account, and none more credit than a period is worth.

        Raises:
            InvariantBroken: it is not so.
        """
        super().check_invariants()
        problems = [
            f"credit: vCPU {vcpu} and its account do not match" for vcpu in self._vcpus.keys() ^ self._accounts.keys()
        ]
        for vcpu in self._vcpus.keys() & self._accounts.keys():
            account = self._accounts[vcpu]
            if account.credit > self._period:
                problems.append(f"credit: vCPU {vcpu} has {account.credit} in a period of {self._period}")
            if account.parked and not self._vcpus[vcpu].cap:
                problems.append(f"credit: vCPU {vcpu} is parked without a cap")
        require_none(problems)

    # ---- accounting

    def _at(self, now: int) -> Accounts:
        """The accounts as they are at `now`, if nothing happens before. A core that is behind sees the newer ones."""
        number = now // self._period
        if number <= self._number:
            return self._accounts
        if self._future is None or self._future[0] != number:
            self._future = number, self._after(number - self._number)
        return self._future[1]

    def _after(self, accountings: int) -> Accounts:
        """So many accountings later. Once nobody is active nothing changes any more."""
        accounts = self._accounts
        for _ in range(accountings):
            before, accounts = accounts, self._account(accounts)
            if accounts == before:
                break
        return accounts

    def _account(self, accounts: Accounts) -> Accounts:
        earned = self._earnings([self._vcpus[vcpu] for vcpu, account in accounts.items() if account.active])
        return {
            vcpu: self._judge(self._vcpus[vcpu], account, earned[vcpu])
            if account.active
            else replace(account, boosted=False)
            for vcpu, account in accounts.items()
        }

    def _judge(self, params: VcpuParams, account: Account, earned: int) -> Account:
        """One account after it has earned."""
        credit = account.credit + earned
        if credit < 0:
            parked = bool(params.cap) and (account.parked or credit < -self._most(params))
            # A debt of more than a period would be a punishment; under a cap it is what the cap is about.
            return Account(credit if params.cap else max(credit, -self._period), True, over=True, parked=parked)
        if credit > self._period:
            return Account(credit // 2, active=False)
        return Account(credit, active=True)

    def _most(self, params: VcpuParams) -> int:
        """What it may earn at one accounting: its cap, or what one core gives."""
        return -(-self._period * (params.cap or 100) // 100)

    def _earnings(self, active: list[VcpuParams]) -> dict[int, int]:
        """What all cores gave, by weight, nobody above its most: as water fills vessels. A started cycle counts as whole."""
        total, weights = Fraction(self._period * self.cores), sum(params.weight for params in active)
        earned: dict[int, int] = {}
        for params in sorted(active, key=lambda params: (Fraction(self._most(params), params.weight), params.vcpu)):
            share = total * params.weight / weights
            most = self._most(params)
            if share < most:  # so it is for all that follow: they have room
                return earned | {p.vcpu: -(-total * p.weight // weights) for p in active if p.vcpu not in earned}
            earned[params.vcpu] = most
            total, weights = total - most, weights - params.weight
        return earned

    # ---- state

    def _settle(self, now: int) -> None:
        """Do the accountings up to `now`."""
        number = now // self._period
        if number > self._number:
            accounts = self._at(now)
            self._number = number
            self._change(accounts)

    def _put(self, vcpu: int, account: Account) -> None:
        self._change({**self._accounts, vcpu: account})

    def _change(self, accounts: Accounts) -> None:
        self._accounts, self._future = accounts, None
