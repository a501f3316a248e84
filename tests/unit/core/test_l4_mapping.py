"""Address spaces by map, grant and flush: who sees which page, with which right, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import FLUSH, Item, ItemKind
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WRITE
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.l4.mapping import DEPTH
from hypervisor.core.wiring import SharedParams
from tests.support.l4_cells import accept, call, channel, hear, ipc, meet, pause, records, rest, send
from tests.support.memory import AccessError
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Iterator[Exit]
RAM = {"ram": 16 * PAGE}
PAIR = {"a": RAM, "b": RAM}
TRIO = {**PAIR, "c": RAM}
BOTH = READ | WRITE


def map_item(address: int, pages: int = 1, rights: int = BOTH, kind: ItemKind = ItemKind.MAP) -> Item:
    return Item(kind, address, pages, rights)


def bench_of(scripts: dict[str, Any], *wires: Any, **more: Any) -> Bench:
    params = dict.fromkeys(scripts, RAM)
    return meet(scripts, *wires, **{"params": params, **more})


def host(bench: Bench) -> Any:
    return bench.monitor.memory.host


def sees(bench: Bench, name: str, address: int) -> bytes | None:
    """What a cell's process reads there; None if nothing is there."""
    try:
        return bytes(host(bench).load(bench.cell(name), address, 4))
    except AccessError:
        return None


def giver(*items: Item, got: list[Any] | None = None, then: Any = None) -> Any:
    """Send the items, then do `then`."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        result = yield from send(vcpu, b"", items=items)
        if got is not None:
            got.append(result.status)
        if then is not None:
            yield from then(vcpu)
        yield from rest(vcpu)

    return script


def taker(pages: int = 8, got: list[Any] | None = None) -> Any:
    """Take whatever comes, at the beginning of the window."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, pages)
        result = yield from hear(vcpu)
        if got is not None:
            got.append(result)
        yield from rest(vcpu)

    return script


def unmap(address: int, pages: int, rights: int, got: list[Any]) -> Any:
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 1_000)
        got.append((yield from call(vcpu, Hypercall.IPC_UNMAP, address, pages, rights)))

    return script


def test_a_mapped_page_is_the_same_page_at_both_ends() -> None:
    heard: list[Any] = []
    bench = bench_of({"a": giver(map_item(2 * PAGE, 2)), "b": taker(got=heard)}, channel("x", 0, 1))
    bench.until(NEVER)
    (item,) = heard[0].message.items
    assert (item.address, item.count, item.rights) == (WINDOW_BASE, 2, BOTH)
    host(bench).store(bench.cell("a"), 3 * PAGE, b"from")
    assert sees(bench, "b", WINDOW_BASE + PAGE) == b"from"
    host(bench).store(bench.cell("b"), WINDOW_BASE, b"back")
    assert sees(bench, "a", 2 * PAGE) == b"back"
    assert [record["pages"] for record in records(bench, "map")] == [2]


def test_a_page_mapped_for_reading_cannot_be_written() -> None:
    bench = bench_of({"a": giver(map_item(0, 1, READ)), "b": taker()}, channel("x", 0, 1))
    bench.until(NEVER)
    try:
        host(bench).store(bench.cell("b"), WINDOW_BASE, b"evil")
    except AccessError:
        return
    raise AssertionError("it was written")


def test_who_accepts_no_pages_gets_no_message_with_pages() -> None:
    got: list[Any] = []

    def listens(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from hear(vcpu, timeout=8_192)).status)

    bench = bench_of({"a": giver(map_item(0), got=got), "b": listens}, channel("x", 0, 1))
    bench.until(NEVER)
    assert got == [Status.WRONG_STATE, Status.EMPTY]


def test_a_message_whose_second_item_cannot_pass_leaves_nothing_of_the_first() -> None:
    got: list[Any] = []
    items = (map_item(0), map_item(0x5000_0000))
    bench = bench_of({"a": giver(*items, got=got), "b": taker()}, channel("x", 0, 1))
    bench.until(NEVER)
    assert got == [Status.BAD_ARGUMENT]
    assert sees(bench, "b", WINDOW_BASE) is None
    assert bench.monitor.memory.segment_at(bench.cell("a"), 0) is None


