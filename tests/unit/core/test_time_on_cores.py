"""Where a core's time goes: to nobody for ever, and to idleness where a vCPU skips what it would sleep through."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from hypervisor.abi.records import Exit
from hypervisor.core.costs import Costs
from hypervisor.shell.inputs import Input, InputKind
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Generator[Exit, None, None]


def hog(vcpu: ScriptedVcpu) -> Steps:
    while True:
        yield from vcpu.work(1 << 30)


def tick(vcpu: ScriptedVcpu) -> Steps:
    due = 0
    while True:
        yield from vcpu.work(20)
        due += 330
        yield from vcpu.wait(due)


def test_what_a_vcpu_skips_within_its_own_time_is_idle() -> None:
    bench = Bench({"rt": tick})
    bench.until(100_000)
    (core,) = bench.monitor.scheduler.cores
    assert core.busy == bench.cell("rt").account.ran
    assert core.busy < 10_000
    assert core.busy + core.idle == core.time


def test_being_paused_is_no_latency() -> None:
    bench = Bench({"rt": tick})
    for time, kind in ((10_000, InputKind.PAUSE), (40_000, InputKind.UNPAUSE), (60_000, InputKind.PAUSE)):
        bench.until(time)
        bench.loop.take(Input(bench.loop.step, bench.monitor.now, kind, "rt"))
    bench.until(80_000)
    assert bench.cell("rt").account.ran > 1_000
    assert max(bench.cell("rt").account.latencies, default=0) <= 7


# A rest of a slice that is shorter than a world switch.


@pytest.mark.parametrize("slice_cycles", [301, 997, 1_000, 1_003])
@pytest.mark.parametrize("cores", [1, 2])
def test_a_hog_below_a_ticker_goes_on_whatever_is_left_of_its_slice(slice_cycles: int, cores: int) -> None:
    bench = Bench(
        {"rt": tick, "hog": hog},
        policy="fixed_priority",
        slice_cycles=slice_cycles,
        costs=Costs(world_switch=40),
        params={"rt": {"priority": 9, "cores": (0,)}, "hog": {"cores": (0,)}},
        cores=cores,
    )
    for stop in range(500, 100_001, 500):
        bench.until(stop)
    ran = bench.cell("hog").account.ran
    assert ran >= 60_000  # of 100_000: the ticker and three switches per period take a third
