"""What a vCPU counts, by hand: entries, switches, operations on TLB and caches, functions; and its marks."""

from __future__ import annotations

import json

import pytest

from cells.engines.arm import EVENT_NAMES, EngineError, Stop
from cells.engines.counting import Tally
from hypervisor.abi import counts
from tests.support.arm import Bench, page_table
from tests.support.translations import Op, expected, results, scripted
from tests.support.translations import counts as tlb_counts
from tests.support.translations import shape as tlb_shape

MODELS = ("926", "PXA255", "1176", "CORTEX_A9")
MARK = "mov r7, #0xfe00; orr r7, r7, #0xed; mov r0, #{}; mov r1, #{}; svc #0; "
USER = "msr cpsr_c, #0x10; "
FUNCTION, OTHER = 0x2000, 0x2100
CACHE = {"size": 1024, "line": 32, "ways": 4}


def _bench(model: str = "926", **told: int) -> Bench:
    bench = Bench(model)
    bench.engine.count([[FUNCTION], [OTHER, FUNCTION + 8]], **told)
    return bench


def _counted(bench: Bench, source: str, *, hole: int | None = None) -> dict[str, int]:
    """What happens between two marks around the source, if anything. `hole`: a page that small pages leave out; the MMU is on."""
    bench.load(0x1000, MARK.format(1, 0) + source + "; " + MARK.format(2, 7) + "b .")
    bench.engine.reset(0x1000)
    if hole is not None:
        page_table(bench, faults=(hole,))
    assert bench.run() is Stop.MARK
    assert bench.engine.mark == (1, 0)
    before = bench.engine.counts(("a", "b"))
    assert bench.run() is Stop.MARK, bench.engine.registers()
    assert bench.engine.mark == (2, 7)
    after = bench.engine.counts(("a", "b"))
    common = {"marks", "cycles"}
    return {name: after[name] - n for name, n in before.items() if after[name] != n and name not in common}


def test_engine_and_abi_name_the_same_counts() -> None:
    assert set(EVENT_NAMES) == {*counts.EVENTS, *counts.TRANSLATIONS, *counts.CACHES}
    assert counts.unpack(counts.pack((5, 1 << 63)), 2) == (5, 1 << 63)
    assert counts.unpack(counts.pack((5, 1)), 3) is None


@pytest.mark.parametrize("model", MODELS)
def test_a_mark_ends_the_run_behind_it_and_no_vector_is_entered(model: str) -> None:
    assert _counted(_bench(model), "nop; nop") == {"instructions": 7, "kernel_instructions": 7}


def test_who_does_not_count_hands_a_mark_to_the_kernel() -> None:
    bench = Bench("926")
    bench.load(0x1000, MARK.format(1, 0) + bench.wait[1:])
    assert bench.run(0x1000) is Stop.WFI
    assert bench.engine.vcpu.svc == 1


@pytest.mark.parametrize("model", MODELS)
def test_system_calls_and_functions_are_counted_where_they_happen(model: str) -> None:
    bench = _bench(model)
    bench.load(FUNCTION, "b 0x2008; nop; bx lr")
    bench.load(OTHER, "bx lr")
    seen = _counted(bench, "mov r7, #4; svc #0; svc #0; bl 0x2000; bl 0x2100; bl 0x2000")
    assert seen == {"instructions": 18, "kernel_instructions": 18, "svc": 2, "f_a": 2, "f_b": 3}


def test_user_mode_is_told_from_the_kernel_by_each_block() -> None:
    bench = _bench()
    bench.load(0x1000, USER + "b 0x3000")
    bench.load(0x3000, MARK.format(1, 0) + "mov r7, #4; svc #0; svc #0; " + MARK.format(2, 7) + "b .")
    assert bench.run(0x1000) is Stop.MARK
    before = bench.engine.counts()
    bench.run()
    after = bench.engine.counts()
    names = ("instructions", "kernel_instructions", "kernel_entries", "svc")
    assert [after[name] - before[name] for name in names] == [10, 2, 2, 2]


@pytest.mark.parametrize("model", MODELS)
def test_aborts_are_counted_by_kind_and_mode(model: str) -> None:
    bench = _bench(model)
    bench.vectors(abort_skips=4)
    bench.load(0xC, "movs pc, r11")  # behind a fetch that aborts
    bad = "mov r3, #0x40000000; orr r3, r3, #0x5000; "
    seen = _counted(
        bench,
        bad + "ldr r0, [r3]; adr r11, kernel; mov pc, r3; kernel: " + USER + "b user; user: "
        "ldr r0, [r3]; str r0, [r3]; adr r11, behind; mov pc, r3; behind: nop",
        hole=5,
    )
    kinds = ("data_abort_kernel", "prefetch_abort_kernel", "data_abort_user", "prefetch_abort_user")
    assert [seen.get(kind) for kind in kinds] == [1, 1, 2, 1]
    assert seen["kernel_entries"] == 3


