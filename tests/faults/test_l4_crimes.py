"""Crimes against the microkernel, one test each: the culprit is refused by name, and its neighbours notice nothing.

The culprits speak the raw protocol: numbers into the monitor, by scripted vCPUs. Beside each runs a witness on the same core,
whose work must come out as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hypervisor.abi import l4
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import ITEMS_LIMIT, NIL, REPLY, Item, ItemKind, Label, Message
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WINDOW_SIZE, WRITE
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from hypervisor.core.l4.ipc import BACKSTOP
from tests.support.l4_cells import accept, call, channel, hear, ipc, meet, pause, records, rest, send
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Iterator[Exit]
HUGE = (1 << 64) - 1
RAM = {"ram": 1 << 17}
PIPE, DISK, PRIVATE = channel("pipe", 0, 1), channel("disk", 0, 1, "block"), channel("private", 2, 3)
SECRET = b"not for the culprit"


def witness(rounds: list[int]) -> Any:
    def script(vcpu: ScriptedVcpu) -> Steps:
        for number in range(100):
            yield from vcpu.work(100)
            rounds.append(number)

    return script


def commit(crime: Callable[[ScriptedVcpu], Steps], victim: Any = rest, *, until: int = 100_000, **more: Any) -> Bench:
    """The culprit (slots 1: pipe, 2 and 3: disk) beside the victim, two with a private channel, and a witness."""
    rounds: list[int] = []

    def keeps(vcpu: ScriptedVcpu) -> Steps:
        yield from send(vcpu, SECRET)
        yield from rest(vcpu)

    def learns(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 50_000)
        got = yield from hear(vcpu, 1)
        assert got.text == SECRET
        yield from rest(vcpu)

    scripts = {"culprit": crime, "victim": victim, "keeps": keeps, "learns": learns, "witness": witness(rounds)}
    params = {name: {**RAM, **more.pop(name, {})} for name in scripts}
    bench = meet(scripts, PIPE, DISK, PRIVATE, policy="round_robin", params=params, **more)
    bench.until(until)
    assert rounds == list(range(100))
    assert not any(bench.cell(name).ended for name in ("keeps", "learns"))
    return bench


def answers(*calls: tuple[Any, ...], data: bytes = b"") -> list[int]:
    """What the culprit is told."""
    told: list[int] = []

    def script(vcpu: ScriptedVcpu) -> Steps:
        for number, *arguments in calls:
            told.append((yield from call(vcpu, number, *arguments, data=data)))
        yield from rest(vcpu)

    commit(script)
    return told


@pytest.mark.parametrize("slot", [4, 99, 256, 0x8000, 0xFFF0])
def test_a_forged_slot_names_nobody(slot: int) -> None:
    calls = [
        (Hypercall.IPC, l4.pack_partners(slot, NIL), 0, 0),
        (Hypercall.IPC, l4.pack_partners(NIL, slot), 0, 0),
        (Hypercall.NOTIFY, slot, 1),
        (Hypercall.NOTIFY, slot | 1 << 40, 1),
        (Hypercall.CAP_MINT, slot, 1),
    ]
    assert answers(*calls) == [Status.NO_SUCH_SLOT] * len(calls)


def test_no_number_reaches_the_channel_of_others() -> None:
    told = answers(*((Hypercall.IPC, l4.pack_partners(NIL, slot), 0, l4.pack_timeouts(0, 0)) for slot in range(4, 300)))
    assert set(told) == {Status.NO_SUCH_SLOT}


def test_a_slot_of_another_kind_is_refused() -> None:
    told = answers((Hypercall.IPC, 3, 0, 0), (Hypercall.NOTIFY, 1, 1), (Hypercall.IPC, 3 << 16, 0, 0))
    assert told == [Status.BAD_ARGUMENT] * 3


def test_rights_that_were_not_given_cannot_be_used_or_made() -> None:
    told: list[int] = []

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        told.append((yield from ipc(vcpu, source=1, receive=0)).status)
        told.append((yield from call(vcpu, Hypercall.CAP_MINT, 1, 63)))
        told.append((yield from ipc(vcpu, 1, message=Message(items=(Item(ItemKind.CAPABILITY, 1, rights=63),)))).status)
        yield from rest(vcpu)

    def victim(vcpu: ScriptedVcpu) -> Steps:
        told.append((yield from send(vcpu, b"x", timeout=0)).status)
        yield from hear(vcpu, 1, timeout=5_000)
        yield from rest(vcpu)

    way = channel("way", 0, 1, front_rights=frozenset({"send"}), back_rights=frozenset({"receive"}))
    meet({"culprit": culprit, "victim": victim}, way).until(NEVER)
    assert told == [Status.RIGHTS] * 4


def test_a_capability_that_was_revoked_is_stale() -> None:
    told: list[int] = []

    def victim(vcpu: ScriptedVcpu) -> Steps:  # lends and takes back
        yield from send(vcpu, b"", items=(Item(ItemKind.CAPABILITY, 2, rights=4),))
        yield from call(vcpu, Hypercall.CAP_REVOKE, 2)
        yield from rest(vcpu)

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        got = yield from hear(vcpu)
        yield from pause(vcpu, 1_000)
        told.append((yield from send(vcpu, b"x", got.message.items[0].address, timeout=0)).status)
        yield from rest(vcpu)

    meet({"culprit": culprit, "victim": victim, "third": rest}, PIPE, channel("other", 1, 2)).until(NEVER)
    assert told == [Status.NO_SUCH_SLOT]


TOO_MANY = [
    (63 | 2 << 6, bytes(260), Status.TOO_LONG),
    (62 | 62 << 6, bytes(496), Status.TOO_LONG),
    (4, bytes(12), Status.BAD_ARGUMENT),
    (1 << 12, b"", Status.BAD_ARGUMENT),
    (0, bytes(4), Status.BAD_ARGUMENT),
    (HUGE, b"", Status.TOO_LONG),
]


@pytest.mark.parametrize(("tag", "data", "status"), TOO_MANY)
def test_a_message_that_is_too_long_or_announced_and_not_there_is_refused(
    tag: int, data: bytes, status: Status
) -> None:
    assert answers((Hypercall.IPC, 1, tag, 0), data=data) == [status]


@pytest.mark.parametrize(
    "label", [Label.INTERRUPT, Label.NOTIFICATION, Label.PAGE_FAULT, Label.HYPERCALL, Label.EXCEPTION]
)
def test_nobody_speaks_for_the_kernel(label: Label) -> None:
    assert answers((Hypercall.IPC, 1, Message(label).tag, 0)) == [Status.BAD_ARGUMENT]


def sends_items(*items: Item, told: list[int]) -> Any:
    def script(vcpu: ScriptedVcpu) -> Steps:
        told.append((yield from send(vcpu, b"", items=items)).status)
        yield from rest(vcpu)

    return script


def takes(vcpu: ScriptedVcpu) -> Steps:
    yield from accept(vcpu, WINDOW_BASE, WINDOW_SIZE // PAGE)
    while True:
        yield from hear(vcpu)


FOREIGN = [
    (Item(ItemKind.MAP, WINDOW_BASE), Status.BAD_ARGUMENT),
    (Item(ItemKind.MAP, 1 << 17), Status.BAD_ARGUMENT),
    (Item(ItemKind.MAP, 0, 0xFFFF), Status.NO_ROOM),
    (Item(ItemKind.MAP, 31 * PAGE, 2), Status.BAD_ARGUMENT),
    (Item(ItemKind.MAP, 0xFFFF_F000), Status.BAD_ARGUMENT),
    (Item(ItemKind.MAP, 0, 1, WRITE), Status.BAD_ARGUMENT),
    (Item(ItemKind.GRANT, 0), Status.WRONG_STATE),
    (Item(ItemKind.CAPABILITY, 9, rights=4), Status.NO_SUCH_SLOT),
    (Item(ItemKind.CAPABILITY, 1, rights=0xFF), Status.BAD_ARGUMENT),
]


@pytest.mark.parametrize(("item", "status"), FOREIGN)
def test_a_foreign_unmapped_or_huge_piece_of_memory_cannot_be_mapped_on(item: Item, status: Status) -> None:
    told: list[int] = []
    bench = commit(sends_items(item, told=told), takes)
    assert told == [status]
    assert not records(bench, "map")


def test_a_message_full_of_items_passes_whole_or_not_at_all() -> None:
    told: list[int] = []
    many = tuple(Item(ItemKind.MAP, PAGE * number) for number in range(ITEMS_LIMIT - 1))
    bench = commit(sends_items(*many, Item(ItemKind.MAP, WINDOW_BASE), told=told), takes)
    assert told == [Status.BAD_ARGUMENT]
    assert bench.monitor.memory.segment_at(bench.cell("culprit"), 0) is None


def test_pages_sent_to_one_who_wants_none_stay_where_they_are() -> None:
    told: list[int] = []

    def listens(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu, 1)
        yield from rest(vcpu)

    bench = commit(sends_items(Item(ItemKind.MAP, 0), told=told), listens)
    assert told == [Status.WRONG_STATE]
    assert bench.monitor.memory.segment_at(bench.cell("victim"), WINDOW_BASE) is None


def test_mapping_and_unmapping_again_and_again_ends_with_a_refusal_or_not_at_all() -> None:
    told: list[int] = []

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        for number in range(400):
            items = tuple(Item(ItemKind.MAP, PAGE * (number % 16 + place)) for place in range(16))
            told.append((yield from send(vcpu, b"", items=items, timeout=4_096)).status)
            if number % 3 == 0:
                yield from call(vcpu, Hypercall.IPC_UNMAP, 0, 32, READ)
        yield from rest(vcpu)

    bench = commit(culprit, takes, until=10_000_000)
    assert set(told) <= {Status.OK, Status.NO_ROOM, Status.TIMEOUT}
    assert bench.cell("victim").state is not CellState.FAILED


@pytest.mark.parametrize(
    ("address", "pages", "rights"), [(1, 1, 1), (0, 0, 1), (0, HUGE, 1), (0, 1, 0), (0, 1, 4), (HUGE, 1, 1)]
)
def test_nonsense_cannot_be_unmapped(address: int, pages: int, rights: int) -> None:
    assert answers((Hypercall.IPC_UNMAP, address, pages, rights)) == [Status.BAD_ARGUMENT]


def test_what_others_mapped_cannot_be_taken_from_them() -> None:
    """Unmapping reaches down the tree only: the receiver takes nothing from the giver."""
    told: list[int] = []

    def victim(vcpu: ScriptedVcpu) -> Steps:
        yield from send(vcpu, b"", items=(Item(ItemKind.MAP, 0, 1, READ),))
        yield from rest(vcpu)

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, 1)
        yield from hear(vcpu)
        told.append((yield from call(vcpu, Hypercall.IPC_UNMAP, WINDOW_BASE, 1, READ)))
        yield from rest(vcpu)

    bench = commit(culprit, victim)
    assert told == [0]
    assert bench.monitor.memory.segment_at(bench.cell("victim"), 0) is not None


def test_a_reply_to_nobody_is_refused() -> None:
    reply = l4.pack_partners(REPLY, NIL)
    assert answers((Hypercall.IPC, reply, 0, 0), (Hypercall.IPC, reply, 0, 0)) == [Status.WRONG_STATE] * 2


def test_a_caller_that_has_gone_away_is_not_answered_in_its_next_wait() -> None:
    told: list[Any] = []

    def victim(vcpu: ScriptedVcpu) -> Steps:
        yield from ipc(vcpu, 1, 1, Message(Label.USER), receive=1_024)  # it loses patience
        told.append((yield from hear(vcpu, timeout=20_000)).status)
        yield from rest(vcpu)

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu)
        yield from pause(vcpu, 8_000)
        told.append((yield from ipc(vcpu, REPLY, message=Message(Label.USER, (666,)))).status)
        yield from rest(vcpu)

    commit(culprit, victim)
    assert told == [Status.WRONG_STATE, Status.EMPTY]


def test_who_announces_a_message_and_does_not_send_it_costs_the_partner_its_timeout_and_no_more() -> None:
    told: list[int] = []

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        yield from call(vcpu, Hypercall.NOTIFY, 3, 1)
        yield from rest(vcpu)

    def victim(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu)
        told.append((yield from hear(vcpu, 1, timeout=8_192)).status)
        yield from rest(vcpu)

    commit(culprit, victim)
    assert told == [Status.EMPTY]


def test_a_deadlock_by_mutual_ipc_is_reported_with_both_stories_and_ended_by_the_backstop() -> None:
    told: list[int] = []

    def sends(vcpu: ScriptedVcpu) -> Steps:
        told.append((yield from send(vcpu, b"after you")).status)
        yield from rest(vcpu)

    bench = commit(sends, sends, until=2 * BACKSTOP)
    both = records(bench, "deadlock")
    assert sorted(record["cell"] for record in both) == ["culprit", "victim"]
    for record in both:
        assert "culprit sends to victim" in record["cause"]
        assert "victim sends to culprit" in record["cause"]
    assert told == [Status.TIMEOUT]


def test_a_circle_of_three_is_found_too() -> None:
    def calls(slot: int) -> Any:
        def script(vcpu: ScriptedVcpu) -> Steps:
            yield from ipc(vcpu, slot, slot, Message(Label.USER))
            yield from rest(vcpu)

        return script

    wires = channel("ab", 0, 1), channel("bc", 1, 2), channel("ca", 2, 0)
    bench = meet({"a": calls(1), "b": calls(2), "c": calls(2)}, *wires)
    bench.until(NEVER)
    assert sorted(record["cell"] for record in records(bench, "deadlock")) == ["a", "b", "c"]


def test_a_flood_of_notifications_takes_one_place() -> None:
    def culprit(vcpu: ScriptedVcpu) -> Steps:
        for number in range(500):
            yield from call(vcpu, Hypercall.NOTIFY, 3, 1 << number % 64)
        yield from rest(vcpu)

    def sleeps(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(60_000)
        assert len(vcpu.events) <= 2
        got = yield from hear(vcpu)
        assert got.message.words == (3, 0xFFFFFFFF, 0xFFFFFFFF)
        yield from rest(vcpu)

    assert not commit(culprit, sleeps, until=1_000_000).cell("victim").ended


def test_a_culprit_that_dies_with_a_message_in_its_hands_leaves_nothing() -> None:
    told: list[int] = []

    def culprit(vcpu: ScriptedVcpu) -> Steps:
        yield from send(vcpu, b"", items=(Item(ItemKind.MAP, 0),))
        yield vcpu.exit(ExitKind.FAULT)

    def victim(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, 1)
        yield from hear(vcpu)
        told.append((yield from hear(vcpu, 1)).status)
        yield from rest(vcpu)

    bench = commit(culprit, victim)
    assert told == [Status.PEER_GONE]
    assert bench.monitor.memory.segment_at(bench.cell("victim"), WINDOW_BASE) is None


@pytest.mark.parametrize("address", [0, WINDOW_BASE - 1, WINDOW_BASE + WINDOW_SIZE, HUGE])
def test_a_page_fault_outside_the_window_or_without_a_pager_is_refused(address: int) -> None:
    assert answers((Hypercall.PAGE_FAULT, address, READ, 0)) == [Status.BAD_ARGUMENT]
    assert answers((Hypercall.PAGE_FAULT, WINDOW_BASE, READ, 0)) == [Status.WRONG_STATE]


def test_a_pager_that_replies_with_pages_it_has_not_leaves_its_client_waiting_for_a_better_answer() -> None:
    told: list[int] = []

    def client(vcpu: ScriptedVcpu) -> Steps:
        told.append((yield from call(vcpu, Hypercall.PAGE_FAULT, WINDOW_BASE, READ, 0)))
        yield from rest(vcpu)

    def pager(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu)
        for item in (Item(ItemKind.MAP, 0x5000_0000), Item(ItemKind.GRANT, 0), Item(ItemKind.MAP, 0)):
            told.append((yield from ipc(vcpu, REPLY, NIL, Message(Label.USER, items=(item,)))).status)  # noqa: PERF401
        yield from rest(vcpu)

    meet({"client": client, "pager": pager}, pagers={0: 1}, params={"client": RAM, "pager": RAM}).until(NEVER)
    assert told == [Status.BAD_ARGUMENT, Status.WRONG_STATE, 0, 0]
