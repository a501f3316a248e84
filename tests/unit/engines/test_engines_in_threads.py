"""Engines run in one thread while the garbage collector closes others in another one, as it does under pytest-xdist."""

from __future__ import annotations

import threading

from tests.support.arm import Bench, page_table
from tests.support.translations import shape

MISSES = "again: mov r3, #0x40000000; mov r2, #64; next: ldr r0, [r3]; add r3, r3, #0x1000; subs r2, r2, #1; bne next; b again"
WALKERS, OTHERS = 6, 16


def _watched() -> Bench:
    bench = Bench()
    bench.engine.count_translations(shape(entries=4, ways=1))
    return bench


def _walker() -> Bench:
    bench = _watched()
    bench.load(0x1000, MISSES)
    bench.engine.reset(0x1000)
    page_table(bench)
    return bench


def test_engines_that_others_close_meanwhile_count_as_they_do_alone() -> None:
    walkers = [_walker() for _ in range(WALKERS)]
    others = [_watched() for _ in range(OTHERS)]
    threads = [threading.Thread(target=walker.run, kwargs={"limit": 14_000_000}) for walker in walkers]
    for thread in threads:
        thread.start()
    at = 0
    while any(thread.is_alive() for thread in threads):
        at = (at + 7) % OTHERS  # the oldest of the list, its middle, its newest
        others.pop(at)
        others.append(_watched())
    alone = _walker()
    alone.run(limit=14_000_000)
    seen = {(walker.engine.insns, walker.engine.vcpu.vtlb_misses) for walker in walkers}
    assert seen == {(alone.engine.insns, alone.engine.vcpu.vtlb_misses)}
