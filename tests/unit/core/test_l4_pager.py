"""Pagers and user-level virtual machine monitors: what happens to a cell as messages, and what their deaths do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import ANY, NIL, REPLY, Item, ItemKind, Label, Message
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WRITE
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from tests.support.l4_cells import call, hear, ipc, meet, pause, records, rest
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Iterator[Exit]
RAM = {"ram": 16 * PAGE}
FAULT = WINDOW_BASE + 5 * PAGE + 0x123


def bench_of(scripts: dict[str, Any], pagers: dict[int, int], **params: dict[str, Any]) -> Bench:
    given = {name: {**RAM, **params.get(name, {})} for name in scripts}
    return meet(scripts, pagers=pagers, params=given)


def faulter(log: list[Any], access: int = READ) -> Any:
    def script(vcpu: ScriptedVcpu) -> Steps:
        log.append((yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, access, 0x8000)))
        yield from rest(vcpu)

    return script


def serve(own_page: int = 0, rights: int = READ, heard: list[Any] | None = None) -> Any:
    """A pager that has one page for everybody."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        got = yield from hear(vcpu)
        while True:
            if got.who == NIL:  # a client has ended
                got = yield from hear(vcpu)
                continue
            if heard is not None:
                heard.append((got.who, got.message.label, got.message.words))
            items = (Item(ItemKind.MAP, own_page, 1, rights),) if got.message.label == Label.PAGE_FAULT else ()
            got = yield from ipc(vcpu, REPLY, ANY, Message(Label.USER, (0x55,), items))

    return script


def test_a_page_fault_is_a_message_to_the_pager_and_its_reply_is_the_page() -> None:
    log: list[Any] = []
    heard: list[Any] = []
    bench = bench_of({"a": faulter(log, READ | WRITE), "pager": serve(PAGE, READ | WRITE, heard)}, {0: 1})
    bench.until(NEVER)
    assert log == [0]
    assert heard == [(1, Label.PAGE_FAULT, (FAULT, READ | WRITE, 0x8000))]
    place = bench.monitor.memory.segment_at(bench.cell("a"), FAULT)
    assert place is not None
    assert place == bench.monitor.memory.segment_at(bench.cell("pager"), PAGE)
    assert [record["pager"] for record in records(bench, "page_fault")] == ["pager"]


def test_a_page_that_is_there_already_is_not_asked_for_again() -> None:
    heard: list[Any] = []

    def twice(vcpu: ScriptedVcpu) -> Steps:
        yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, READ, 0)
        yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, READ, 0)
        yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, WRITE, 0)
        yield from rest(vcpu)

    bench = bench_of({"a": twice, "pager": serve(0, READ | WRITE, heard)}, {0: 1})
    bench.until(NEVER)
    assert len(heard) == 1


def test_a_write_to_a_page_for_reading_asks_for_a_better_one() -> None:
    def upgrade(vcpu: ScriptedVcpu) -> Steps:
        got = yield from hear(vcpu)
        while True:
            item = Item(ItemKind.MAP, 0, 1, got.message.words[1] | READ)
            got = yield from ipc(vcpu, REPLY, ANY, Message(Label.USER, items=(item,)))

    def twice(vcpu: ScriptedVcpu) -> Steps:
        yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, READ, 0)
        yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, WRITE, 0)
        yield from rest(vcpu)

    bench = bench_of({"a": twice, "pager": upgrade}, {0: 1})
    bench.until(NEVER)
    (mapping,) = bench.monitor.memory.mappings(bench.monitor.memory.segment_at(bench.cell("a"), FAULT)[0])  # type: ignore[index]
    assert mapping.writable


def test_pagers_stack() -> None:
    log: list[Any] = []

    def middle(vcpu: ScriptedVcpu) -> Steps:  # has no page of its own, but a pager of its own
        yield from hear(vcpu)
        yield from call(vcpu, Hypercall.PAGE_FAULT, WINDOW_BASE, READ, 0)
        yield from ipc(vcpu, REPLY, message=Message(Label.USER, items=(Item(ItemKind.MAP, WINDOW_BASE),)))
        yield from rest(vcpu)

    bench = bench_of({"a": faulter(log), "middle": middle, "root": serve(2 * PAGE)}, {0: 1, 1: 2})
    bench.until(NEVER)
    assert log == [0]
    memory = bench.monitor.memory
    assert memory.segment_at(bench.cell("a"), FAULT) == memory.segment_at(bench.cell("root"), 2 * PAGE)