@pytest.mark.parametrize("model", ["926", "1176"])
def test_operations_on_tlb_and_caches_are_counted_by_kind(model: str) -> None:
    source = """
        mcr p15, 0, r2, c8, c7, 0; mcr p15, 0, r2, c8, c7, 1; mcr p15, 0, r2, c8, c6, 1; cmp r2, r2
        mcrne p15, 0, r2, c8, c7, 0; mcreq p15, 0, r2, c8, c7, 0
        mcr p15, 0, r2, c7, c14, 0; mcr p15, 0, r2, c7, c10, 1; mcr p15, 0, r2, c7, c6, 1; mcr p15, 0, r2, c7, c5, 0
        mcr p15, 0, r2, c7, c5, 1; mcr p15, 0, r2, c7, c10, 4; mrc p15, 0, r2, c1, c0, 0
    """
    seen = _counted(_bench(model), source.replace("\n", ";").replace(";;", ";").strip("; "))
    del seen["instructions"], seen["kernel_instructions"]
    wanted = {"tlb_flush_all": 2, "tlb_flush_one": 2, "dcache_flush": 1, "dcache_lines": 2}
    assert seen == {**wanted, "icache_flush": 1, "icache_lines": 1}


def test_a_walk_by_set_and_way_is_one_flush_when_it_is_through() -> None:
    loop = "mov r2, #{}; again: mcr p15, 0, r3, c7, c14, 2; subs r2, r2, #1; bne again"
    seen = _counted(_bench(dcache_lines=8), loop.format(20))
    assert (seen["dcache_flush"], seen["flush_instructions"]) == (2, 61)
    assert "dcache_flush" not in _counted(_bench(dcache_lines=8), loop.format(7))


def test_another_table_is_a_switch_and_the_common_one_of_a_kernel_with_asids_is_none() -> None:
    write = "mov r2, #{:#x}; mcr p15, 0, r2, c2, c0, {}; "
    before = write.format(0x8000, 1) + write.format(0x4000, 0)
    again = write.format(0x8000, 0) + write.format(0x4000, 0) + write.format(0x8000, 0) + write.format(0xC000, 0)
    asid = "mov r2, #5; mcr p15, 0, r2, c13, c0, 1; mcr p15, 0, r2, c13, c0, 1"
    seen = _counted(_bench("1176"), before + again + asid)
    assert (seen["switches"], seen["asid_changes"]) == (2, 1)


def test_an_instruction_that_aborts_takes_back_what_its_block_would_have_done() -> None:
    bench = _bench()
    bench.vectors(abort_skips=4)
    bad = "mov r3, #0x40000000; orr r3, r3, #0x5000; "
    clean = "mcr p15, 0, r2, c7, c10, 1; "
    seen = _counted(bench, f"{bad}{clean}{clean}ldr r0, [r3]; b behind; {clean}behind: nop", hole=5)
    assert (seen["dcache_lines"], seen["data_abort_kernel"]) == (2, 1)
    seen = _counted(bench, f"{bad}{clean}ldr r0, [r3]; {clean}nop", hole=5)
    assert (seen["dcache_lines"], seen["data_abort_kernel"]) == (2, 1)


def test_all_counts_begin_anew_at_the_mark_that_says_ready_and_in_another_engine() -> None:
    bench = _bench()
    ready = f"mov r7, #0xfe00; orr r7, r7, #0xed; mov r0, #{counts.READY & 0xFF00:#x}; orr r0, r0, #7; svc #0; "
    bench.load(0x1000, "mov r7, #4; svc #0; svc #0; " + ready + "mov r7, #4; svc #0; " + MARK.format(1, 0) + "b .")
    assert bench.run(0x1000) is Stop.MARK
    assert not any(bench.engine.counts().values())
    state = json.loads(json.dumps(bench.engine.snapshot()))
    other = _bench()
    other.ram[:] = bench.ram[:]
    other.engine.restore(state)
    found = []
    for each in (bench, other):
        assert each.run() is Stop.MARK
        found.append(each.engine.counts())
    assert found[0] == found[1]
    assert (found[0]["svc"], found[0]["instructions"]) == (1, 8)


def test_a_guest_that_never_stops_marking_is_passed_over() -> None:
    bench = _bench()
    bench.load(0x1000, "mov r7, #0xfe00; orr r7, r7, #0xed; again: svc #0; b again")
    bench.engine.reset(0x1000)
    seen = 0
    while bench.run(limit=bench.engine.cycles + 10_000) is Stop.MARK:
        seen += 1
    assert seen == counts.MARK_LIMIT
    assert bench.engine.cycles > 2 * counts.MARK_LIMIT + 9_000


@pytest.mark.parametrize("model", ["926", "CORTEX_A9"])
def test_code_that_rewrites_itself_does_the_same_with_caches(model: str) -> None:
    ends = []
    for caches in (False, True):
        bench = _bench(model)
        if caches:
            bench.engine.count_caches(CACHE, CACHE)
        patch = "mov r4, #0x2000; ldr r5, [r4, #16]; mov r6, #0; again: str r5, [r4]; bl 0x2000; add r5, r5, #1; "
        bench.load(0x1000, patch + "cmp r5, r8; cmp r6, #45; blo again" + bench.wait)
        bench.load(0x2000, "nop; bx lr; nop; nop; add r6, r6, #1")
        assert bench.run(0x1000) is Stop.WFI
        ends.append((bench.engine.registers(), bench.engine.insns))
    assert ends[0] == ends[1]
    assert ends[0][0]["r6"] >= 45


