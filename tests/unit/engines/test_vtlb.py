"""The virtual TLB on small programs: what comes in, what goes out, what it costs, and that faults are as without it."""

from __future__ import annotations

import pytest

from cells.engines.arm import EngineError, Stop
from tests.support.arm import ONE, V7, WAIT_WORD, Bench
from tests.support.translations import MAIN, NO_PAGE, WINDOW, Counts, Op, counts, results, scripted, shape, translated

MODELS = ("926", "PXA255", "1176", "CORTEX_A8", "CORTEX_A9")
CONFLICT: list[Op] = [("load", 64), ("load", 68), ("load", 72)]
"""Three pages of one set of four, which has two ways."""


def _counts(model: str, script: list[Op], **changes: int) -> Counts:
    bench = scripted(model, script, shape(**changes))
    bench.finish()
    return counts(bench)


def _program(bench: Bench, source: str, **changes: int) -> Counts:
    """Run a program under the usual tables."""
    bench.engine.count_translations(shape(**changes))
    bench.load(MAIN, source + bench.wait)
    bench.engine.reset(MAIN)
    translated(bench)
    bench.finish()
    return counts(bench)


def _bench(model: str) -> Bench:
    return Bench(model, ONE, ram_size=4 << 20)


# ---- In and out


@pytest.mark.parametrize("model", MODELS)
def test_the_first_access_to_a_page_misses_both_and_the_next_ones_miss_nothing(model: str) -> None:
    assert _counts(model, [("load", 64), ("store", 64), ("load", 64)]) == (0, 2, 0, 200)  # the page, and the code


@pytest.mark.parametrize("model", MODELS)
def test_a_page_that_its_set_has_lost_is_a_hit_of_the_virtual_one(model: str) -> None:
    assert _counts(model, [*CONFLICT, ("load", 64)], split=1)[:2] == (1, 4)
    assert _counts(model, [*CONFLICT, ("load", 64)], split=1, virtual_entries=0)[:2] == (0, 5)
    assert _counts(model, [*CONFLICT, ("load", 64)], split=1, virtual_entries=1)[:2] == (0, 5)


def test_a_set_replaces_in_turn_though_an_old_entry_is_in_use() -> None:
    assert _counts("926", [("load", 64), ("load", 68), ("load", 64), ("load", 72), ("load", 64)], split=1).hits == 1


def test_with_as_many_ways_as_entries_nothing_collides() -> None:
    assert _counts("926", [*CONFLICT, ("load", 64)], ways=8).hits == 0


@pytest.mark.parametrize("split", [0, 1])
def test_code_and_data_share_a_tlb_or_have_one_each(split: int) -> None:
    seen = _counts("PXA255", [("call", 17), ("load", 17)], split=split)
    assert seen[:2] == (split, 2)  # its own TLB misses the page, which the virtual one knows from the call


def test_a_section_is_one_entry_however_much_of_it_is_used() -> None:
    bench = _bench("926")
    source = "mov r0, #0x200000; add r2, r0, #0x100000; next: ldr r1, [r0]; add r0, r0, #0x1000; cmp r0, r2; bne next"
    assert _program(bench, source)[:2] == (0, 2)


@pytest.mark.parametrize("model", MODELS)
def test_a_large_page_is_one_entry(model: str) -> None:
    bench = _bench(model)
    bench.engine.count_translations(shape())
    bench.load(
        MAIN, f"mov r0, #{WINDOW:#x}; ldr r1, [r0]; ldr r1, [r0, #4]; add r0, r0, #0xf000; ldr r1, [r0]" + bench.wait
    )
    bench.engine.reset(MAIN)
    translated(bench)
    for number in range(16):
        bench.poke(0x8_8000 + 4 * number, 0x31 if model in (*V7, "1176") else 0xFF1)
    bench.finish()
    assert counts(bench)[:2] == (0, 2)


def test_tiny_pages_of_a_fine_table_are_entries_of_their_own() -> None:
    bench = _bench("926")
    bench.engine.count_translations(shape())
    bench.load(MAIN, f"mov r0, #{WINDOW:#x}; ldr r1, [r0]; ldr r1, [r0, #0x400]; ldr r1, [r0, #0x404]" + bench.wait)
    bench.engine.reset(MAIN)
    translated(bench)
    bench.poke(0x8_4000 + 4 * (WINDOW >> 20), 0x8_C013)
    bench.poke(0x8_C000, 0x0_0033, 0x0_0433)
    bench.finish()
    assert counts(bench)[:2] == (0, 3)
    assert bench.engine.vcpu.data_aborts == 0