def dies(vcpu: ScriptedVcpu) -> Steps:
    yield from hear(vcpu)
    yield vcpu.exit(ExitKind.FAULT)


def test_a_dead_pager_hurts_its_clients_only_and_they_say_why() -> None:
    log: list[Any] = []
    bench = bench_of({"a": faulter(log), "pager": dies, "other": rest}, {0: 1})
    bench.until(NEVER)
    assert bench.cell("a").state is CellState.FAILED
    assert "page fault at 0xc0005123: pager is gone" in bench.cell("a").why
    assert not bench.cell("other").ended


def test_a_fault_after_the_pagers_death_says_why_too() -> None:
    def late(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 1_000)
        yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, READ, 0)

    def ends(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(10)

    bench = bench_of({"a": late, "pager": ends}, {0: 1})
    bench.until(NEVER)
    assert bench.cell("a").why == "page fault at 0xc0005123: pager is gone"


def test_a_pager_that_is_restarted_is_asked_again() -> None:
    log: list[Any] = []
    lives: list[int] = []

    def first_dies(vcpu: ScriptedVcpu) -> Steps:
        lives.append(1)
        yield from dies(vcpu) if len(lives) == 1 else serve()(vcpu)

    bench = bench_of({"a": faulter(log), "pager": first_dies}, {0: 1}, pager={"on_crash": "restart"})
    bench.until(NEVER)
    assert log == [0]
    assert len(lives) == 2
    assert bench.monitor.memory.segment_at(bench.cell("a"), FAULT) is not None


def test_device_accesses_and_strange_calls_of_a_hosted_cell_are_answered_by_its_monitor() -> None:
    log: list[Any] = []
    heard: list[Any] = []

    def hosted(vcpu: ScriptedVcpu) -> Steps:
        yield vcpu.exit(ExitKind.READ, a0=0x9000_0018, a1=4)
        log.append(vcpu.resume.value)
        yield vcpu.exit(ExitKind.WRITE, a0=0x9000_0000, a1=4, a2=ord("x"))
        log.append((yield from call(vcpu, 200, 1, 2)))
        yield from rest(vcpu)

    bench = bench_of({"guest": hosted, "vmm": serve(heard=heard)}, {0: 1})
    bench.until(NEVER)
    assert log == [0x55, 0x55]
    assert heard == [
        (1, Label.DEVICE_READ, (0x9000_0018, 4)),
        (1, Label.DEVICE_WRITE, (0x9000_0000, 4, ord("x"))),
        (1, Label.HYPERCALL, (200, 1, 2, 0)),
    ]


def test_a_fault_of_a_hosted_cell_is_told_to_its_monitor_before_it_ends() -> None:
    heard: list[Any] = []

    def hosted(vcpu: ScriptedVcpu) -> Steps:
        yield vcpu.exit(ExitKind.FAULT, a0=7, a1=0x8000)

    bench = bench_of({"guest": hosted, "vmm": serve(heard=heard)}, {0: 1})
    bench.until(NEVER)
    assert heard == [(1, Label.EXCEPTION, (7, 0x8000, 0))]
    assert bench.cell("guest").why == "guest fault 7 at 0x8000"
    assert not bench.cell("vmm").ended


def test_a_hosted_cell_whose_monitor_is_gone_fails_at_its_next_access() -> None:
    def hosted(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 1_000)
        yield vcpu.exit(ExitKind.READ, a0=0x9000_0000, a1=4)

    def ends(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(10)

    bench = bench_of({"guest": hosted, "vmm": ends}, {0: 1})
    bench.until(NEVER)
    assert bench.cell("guest").why == "device read at 0x90000000: vmm is gone"


def test_a_pager_that_faults_on_its_own_client_is_a_deadlock_and_ends() -> None:
    log: list[Any] = []

    def client(vcpu: ScriptedVcpu) -> Steps:
        got = yield from hear(vcpu)
        log.append(got.message.label)
        log.append((yield from call(vcpu, Hypercall.PAGE_FAULT, FAULT, READ, 0)))
        yield from rest(vcpu)

    def pager(vcpu: ScriptedVcpu) -> Steps:
        yield from call(vcpu, Hypercall.PAGE_FAULT, WINDOW_BASE, READ, 0)  # its client is its pager
        log.append("never")

    bench = bench_of({"a": client, "pager": pager}, {0: 1, 1: 0})
    bench.until(NEVER)
    assert log == [Label.PAGE_FAULT, Status.TIMEOUT]
    assert len(records(bench, "deadlock")) == 2
