"""What a kernel is booted into to be measured, and what is made of the marks that it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cells.engines.native._native import lib

from benchmarks import guest_root, machine_runs, machine_store
from benchmarks.guest_session import Counting, Mark, Trouble
from benchmarks.guest_symbols import NoSymbols, groups
from benchmarks.operations import Operation
from cells.personalities.linux.initramfs import MODE, entries
from tests.support.arm import Bench

ARMMP = b"""c03012a8 T __switch_to
c031cff8 T pgd_alloc
c031f2dc T b15_flush_kern_cache_all
c031f2dc T v7_flush_kern_cache_all
c031f2f4 T v7_flush_kern_cache_louis
c031fbe0 T cpu_pj4b_switch_mm
c031fbe0 T cpu_v7_switch_mm
c031fc00 T cpu_ca8_set_pte_ext
c031fc00 T cpu_v7_set_pte_ext
c031fcf0 T cpu_v7_iciallu_switch_mm
c031fcfc T cpu_ca8_switch_mm
c031fcfc T cpu_v7_bpiall_switch_mm
c0cf62c4 T arm_copy_from_user
c0cf66b0 T __copy_to_user_std
c0cf66b0 W arm_copy_to_user
"""
"""Some lines of Debian's ARMv7 kernel, as it printed them."""
PIPE = Operation("pipe", 30, ("lat", "pipe"), 500, "a round trip")


def test_a_function_of_several_names_counts_once_and_a_detour_to_it_not_at_all() -> None:
    found = groups(ARMMP.replace(b"\n", b"\r\n"))
    assert found["set_pte"] == (0xC031FC00,)
    assert found["switch_mm"] == (0xC031FBE0,)
    assert found["cache_flush"] == (0xC031F2DC, 0xC031F2F4)
    assert found["uaccess"] == (0xC0CF62C4, 0xC0CF66B0)


def test_a_kernel_that_hides_its_addresses_is_refused() -> None:
    hidden = b"".join(b"00000000" + line[8:] + b"\n" for line in ARMMP.splitlines())
    with pytest.raises(NoSymbols, match="kptr_restrict"):
        groups(hidden)


def test_the_marker_is_a_program_that_marks_once_and_ends() -> None:
    program = guest_root.marker(0xB007, 3)
    bench = Bench("926")
    bench.ram[0x10000 : 0x10000 + len(program)] = program
    entry = int.from_bytes(program[24:28], "little")
    seen = []
    for address in (entry + 16, entry + 28):  # its two system calls
        bench.ram[address : address + 4] = (0xEE070F90).to_bytes(4, "little")  # wait: the run ends there
    for _ in range(2):
        bench.run(entry if not seen else None)
        registers = bench.engine.registers()
        seen.append([registers[name] for name in ("r7", "r0", "r1")])
    assert seen == [[0xFEED, 0xB007, 3], [1, 0, 3]]
    assert seen[0][0] == lib.MARK_CALL and lib.MARK_READY == guest_root.BOOTED


def test_the_initramfs_holds_the_programs_their_libraries_and_the_first_process() -> None:
    shared = [guest_root.Entry("lib/x/libc.so.6", 0o100755, b"libc"), guest_root.link("lib/ld.so", "x/libc.so.6")]
    found = {entry.name.decode(): entry for entry in entries(guest_root.build(b"busybox", {"lat": b"\x7fELF"}, shared))}
    assert {"init", "bin/busybox", "bench/lat", "bench/ready", "lib/x/libc.so.6", "lib/ld.so"} <= set(found)
    assert found["bench/lat"].fields[MODE] == 0o100755
    assert list(found).index("lib/x") < list(found).index("lib/x/libc.so.6")  # a kernel makes no folders by itself
    assert list(found)[-1] != "init"  # its shell's link and device nodes are there, too
    assert guest_root.build(b"busybox", {"lat": b"\x7fELF"}, shared) == guest_root.build(
        b"busybox", {"lat": b"\x7fELF"}, shared
    )


def test_counts_are_those_between_the_two_marks_divided_by_the_turns() -> None:
    marks = [
        Mark(7, 0, 5, {"svc": 1}),
        Mark(30, 0, 10, {"svc": 100, "irq": 1}),
        Mark(30, 500, 20, {"svc": 2100, "irq": 2}),
        Mark(30, 500, 30, {"svc": 9999, "irq": 9}),
    ]
    assert machine_runs.per_iteration(PIPE, marks) == {"svc": 4.0, "irq": 0.002}


@pytest.mark.parametrize(
    ("marks", "why"),
    [([], "no begin mark"), ([Mark(30, 0, 1, {})], "no end mark"), ([Mark(30, 500, 1, {})], "no begin mark")],
)
def test_a_missing_mark_is_said(marks: list[Mark], why: str) -> None:
    with pytest.raises(Trouble, match=f"pipe: {why}"):
        machine_runs.per_iteration(PIPE, marks)


def test_unknown_kernels_operations_and_cpus_are_told_with_the_nearest() -> None:
    with pytest.raises(Trouble, match="debian:rpi"):
        machine_runs.counts("debian:rp", ["null"], caches=False)
    with pytest.raises(Trouble, match=r'no operation "nul"; .*null'):
        machine_runs.counts("debian:rpi", ["nul"], caches=False)
    with pytest.raises(Trouble, match='no CPU "pxa999"'):
        machine_runs.machine_of("debian:marvell@pxa999")


def test_other_caches_are_changes_of_the_board() -> None:
    changes = machine_runs._caches_of("pxa255")
    assert 'board.cpu.caches.l1d.size="32KiB"' in changes and "board.cpu.tlb.entries=32" in changes


def test_a_count_is_asked_for_as_the_topology_has_it() -> None:
    assert Counting().key() == {}
    asked = Counting(caches=True, functions={"set_pte": (1, 2)}).key()
    assert asked == {"caches": True, "functions": {"set_pte": [1, 2]}}


def test_the_last_used_large_files_are_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.snap" for number in range(machine_store.LARGE + 2)]
    for time, path in enumerate(paths):
        path.touch()
        os.utime(path, (time, time))
    machine_store.used(paths[0])
    assert sorted(tmp_path.iterdir()) == sorted([paths[0], *paths[3:]])


def test_what_is_kept_is_filed_under_what_decides_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLVISOR_GUESTS", str(tmp_path))
    path = machine_store.place("counts", ["a", (1, 2)])
    assert path == machine_store.place("counts", ("a", [1, 2])) != machine_store.place("counts", ["a", (2, 1)])
    assert machine_store.read(path) is None
    path.write_text('{"svc": 1.0')  # cut off
    assert machine_store.read(path) is None
    path.write_text('{"svc": 1.0}')
    assert machine_store.read(path) == {"svc": 1.0}
    monkeypatch.setenv("CELLVISOR_GUESTS", "/proc/nowhere")
    with pytest.raises(Trouble, match=r"cannot write the cache .*; set CELLVISOR_GUESTS to another folder"):
        machine_store.place("counts", [])
