"""The monitor through its loop, with scripted cells in place of processes."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from hypervisor.core.costs import Costs
from hypervisor.shell.inputs import Input, InputKind
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Generator[Exit, None, None]


def hog(vcpu: ScriptedVcpu) -> Steps:
    while True:
        yield from vcpu.work(1 << 30)


def job(cycles: int):
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(cycles)

    return script


def periodic(period: int, work: int):
    def script(vcpu: ScriptedVcpu) -> Steps:
        due = 0
        while True:
            yield from vcpu.work(work)
            due += period
            yield from vcpu.wait(due)

    return script


def test_a_single_job_runs_to_its_end_and_shuts_down():
    bench = Bench({"a": job(5_000)})
    assert bench.until(NEVER) == "finished"
    assert bench.cell("a").state is CellState.SHUT_DOWN
    assert bench.cell("a").account.ran == 5_000
    assert bench.monitor.frames.check_invariants() is None


def test_two_hogs_share_one_core_evenly():
    bench = Bench({"a": hog, "b": hog})
    assert bench.until(100_000) == "reached"
    a, b = bench.cell("a").account.ran, bench.cell("b").account.ran
    assert abs(a - b) <= 1_007
    assert 100_000 <= a + b <= 100_007


def test_an_urgent_task_preempts_at_its_deadline():
    bench = Bench({"rt": periodic(1_000, 50), "hog": hog}, policy="fixed_priority", params={"rt": {"priority": 9}})
    bench.until(50_000)
    latencies = bench.cell("rt").account.latencies
    assert sum(latencies.values()) >= 49
    assert max(latencies) <= 7  # one block of the hog


def test_a_world_switch_costs_what_the_flavour_says_and_is_in_the_ledger():
    bench = Bench({"a": hog, "b": hog}, costs=Costs(world_switch=10))
    bench.until(10_000)
    switches = bench.monitor.scheduler.cores[0].switches
    ledger = bench.monitor.ledger.to_dict()
    assert switches >= 9
    assert sum(account["cycles"]["world_switch"] for account in ledger.values()) == 10 * switches


def test_time_is_conserved_on_every_core():
    for cores in (1, 2, 3):
        bench = Bench(
            {f"c{i}": periodic(900 + 100 * i, 200) for i in range(4)}, cores=cores, costs=Costs(world_switch=3)
        )
        bench.until(20_000)
        for core in bench.monitor.scheduler.cores:
            assert core.busy + core.idle + core.switch_cycles == core.time


def test_two_cores_run_two_hogs_at_full_speed():
    bench = Bench({"a": hog, "b": hog}, cores=2)
    bench.until(10_000)
    assert bench.cell("a").account.ran >= 10_000
    assert bench.cell("b").account.ran >= 10_000


def test_affinity_keeps_a_cell_on_its_core():
    bench = Bench({"a": hog, "b": hog}, cores=2, params={"a": {"cores": (1,)}, "b": {"cores": (1,)}})
    bench.until(10_000)
    assert bench.monitor.scheduler.cores[0].busy == 0
    assert bench.monitor.scheduler.cores[1].busy >= 10_000


def test_a_cell_that_dies_is_destroyed_and_the_others_go_on():
    bench = Bench({"a": hog, "b": hog}, die_at={"a": 4_000})
    bench.until(20_000)
    assert bench.cell("a").state is CellState.FAILED
    assert bench.cell("a").why == "killed"
    assert bench.cell("b").account.ran > 15_000


def test_a_cell_with_restart_policy_comes_back():
    bench = Bench({"a": job(9_000), "b": hog}, die_at={"a": 4_000}, params={"a": {"on_crash": "restart"}})
    bench.until(60_000)
    assert bench.cell("a").account.restarts == 1
    assert bench.cell("a").state is CellState.SHUT_DOWN
    assert bench.hosts["a"].lives == 2


def test_a_death_leaves_the_same_trace_as_a_kill_planned_for_the_same_time():
    def scripts():
        return {"a": periodic(1_300, 400), "b": hog, "c": periodic(700, 90)}

    for cores in (1, 2):
        crash = Bench(scripts(), cores=cores, die_at={"a": 6_000}, costs=Costs(world_switch=5))
        crash.until(20_000)
        at = next(r.start for r in crash.hosts["a"].resumes if r.start >= 6_000)
        planned = Bench(scripts(), cores=cores, costs=Costs(world_switch=5))
        planned.loop.take(Input(planned.loop.step, 0, InputKind.KILL_AT, "a", str(at).encode()))
        planned.until(20_000)
        assert planned.cell("a").state is CellState.FAILED
        assert crash.trace.digest() == planned.trace.digest()


def test_a_paused_cell_does_not_run_until_it_is_unpaused():
    bench = Bench({"a": hog, "b": hog})
    bench.until(10_000)
    bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.PAUSE, "a"))
    before = bench.cell("a").account.ran
    bench.until(20_000)
    assert bench.cell("a").account.ran == before
    assert bench.cell("a").shown_state() is CellState.PAUSED
    bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.UNPAUSE, "a"))
    bench.until(30_000)
    assert bench.cell("a").account.ran > before


def test_a_paused_sleeper_wakes_after_it_is_unpaused():
    bench = Bench({"a": periodic(1_000, 10)})
    bench.until(5_500)
    bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.PAUSE, "a"))
    bench.until(10_000)
    bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.UNPAUSE, "a"))
    bench.until(20_000)
    assert bench.cell("a").account.ran >= 190


def test_a_missed_heartbeat_ends_the_cell():
    bench = Bench({"a": hog}, params={"a": {"heartbeat": 3_000}})
    assert bench.until(20_000) == "finished"
    assert bench.cell("a").why == "heartbeat missed"
    assert bench.monitor.now <= 3_100


def test_heartbeats_keep_a_cell_alive():
    def beating(vcpu: ScriptedVcpu) -> Steps:
        while True:
            yield from vcpu.work(2_000)
            yield from vcpu.call(Hypercall.HEARTBEAT)

    bench = Bench({"a": beating}, params={"a": {"heartbeat": 3_000}})
    assert bench.until(20_000) == "reached"


def test_an_unknown_hypercall_is_refused_and_the_guest_goes_on():
    answers = []

    def script(vcpu: ScriptedVcpu) -> Steps:
        answers.append((yield from vcpu.call(4711)))
        yield from vcpu.work(10)

    bench = Bench({"a": script})
    assert bench.until(NEVER) == "finished"
    assert answers == [(1 << 64) - 1]
    assert bench.cell("a").state is CellState.SHUT_DOWN


def test_typing_wakes_a_waiting_cell_at_the_time_of_the_input():
    heard = []

    def listener(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(NEVER)
        heard.append((vcpu.time, vcpu.events[0].payload))

    bench = Bench({"a": listener, "b": periodic(1_000, 10)})
    bench.until(5_000)
    bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.CONSOLE, "a", b"ls\n"))
    bench.until(6_000)
    assert heard == [(5_010, b"ls\n")]  # after the other cell, which was due as well


def test_a_board_where_everybody_waits_for_input_is_asleep():
    def listener(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(NEVER)

    assert Bench({"a": listener}).until(NEVER) == "asleep"


def test_the_same_scripts_give_the_same_trace_ten_times():
    def digest() -> str:
        bench = Bench({"a": periodic(1_300, 400), "b": hog, "c": periodic(700, 90)}, cores=2)
        bench.until(30_000)
        return bench.trace.digest()

    assert len({digest() for _ in range(10)}) == 1


def lying(kind: ExitKind):
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(100)
        while True:
            yield vcpu.exit(kind)

    return script


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (ExitKind.HELLO, "protocol: hello from one that runs"),
        (ExitKind.BUDGET, "protocol: budget spent before its end"),
        (ExitKind.OUTPUT, "protocol: no progress"),
    ],
)
def test_a_cell_that_would_hold_virtual_time_is_ended_and_the_others_go_on(kind, why):
    bench = Bench({"liar": lying(kind), "b": hog})
    assert bench.until(20_000) == "reached"
    assert bench.cell("liar").why == why
    assert bench.cell("b").account.ran > 5_000
