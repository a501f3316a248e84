"""Whenever a cell's process dies, running or not, a replay and a death planned for the recorded time leave the same trace."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from hypervisor.core.costs import Costs
from hypervisor.shell.inputs import Input, InputKind, InputLog, ReplayInputs
from hypervisor.shell.loop import Loop
from tests.support.scripted import Bench, Script, ScriptedHost, ScriptedVcpu

END = 12_000

Steps = Generator[Exit, None, None]


def hog(vcpu: ScriptedVcpu) -> Steps:
    while True:
        yield from vcpu.work(1 << 30)


def listener(vcpu: ScriptedVcpu) -> Steps:
    yield from vcpu.wait(NEVER)


def caller(vcpu: ScriptedVcpu) -> Steps:
    while True:
        yield from vcpu.work(130)
        yield from vcpu.call(Hypercall.YIELD)


def periodic(period: int, work: int) -> Script:
    def script(vcpu: ScriptedVcpu) -> Steps:
        due = 0
        while True:
            yield from vcpu.work(work)
            due += period
            yield from vcpu.wait(due)

    return script


SCRIPTS: dict[str, Script] = {
    "hog": hog,
    "listener": listener,
    "caller": caller,
    "slow": periodic(1_300, 400),
    "quick": periodic(700, 90),
    "rare": periodic(5_000, 10),
}


class Recorder(InputLog):
    """Keeps the inputs."""

    def __init__(self) -> None:
        super().__init__(None)
        self.taken: list[Input] = []

    def append(self, taken: Input) -> None:
        self.taken.append(taken)


@dataclass
class Board:
    """What a run is made of, apart from the death."""

    scripts: list[str]
    cores: int
    policy: str
    cost: int
    on_crash: str
    block: int

    def bench(self, **more: Any) -> Bench:
        names = [f"c{i}" for i in range(len(self.scripts))]
        return Bench(
            {name: SCRIPTS[script] for name, script in zip(names, self.scripts, strict=True)},
            cores=self.cores,
            policy=self.policy,
            costs=Costs(world_switch=self.cost, hypercall=self.cost),
            params={name: {"on_crash": self.on_crash, "priority": i} for i, name in enumerate(names)},
            block=self.block,
            **more,
        )


boards = st.builds(
    Board,
    scripts=st.lists(st.sampled_from(sorted(SCRIPTS)), min_size=1, max_size=4),
    cores=st.integers(1, 3),
    policy=st.sampled_from(["round_robin", "fixed_priority"]),
    cost=st.sampled_from([1, 5, 40]),
    on_crash=st.sampled_from(["destroy", "restart"]),
    block=st.sampled_from([1, 7, 60]),
)


@dataclass
class Killer:
    """Kills the victim's process at one turn of the loop; the shell learns of it so many turns later."""

    turn: int
    late: int
    victim: str
    turns: int = 0
    hosts: dict[str, ScriptedHost] = field(default_factory=dict)

    def __call__(self, loop: Loop) -> list[Input]:
        self.turns += 1
        host = self.hosts[self.victim]
        if self.turns == self.turn and host.lives == 1:
            host.die_at = 0
        known = self.turns == self.turn + self.late and host.lives == 1 and host.alive
        return [Input(0, 0, InputKind.DIED, self.victim, b"killed")] if known else []


def story(bench: Bench) -> tuple[str, dict[str, bytes], list[tuple[CellState, str]]]:
    return bench.trace.digest(), bench.output, [(cell.state, cell.why) for cell in bench.monitor.cells]


@settings(max_examples=200, deadline=None)
@given(board=boards, turn=st.integers(1, 80), late=st.integers(0, 12), which=st.integers(0, 3))
def test_a_death_and_a_planned_one_leave_the_same_trace(board: Board, turn: int, late: int, which: int) -> None:
    victim = f"c{which % len(board.scripts)}"
    log = Recorder()
    killer = Killer(turn, late, victim)
    crash = board.bench(inputs=killer, log=log)
    killer.hosts = crash.hosts
    crash.until(END)
    died = [taken for taken in log.taken if taken.kind is InputKind.DIED]
    planned = board.bench()
    for taken in died:
        planned.loop.take(Input(0, 0, InputKind.KILL_AT, victim, str(taken.time).encode()))
    planned.until(END)
    assert story(planned) == story(crash)
    assert len(died) <= 1


# A replay, of anything that may come in.

ORDERS = [InputKind.CONSOLE, InputKind.PAUSE, InputKind.UNPAUSE, InputKind.KILL, InputKind.RESTART]
orders = st.tuples(st.integers(1, 60), st.sampled_from(ORDERS), st.integers(0, 3))


@dataclass
class Operator:
    """Gives orders at some turns of the loop, and kills a process at one."""

    killer: Killer
    orders: list[tuple[int, InputKind, int]]
    cells: int

    def __call__(self, loop: Loop) -> list[Input]:
        came = self.killer(loop)
        for turn, kind, which in self.orders:
            if turn == self.killer.turns:
                came.append(Input(0, 0, kind, f"c{which % self.cells}", b"x" if kind is InputKind.CONSOLE else b""))
        return came


@settings(max_examples=100, deadline=None)
@given(
    board=boards,
    turn=st.integers(1, 80),
    late=st.integers(0, 12),
    which=st.integers(0, 3),
    given=st.lists(orders, max_size=6),
    stops=st.lists(st.integers(1, END), max_size=4),
)
def test_a_replay_leaves_the_same_trace(
    board: Board, turn: int, late: int, which: int, given: list[tuple[int, InputKind, int]], stops: list[int]
) -> None:
    victim = f"c{which % len(board.scripts)}"
    killer = Killer(turn, late, victim)
    with tempfile.NamedTemporaryFile() as file:
        log = InputLog(Path(file.name))
        first = board.bench(inputs=Operator(killer, given, len(board.scripts)), log=log)
        killer.hosts = first.hosts
        for stop in [*sorted(stops), END]:
            first.loop.take(Input(first.loop.step, first.monitor.now, InputKind.CONSOLE, victim, b"typed at rest"))
            first.until(stop)
        log.close()
        second = board.bench(replay=ReplayInputs(Path(file.name)))
        for _ in [*stops, END]:
            second.loop.run()
    assert story(second) == story(first)
