"""One modelled core under a policy, for tests: who ran when, if vCPUs wake, block and yield at given times.

It does what the scheduler does, in its plainest form: pick, run to the policy's time or to a wake-up that preempts,
charge.

    stretches = run_one_core(policy, [Happening(0, "wake", vcpu=1), Happening(70, "block", vcpu=1)], end=1_000)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Literal, NamedTuple

from hypervisor.core.policies import Idle, Policy


class Happening(NamedTuple):
    """At `time` a vCPU wakes, blocks or yields. A yield counts only if the vCPU is the one that runs."""

    time: int
    what: Literal["wake", "block", "yield"]
    vcpu: int


class Stretch(NamedTuple):
    """`vcpu` ran from `start` to `end`; the policy wanted it to stop at `until`."""

    vcpu: int
    start: int
    end: int
    until: int


NO_OVERSHOOT = (0,)


def run_one_core(
    policy: Policy, script: Sequence[Happening], end: int, overshoots: Sequence[int] = NO_OVERSHOOT
) -> list[Stretch]:
    """Run until `end`. Stops that the policy asked for come late by `overshoots`, used in turn."""
    waiting = sorted(script, key=lambda happening: happening.time)
    late = cycle(overshoots)
    now, stretches = 0, list[Stretch]()
    while now < end:
        while waiting and waiting[0].time <= now:
            _tell(policy, waiting.pop(0))
        choice = policy.pick(0, now, frozenset())
        assert choice.until > now, f"{choice} at {now} makes no progress"
        if isinstance(choice, Idle):
            now = min(choice.until, end, *(happening.time for happening in waiting[:1]))
            continue
        stop = min(_stop(policy, waiting, choice.vcpu, choice.until), end)
        stopped = stop if stop < choice.until else min(stop + next(late), end)
        policy.charge(choice.vcpu, 0, now, stopped)
        stretches.append(Stretch(choice.vcpu, now, stopped, choice.until))
        yields = Happening(stopped, "yield", choice.vcpu)
        if yields in waiting:
            waiting.remove(yields)
            policy.yield_(choice.vcpu, stopped)
        now = stopped
    policy.check_invariants()
    return stretches


def _tell(policy: Policy, happening: Happening) -> None:
    if happening.what == "wake":
        policy.wake(happening.vcpu, happening.time)
    elif happening.what == "block":
        policy.block(happening.vcpu, happening.time)


def _stop(policy: Policy, waiting: Sequence[Happening], running: int, until: int) -> int:
    """When the running vCPU stops by itself or for another that wakes."""
    for time, what, vcpu in waiting:
        if time >= until:
            break
        if what != "wake" and vcpu == running:
            return time
        if what == "wake" and policy.preempts(vcpu, running, 0, time):
            return time
    return until


def used(stretches: Sequence[Stretch], vcpu: int, start: int, end: int) -> int:
    """Cycles of `vcpu` between `start` and `end`."""
    return sum(max(0, min(s.end, end) - max(s.start, start)) for s in stretches if s.vcpu == vcpu)


def runnable_stretches(script: Sequence[Happening], vcpu: int, end: int) -> Iterator[tuple[int, int]]:
    """The times (start, end) during which the script keeps `vcpu` runnable."""
    since: int | None = None
    for time, what, who in sorted(script, key=lambda happening: happening.time):
        if who != vcpu:
            continue
        if what == "wake" and since is None:
            since = time
        elif what == "block" and since is not None:
            yield since, time
            since = None
    if since is not None:
        yield since, end
