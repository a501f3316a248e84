"""Queues of the real-time kernel under everything at once: senders, receivers, handlers, times that run out, deletion.

Whatever happens: no item is lost or comes twice, items of one sender keep their order, no more wait than there is room
for, and the kernel's books agree with each other at the end.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cells.personalities.rtos.kernel import Kernel
from cells.personalities.rtos.objects import Queue
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import State, Work
from hypervisor.abi.time import NEVER
from tests.support.rtos import RtosBench, Steps

STEP = st.tuples(st.sampled_from([0, 500, 3_000, None]), st.sampled_from([0, 100, 2_000]))
"""How long a call may wait (None: for ever), and what is computed after it."""
TASK = st.tuples(st.integers(0, 4), st.lists(STEP, min_size=1, max_size=8))


def until(kernel: Kernel, patience: int | None) -> int:
    return NEVER if patience is None else kernel.now() + patience


def sends(kernel: Kernel, queue: Queue, who: int, steps: list[Any], sent: list[tuple[int, int]]) -> Steps:
    for number, (patience, cycles) in enumerate(steps):
        try:
            yield queue.send((who, number), until(kernel, patience))
        except Refused as refused:
            assert refused.status in (Status.TIMEOUT, Status.DELETED, Status.NO_OBJECT)
        else:
            sent.append((who, number))
        yield Work(cycles)


def receives(kernel: Kernel, queue: Queue, steps: list[Any], got: list[tuple[int, int]]) -> Steps:
    for patience, cycles in steps:
        try:
            got.append((yield queue.receive(until(kernel, patience))))
        except Refused as refused:
            assert refused.status in (Status.TIMEOUT, Status.DELETED, Status.NO_OBJECT)
        yield Work(cycles)


def check_books(kernel: Kernel) -> None:
    for task in kernel.tasks.values():
        assert (task.state is State.WAITING) == (task.waits_in is not None)
        assert task.waits_in is None or [other for other in task.waits_in if other is task] == [task]
    assert all(task.waits_in is None and task.alarm is None for task in kernel.ended)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(TASK, min_size=1, max_size=4),
    st.lists(TASK, min_size=1, max_size=4),
    st.lists(st.integers(0, 20_000), max_size=6),
    st.none() | st.integers(0, 20_000),
)
def test_no_item_is_lost_or_comes_twice(
    depth: int, senders: list[Any], receivers: list[Any], interrupts: list[int], deleted: int | None
) -> None:
    bench = RtosBench()
    kernel, sent, got = bench.kernel, [], []  # type: ignore[var-annotated]
    queue = kernel.queue("q", depth)
    for who, (priority, steps) in enumerate(senders):
        kernel.task(f"s{who}", sends(kernel, queue, who, steps, sent), priority=priority)
    for who, (priority, steps) in enumerate(receivers):
        kernel.task(f"r{who}", receives(kernel, queue, steps, got), priority=priority)

    def posts(number: int) -> None:
        if queue.handle in kernel.objects and queue.post((99, number)):
            sent.append((99, number))

    for number, time in enumerate(sorted(interrupts)):
        bench.interrupt(time, partial(posts, number))
    if deleted is not None:
        bench.interrupt(deleted, lambda: kernel.delete(queue))
    bench.run()

    check_books(kernel)
    assert kernel.faults == 0
    assert len(queue.items) <= depth
    left = list(queue.items)
    assert sorted(got + left) == sorted(sent)
    for who in {who for who, _ in got}:
        numbers = [number for one, number in got if one == who]
        assert len(receivers) > 1 or numbers == sorted(numbers)