@pytest.mark.parametrize("caches", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_translations_are_counted_as_without_and_by_side(model: str, caches: bool) -> None:
    script: list[Op] = [
        ("load", 64),
        ("store", 72),
        ("call", 17),
        ("load", 80),
        ("invalidate", 64),
        ("load", 64),
        ("load", 200),
    ]
    script += [
        ("space", 1),
        ("load", 65),
        ("not_now", 0),
        ("invalidate_all", 0),
        ("far", 1),
        ("closed", 2),
        ("call", 17),
    ]
    if model in ("926", "PXA255"):
        script.remove(("space", 1))
    shape = tlb_shape(split=1, asid=1)
    plain, bench = scripted(model, script, shape), scripted(model, script, shape, counting=caches)
    plain.finish()
    bench.finish()
    assert results(bench) == results(plain)
    assert tlb_counts(bench) == tlb_counts(plain) == expected(model, script, shape)
    seen = bench.engine.counts()
    assert seen["tlb_miss_i"] + seen["tlb_miss_d"] == tlb_counts(plain).hits + tlb_counts(plain).misses
    assert seen["tlb_miss_i"] >= 4
    assert (seen["tlb_flush_one"], seen["tlb_flush_all"]) == (1, 1)
    assert (seen["l1i_miss"] > 0) is caches


def test_a_tally_packs_the_counts_that_the_cell_was_asked_for() -> None:
    bench = Bench()
    tally = Tally(bench.engine, {"functions": {"a": [0x2000]}, "dcache_lines": 8, "caches": None, "tlb": None})
    assert list(tally.counts()) == list(counts.names(["a"]))
    assert counts.unpack(tally.packed(), len(counts.names(["a"]))) == tuple(tally.counts().values())


@pytest.mark.parametrize(
    ("functions", "said"),
    [([[0]] * 17, "16 groups"), ([list(range(0, 4 * 1025, 4))], "1024 functions")],
)
def test_more_than_is_counted_is_refused(functions: list[list[int]], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        Bench().engine.count(functions)


@pytest.mark.parametrize(
    "odd", [{"line": 0}, {"ways": 0}, {"size": 1000}, {"line": 48, "size": 3072}, {"size": 2 << 20}]
)
def test_caches_that_cannot_be_are_refused(odd: dict[str, int]) -> None:
    bench = _bench()
    with pytest.raises(EngineError, match="caches: "):
        bench.engine.count_caches({**CACHE, **odd}, CACHE)
    with pytest.raises(EngineError, match="counts already"):
        bench.engine.count()


@pytest.mark.parametrize("model", ["CORTEX_A8", "CORTEX_A9"])
def test_a_hint_behind_a_load_is_no_undefined_instruction_when_caches_are_modelled(model: str) -> None:
    bench = _bench(model)
    bench.engine.count_caches(CACHE, CACHE)
    bench.load(
        0x1000, "mov r1, #0x3000; ldr r0, [r1]; b next; next: wfe; ldrb r0, [r1]; yield; udf #1; mov r5, #5; wfi"
    )
    assert bench.run(0x1000) is Stop.WFI
    vcpu = bench.engine.vcpu
    assert (vcpu.yields, vcpu.undef, bench.engine.read_register("R5")) == (2, 1, 5)


def test_memory_that_is_mapped_later_is_cached_too() -> None:
    bench = _bench()
    bench.engine.count_caches(CACHE, CACHE)
    bench.engine.map_ram(0x1000_0000, bytearray(1 << 16), 1 << 16)
    assert _counted(bench, "mov r1, #0x10000000; ldr r0, [r1]; ldr r0, [r1, #32]")["l1d_read_miss"] == 2


@pytest.mark.parametrize("model", MODELS)
def test_an_access_to_nowhere_amid_a_block_aborts_at_the_same_place_with_caches(model: str) -> None:
    ends = []
    for caches in (False, True):
        bench = _bench(model)
        if caches:
            bench.engine.count_caches(CACHE, CACHE)
        bench.vectors(abort_skips=4)
        body = (
            "add r4, r4, #1; ldr r0, [r2]; add r4, r4, #1; {} r0, [r1]; add r4, r4, #1; str r4, [r2]; add r4, r4, #1; "
        )
        kinds = ("ldr", "str") if model in ("926", "PXA255") else ("ldr",)  # ARMv6 on, a store's abort waits for CPSR.A
        source = "mov r1, #0x20000000; mov r2, #0x3000; " + "".join(map(body.format, kinds)) + "b on; on: nop; nop"
        bench.load(0x1000, source + bench.wait)
        assert bench.run(0x1000) is Stop.WFI
        ends.append((results(bench), bench.engine.cycles))
    assert ends[0] == ends[1]
    assert ends[0][0][1]["data_aborts"] == len(kinds)