# ---- Upkeep


def test_an_address_is_invalidated_alone() -> None:
    script: list[Op] = [("load", 64), ("load", 65), ("invalidate", 64), ("load", 65), ("load", 64)]
    assert _counts("926", script) == (0, 4, 1, 4 * 100 + 300)


def test_everything_is_invalidated_in_both() -> None:
    assert _counts("926", [("load", 64), ("invalidate_all", 0), ("load", 64)])[:3] == (0, 4, 1)


def test_an_address_space_of_its_own_is_invalidated_and_left_and_entered() -> None:
    private, common = 65, 64
    back: list[Op] = [
        ("load", private),
        ("load", common),
        ("space", 1),
        ("space", 0),
        ("load", private),
        ("load", common),
    ]
    assert _counts("CORTEX_A9", back, asid=1)[:3] == (0, 3, 2)
    away: list[Op] = [("load", private), ("load", common), ("space", 1), ("load", private), ("load", common)]
    assert _counts("CORTEX_A9", away, asid=1, split=1)[:3] == (0, 4, 1)
    gone: list[Op] = [("load", private), ("load", common), ("invalidate_space", 0), ("load", private), ("load", common)]
    assert _counts("CORTEX_A9", gone, asid=1)[:3] == (0, 4, 1)


def test_code_of_an_address_space_is_other_code_in_another_one() -> None:
    """Though it is the same code at the same place, translated once."""
    script: list[Op] = [("call", 17), ("space", 1), ("call", 17), ("space", 0), ("call", 17)]
    assert _counts("CORTEX_A9", script, asid=1, ways=8)[:3] == (0, 3, 2)


def test_a_page_that_changes_its_own_address_space_is_looked_up_in_the_new_one() -> None:
    bench, here = _bench("CORTEX_A9"), 17 << 12
    bench.engine.count_translations(shape(asid=1, split=1))
    bench.load(here, "ldr r0, [pc, #32]; mov r1, #1; mcr p15, 0, r1, c13, c0, 1; ldr r0, [pc, #32]; wfi")
    bench.engine.reset(WINDOW + here)
    translated(bench)
    bench.finish()
    assert counts(bench)[:3] == (2, 2, 1)  # code, then data, in each space


def test_an_operation_whose_condition_fails_is_none() -> None:
    assert _counts("926", [("load", 64), ("not_now", 0), ("load", 64)])[:3] == (0, 2, 0)


def test_the_process_number_of_armv5_moves_low_addresses() -> None:
    """Modified addresses are what the TLB knows: the same low address is another page after the switch, and the same again."""
    bench = _bench("926")
    bench.engine.count_translations(shape(ways=8))
    switch = "mov r0, #{}; mcr p15, 0, r0, c13, c0, 0; ldr r1, [r4]; "
    bench.load(0x1_0000, switch.format("0x02000000") + switch.format("0") + bench.wait)
    bench.engine.reset(WINDOW + 0x1_0000)
    translated(bench)
    bench.poke(0x8_4000 + 4 * 0x20, 0x10_0C12)
    bench.poke(0x10_0000 + 0x800, 1234)
    bench.poke(0x800, 77)
    bench.engine.write_register("R4", 0x800)
    bench.run(limit=bench.engine.cycles + 1)
    values = []
    while bench.run(limit=bench.engine.cycles + 1) is Stop.LIMIT:
        values.append(bench.engine.read_register("R1"))
    assert 1234 in values
    assert bench.engine.read_register("R1") == 77
    assert counts(bench)[:3] == (0, 3, 2)