def relay(rights: int = BOTH, kind: ItemKind = ItemKind.MAP, then: Any = None, got: list[Any] | None = None) -> Any:
    """Slot 1: from whom; slot 2: to whom the page goes on."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, 8)
        yield from hear(vcpu, 1)
        result = yield from send(vcpu, b"", 2, items=(map_item(WINDOW_BASE, 1, rights, kind),))
        if got is not None:
            got.append(result.status)
        if then is not None:
            yield from then(vcpu)
        yield from rest(vcpu)

    return script


def chain(a: Any, b: Any, c: Any) -> Bench:
    bench = bench_of({"a": a, "b": b, "c": c}, channel("ab", 0, 1), channel("bc", 1, 2))
    bench.until(NEVER)
    return bench


def test_unmapping_reaches_everybody_down_the_tree_even_those_who_do_not_cooperate() -> None:
    gone: list[Any] = []
    first = giver(map_item(0), then=unmap(0, 1, READ, gone))
    bench = bench_of({"a": first, "b": relay(), "c": taker()}, channel("ab", 0, 1), channel("bc", 1, 2))
    host(bench).stubborn = {1, 2}
    bench.until(NEVER)
    assert gone == [2]
    host(bench).store(bench.cell("a"), 0, b"mine")
    assert sees(bench, "b", WINDOW_BASE) != b"mine"
    assert sees(bench, "c", WINDOW_BASE) != b"mine"
    assert bench.monitor.memory.segment_at(bench.cell("a"), 0) is None  # plain memory again


def test_the_one_in_the_middle_takes_back_what_it_gave_and_keeps_what_it_has() -> None:
    gone: list[Any] = []
    bench = chain(giver(map_item(0)), relay(then=unmap(WINDOW_BASE, 1, READ, gone)), taker())
    assert gone == [1]
    host(bench).store(bench.cell("a"), 0, b"kept")
    assert sees(bench, "b", WINDOW_BASE) == b"kept"
    assert sees(bench, "c", WINDOW_BASE) is None


def test_a_flush_takes_the_page_from_the_caller_too() -> None:
    gone: list[Any] = []
    bench = chain(giver(map_item(0)), relay(then=unmap(WINDOW_BASE, 1, READ | FLUSH, gone)), taker())
    assert gone == [2]
    assert sees(bench, "b", WINDOW_BASE) is None
    assert sees(bench, "c", WINDOW_BASE) is None


def test_only_the_right_to_write_can_be_taken_back() -> None:
    gone: list[Any] = []
    bench = chain(giver(map_item(0), then=unmap(0, 1, WRITE, gone)), relay(), taker())
    assert gone == [2]
    host(bench).store(bench.cell("a"), 0, b"look")
    assert sees(bench, "c", WINDOW_BASE) == b"look"
    try:
        host(bench).store(bench.cell("c"), WINDOW_BASE, b"evil")
    except AccessError:
        return
    raise AssertionError("it was written")


def test_what_was_mapped_for_reading_cannot_be_mapped_on_for_writing() -> None:
    got: list[Any] = []
    chain(giver(map_item(0, 1, READ)), relay(got=got), taker())
    assert got == [Status.RIGHTS]


def test_a_grant_leaves_the_giver_without_the_page_and_the_root_can_still_take_it_back() -> None:
    gone: list[Any] = []

    def later(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 50_000)
        yield from unmap(0, 1, READ, gone)(vcpu)

    bench = chain(giver(map_item(0), then=later), relay(kind=ItemKind.GRANT), taker())
    assert gone == [1]
    assert sees(bench, "b", WINDOW_BASE) is None
    assert sees(bench, "c", WINDOW_BASE) is None


def test_a_cells_own_memory_cannot_be_granted_away() -> None:
    got: list[Any] = []
    bench = bench_of({"a": giver(map_item(0, kind=ItemKind.GRANT), got=got), "b": taker()}, channel("x", 0, 1))
    bench.until(NEVER)
    assert got == [Status.WRONG_STATE]


def test_death_in_the_middle_takes_what_came_through_it_and_gives_the_root_its_memory_back() -> None:
    def dies(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 1_000)
        yield vcpu.exit(ExitKind.FAULT)

    bench = chain(giver(map_item(0)), relay(then=dies), taker())
    assert bench.cell("b").ended
    assert sees(bench, "c", WINDOW_BASE) is None
    assert bench.monitor.memory.segment_at(bench.cell("a"), 0) is None


def test_death_of_the_root_takes_everything() -> None:
    def dies(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 5_000)
        yield vcpu.exit(ExitKind.FAULT)

    bench = chain(giver(map_item(0), then=dies), relay(), taker())
    assert bench.cell("a").ended
    assert sees(bench, "b", WINDOW_BASE) is None
    assert sees(bench, "c", WINDOW_BASE) is None


def test_a_page_goes_through_so_many_hands_and_no_more() -> None:
    got: list[int] = []

    def pass_it(vcpu: ScriptedVcpu) -> Steps:  # the page travels between two cells
        yield from accept(vcpu, WINDOW_BASE, 64)
        page = WINDOW_BASE
        while True:
            heard = yield from hear(vcpu)
            page = heard.message.items[0].address
            got.append((yield from send(vcpu, b"", items=(map_item(page),))).status)

    def first(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, 64)
        got.append((yield from send(vcpu, b"", items=(map_item(0),))).status)
        yield from pass_it(vcpu)

    bench = bench_of({"a": first, "b": pass_it}, channel("x", 0, 1))
    bench.until(NEVER)
    assert got == [0] * DEPTH + [Status.TOO_LONG]


def test_part_of_what_was_mapped_can_be_taken_back_and_mapped_again() -> None:
    gone: list[Any] = []
    heard: list[Any] = []

    def first(vcpu: ScriptedVcpu) -> Steps:
        yield from send(vcpu, b"", items=(map_item(0, 3),))
        gone.append((yield from call(vcpu, Hypercall.IPC_UNMAP, PAGE, 1, READ)))
        yield from send(vcpu, b"", items=(map_item(0, 2),))
        yield from rest(vcpu)

    def second(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, 8)
        heard.append((yield from hear(vcpu)))
        heard.append((yield from hear(vcpu)))
        yield from rest(vcpu)

    bench = bench_of({"a": first, "b": second}, channel("x", 0, 1))
    bench.until(NEVER)
    assert gone == [1]
    assert [got.message.items[0].address for got in heard] == [WINDOW_BASE, WINDOW_BASE + 3 * PAGE]
    host(bench).store(bench.cell("a"), 0, b"zero")
    assert sees(bench, "b", WINDOW_BASE) == sees(bench, "b", WINDOW_BASE + 3 * PAGE) == b"zero"
    assert sees(bench, "b", WINDOW_BASE + PAGE) is None
    assert sees(bench, "b", WINDOW_BASE + 2 * PAGE) is not None


def test_shared_memory_is_there_from_boot_on_and_can_be_mapped_on() -> None:
    shared = SharedParams("pad", PAGE, {0: True, 1: False})
    got: list[Any] = []
    first = giver(map_item(WINDOW_BASE), got=got)

    def third(vcpu: ScriptedVcpu) -> Steps:
        yield from accept(vcpu, WINDOW_BASE, 1)
        yield from hear(vcpu)
        yield from rest(vcpu)

    scripts = {"a": first, "b": rest, "c": third}
    bench = bench_of(scripts, channel("ac", 0, 2), shared)
    bench.until(NEVER)
    assert got == [0]
    host(bench).store(bench.cell("a"), WINDOW_BASE, b"pad!")
    assert sees(bench, "b", WINDOW_BASE) == sees(bench, "c", WINDOW_BASE) == b"pad!"
    info = bench.monitor.mechanism.boot_info(bench.cell("b"))
    assert info["shared"] == [{"name": "pad", "address": WINDOW_BASE, "size": PAGE, "writable": False}]
    assert info["window"][0] == WINDOW_BASE + PAGE


def test_an_address_that_is_not_in_the_window_is_no_place_to_accept_pages() -> None:
    got: list[Any] = []

    def tries(vcpu: ScriptedVcpu) -> Steps:
        for address, pages in ((0, 1), (WINDOW_BASE + 1, 1), (WINDOW_BASE, 1 << 20), (WINDOW_BASE - PAGE, 2)):
            got.append((yield from accept(vcpu, address, pages)))
        got.append((yield from ipc(vcpu, source=1, receive=0)).status)

    bench = bench_of({"a": tries, "b": rest}, channel("x", 0, 1))
    bench.until(NEVER)
    assert got == [*[Status.BAD_ARGUMENT] * 4, Status.EMPTY]