def test_a_low_page_that_its_set_has_lost_is_seen_again_under_its_moved_address() -> None:
    bench = _bench("926")
    bench.engine.count_translations(shape(split=1))
    loads = "; ".join(f"ldr r0, [r4, #{0 if page else 4}]; mov r4, #{page << 12:#x}" for page in (64, 68, 72, 64, 0))
    bench.load(0x1_0000, "mov r1, #0x02000000; mcr p15, 0, r1, c13, c0, 0; mov r4, #0x40000; " + loads + bench.wait)
    bench.engine.reset(WINDOW + 0x1_0000)
    translated(bench)
    bench.poke(0x8_4000 + 4 * 0x20, 0x8_8011)
    bench.finish()
    assert bench.engine.vcpu.data_aborts == 0
    assert counts(bench)[:3] == (1, 4, 1)


def test_a_branch_that_lies_in_two_pages_needs_both() -> None:
    bench = _bench("CORTEX_A9")
    bench.engine.count_translations(shape())
    bench.load(0x1_4FF8, "b.n over; stop: wfi; over: nop; b.w stop", thumb=True)
    bench.engine.reset(WINDOW + 0x1_4FF8 | 1)
    translated(bench)
    bench.finish()
    assert counts(bench)[:2] == (0, 2)


def test_thumb_code_keeps_its_tlb_too() -> None:
    bench = _bench("CORTEX_A9")
    bench.engine.count_translations(shape())
    bench.load(
        MAIN,
        "mov.w r4, #0x40000000; ldr r0, [r4]; mcr p15, 0, r0, c8, c7, 0; b.n next; next: ldr r0, [r4]; wfi",
        thumb=True,
    )
    bench.engine.reset(MAIN | 1)
    translated(bench)
    bench.finish()
    assert counts(bench)[:3] == (0, 4, 1)


def test_a_process_that_tries_it_is_refused_by_the_cpu_and_nothing_is_counted() -> None:
    bench = _bench("926")
    bench.poke(4, WAIT_WORD)
    seen = _program(bench, "msr cpsr_c, #0x10; mov r1, #0; mcr p15, 0, r1, c8, c7, 0; mov r2, #1")
    assert bench.engine.vcpu.undef == 1
    assert seen.upkeep == 0
    assert seen[:2] == (0, 2)  # its code and the vectors


# ---- Faults


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "script",
    [
        [("load", NO_PAGE)],
        [("store", NO_PAGE)],
        [("closed", 3)],
        [("call", NO_PAGE)],
        [("load", 64), ("closed", 64), ("load", 64)],
    ],
    ids=["load of no page", "store to no page", "no access to the domain", "call of no page", "between others"],
)
def test_a_fault_is_what_it_is_without(model: str, script: list[Op]) -> None:
    """Registers, fault status and address, memory and counts of instructions."""
    plain, counted = scripted(model, script, None), scripted(model, script, shape(entries=2, ways=1, virtual_entries=1))
    for bench in (plain, counted):
        # A call that cannot be fetched comes back by its link register.
        bench.load(0xC, "mov pc, lr" if script[0] == ("call", NO_PAGE) else "subs pc, lr, #4")
        if script[0] == ("call", NO_PAGE):
            bench.load(0xC, "b 0x100")
            bench.load(0x100, f"mov r8, #{MAIN:#x}; add r8, r8, #32; mov pc, r8")
        bench.finish()
    assert results(counted) == results(plain)
    assert plain.engine.vcpu.data_aborts + plain.engine.vcpu.prefetch_aborts == 1


def test_a_page_without_a_descriptor_is_walked_for_each_time() -> None:
    assert _counts("926", [("load", NO_PAGE)] * 3).misses == 2 + 3


def test_a_page_in_a_closed_domain_is_known_all_the_same() -> None:
    assert _counts("926", [("closed", 3)] * 3).misses == 2 + 1


@pytest.mark.parametrize("model", ["926", "1176"])
def test_a_user_access_from_the_kernel_is_checked_as_the_users(model: str) -> None:
    """LDRT to a page that only the kernel may read: the page is known from a plain load, the abort comes all the same."""
    both = []
    for tlbs in (None, shape()):
        bench = _bench(model)
        if tlbs:
            bench.engine.count_translations(tlbs)
        bench.load(MAIN, f"mov r1, #{WINDOW:#x}; ldr r0, [r1]; ldrt r2, [r1]; ldr r3, [r1]" + bench.wait)
        bench.engine.reset(MAIN)
        translated(bench)
        bench.poke(0x8_8000, 0x012 if model == "1176" else 0x552)
        bench.finish()
        assert bench.engine.vcpu.data_aborts == 1
        both.append(results(bench))
    assert both[0] == both[1]


# ---- Refusals, and the state


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"entries": 0}, "1 to 128 entries"),
        ({"entries": 129, "ways": 1}, "1 to 128 entries"),
        ({"ways": 0}, "1 to 128 entries"),
        ({"ways": 3}, "1 to 128 entries"),
        ({"entries": 6, "ways": 2}, "power of two"),
        ({"virtual_entries": 1 << 21}, "at most 1048576"),
    ],
)
def test_a_tlb_that_none_is_is_refused(changes: dict[str, int], why: str) -> None:
    with pytest.raises(EngineError, match=why):
        Bench("926").engine.count_translations(shape(**changes))


def test_a_vcpu_has_one() -> None:
    engine = Bench("926").engine
    engine.count_translations(shape())
    with pytest.raises(EngineError, match="has a virtual TLB"):
        engine.count_translations(shape())


def test_engines_of_one_process_do_not_see_each_others_accesses() -> None:
    first, second = scripted("926", CONFLICT, shape()), scripted("926", CONFLICT[:1], shape())
    plain = scripted("926", CONFLICT, None)
    for bench in (second, plain, first):
        bench.finish()
    assert [counts(bench).misses for bench in (first, second, plain)] == [4, 2, 0]


@pytest.mark.parametrize("model", MODELS)
def test_an_address_that_was_looked_up_from_outside_is_still_seen(model: str) -> None:
    bench, plain = (scripted(model, CONFLICT, shape()) for _ in range(2))
    bench.engine.warm_up()
    assert bench.engine.translate(WINDOW + (64 << 12)) == 64 << 12
    for each in (bench, plain):
        each.finish()
    assert bench.state() == plain.state()


def test_a_snapshot_of_other_tlbs_is_refused() -> None:
    state = scripted("926", CONFLICT, shape()).engine.snapshot()
    for other in (None, shape(entries=4), shape(virtual_entries=3)):
        with pytest.raises(ValueError, match="of other TLBs"):
            scripted("926", [], other).engine.restore(state)


@pytest.mark.parametrize("word", range(5, 17))
def test_a_damaged_snapshot_is_refused_or_harmless(word: int) -> None:
    bench = scripted("926", CONFLICT, shape())
    bench.finish()
    state = bench.engine.snapshot()
    state["vtlb"][word] = 0xFFFF_FFFF_FFFF_FFFF
    with pytest.raises(ValueError, match="of other TLBs"):
        scripted("926", [], shape()).engine.restore(state)


@pytest.mark.parametrize("model", MODELS)
def test_a_guest_that_turns_its_mmu_on_and_off_is_counted_in_between(model: str) -> None:
    """XScale executes the rest of the block after that; what is accessed there is not counted, and not lost for later."""
    switch = "mrc p15, 0, r2, c1, c0, 0; {} r2, r2, #1; mcr p15, 0, r2, c1, c0, 0; ldr r0, [r1]; b {}; {}: "
    source = "mov r1, #0x100000; " + switch.format("orr", "on", "on") + "ldr r0, [r1]; b more; more: ldr r0, [r1]; "
    ends = []
    for step in (1, 1 << 40):
        bench = _bench(model)
        bench.engine.count_translations(shape(split=1))
        bench.load(0x1000, source + switch.format("bic", "off", "off") + "ldr r0, [r1]" + bench.wait)
        bench.engine.reset(0x1000)
        translated(bench)
        control = bench.engine.read_cp15(1, 0, 0, 0)
        assert control is not None
        bench.engine.write_cp15(1, 0, 0, 0, control & ~1)
        while bench.run(limit=bench.engine.cycles + step) is Stop.LIMIT:
            pass
        assert counts(bench) == (0, 2, 2, 800)
        ends.append(bench.state())
    assert ends[0] == ends[1]


def test_what_runs_with_the_mmu_off_is_not_counted() -> None:
    bench = Bench("926")
    bench.engine.count_translations(shape())
    bench.load(MAIN >> 4, "mov r1, #0x8000; ldr r0, [r1]; str r0, [r1, #4]" + bench.wait)
    assert bench.run(MAIN >> 4) is Stop.WFI
    assert counts(bench) == (0, 0, 0, 0)
