"""The personality with little programs in ARM code, in the test's own process: calls, faults, turns, ends."""

from __future__ import annotations

import pytest

from cells.personalities.linux.kernel import CALL_CYCLES
from hypervisor.abi.records import ExitKind
from tests.support.linux import CPUS, HZ, LinuxBench, archive, program

EXIT = "; mov r7, #1; svc #0"
"""With r0."""
SPIN = "; spin: b spin"


@pytest.fixture(params=sorted(CPUS))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bench(source: str, architecture: str = "v5te", *, thumb: bool = False, **more: object) -> LinuxBench:
    files = {"p": program(source, thumb=thumb), "broken": b"\x7fELF", "script": b"#!/p one\n"}
    return LinuxBench(archive(files), ["/p"], architecture=architecture, **more)  # type: ignore[arg-type]


def status(source: str, architecture: str = "v5te", **more: object) -> int | None:
    return bench(source, architecture, **more).run()


def test_the_first_processs_status_is_the_cells(architecture: str) -> None:
    assert status(f"mov r0, #42{EXIT}", architecture) == 42


def test_a_program_in_thumb_state_calls(architecture: str) -> None:
    assert status("movs r0, #7; movs r7, #1; svc #0", architecture, thumb=True) == 7


@pytest.mark.parametrize(
    ("source", "signal"),
    [
        ("mov r0, #0; ldr r0, [r0]", 11),
        ("mov r0, #0; str r0, [r0]", 11),
        ("mov r0, #0; bx r0", 11),
        ("ldr r0, =0xffff0fc0; str r0, [r0]", 11),
        ("ldr r0, =0xc0000000; ldr r0, [r0]", 11),
        ("udf #0", 4),
        ("mcr p15, 0, r0, c8, c7, 0", 4),
        ("bkpt #0", 5),
        ("mov r7, #20; svc #0; mov r1, #9; mov r7, #37; svc #0", 9),
    ],
)
def test_what_a_program_must_not_do_ends_it_with_a_signal(source: str, signal: int, architecture: str) -> None:
    assert status(source + SPIN, architecture) == 128 + signal


def test_what_it_writes_is_the_cells_output(architecture: str) -> None:
    one = bench(
        f"mov r0, #1; ldr r1, =0x41424344; push {{r1}}; mov r1, sp; mov r2, #4; mov r7, #4; svc #0{EXIT}", architecture
    )
    assert one.run() == 4
    assert one.output == b"DCBA"


def test_a_child_has_its_own_memory_and_its_parent_hears_of_its_end(architecture: str) -> None:
    child = "mov r1, #5; str r1, [sp]; mov r0, #3; mov r7, #1; svc #0"
    wait = "mvn r0, #0; mov r1, sp; sub r1, r1, #4; mov r2, #0; mov r3, #0; mov r7, #114; svc #0; ldr r1, [sp, #-4]; ldr r2, [sp]"
    source = f"mov r1, #1; push {{r1}}; mov r7, #2; svc #0; cmp r0, #0; bne parent; {child}; parent: {wait}"
    assert status(f"{source}; add r0, r2, r1, lsr #4{EXIT}", architecture) == 1 + (0x300 >> 4)


def test_a_call_that_is_missing_is_answered_and_told_once() -> None:
    one = bench(f"ldr r7, =9999; svc #0; svc #0; rsb r0, r0, #0{EXIT}")
    assert one.run() == 38
    assert one.world.reports == [b"missing call 9999"]
    assert one.kernel.missing[9999] == 2
    assert len(one.kernel.messages) == 1


def test_the_helpers_of_the_kernels_page_work(architecture: str) -> None:
    tls = "ldr r0, =0x12345678; ldr r7, =0xf0005; svc #0; ldr r3, =0xffff0fe0; blx r3; mov r5, r0"
    exchange = "mov r0, #1; push {r0}; mov r1, #9; mov r2, sp; ldr r3, =0xffff0fc0; blx r3; movcc r0, #99; ldr r4, [sp]"
    ok = "ldr r1, =0x12345678; subs r5, r5, r1; movne r4, #88; add r0, r0, r4"
    assert status(f"{tls}; {exchange}; {ok}{EXIT}", architecture) == 9


def test_a_compare_and_exchange_that_fails_changes_nothing(architecture: str) -> None:
    source = "mov r0, #1; push {r0}; mov r0, #2; mov r1, #9; mov r2, sp; ldr r3, =0xffff0fc0; blx r3; movcs r0, #0"
    assert status(f"{source}; cmp r0, #0; ldr r0, [sp]; moveq r0, #77{EXIT}", architecture) == 1


def test_sleeping_takes_virtual_time_and_no_turns() -> None:
    one = bench(f"mov r0, #2; mov r1, #0; push {{r0, r1}}; mov r0, sp; mov r1, #0; mov r7, #162; svc #0{EXIT}")
    assert one.run() == 0
    assert 2 * HZ <= one.kernel.now() < 2 * HZ + HZ // 100
    assert ExitKind.WAIT in one.world.exits


def test_two_that_compute_take_turns() -> None:
    """The parent ends while its child still spins: neither can keep the other out."""
    source = (
        "mov r7, #2; svc #0; cmp r0, #0; spin: beq spin; ldr r4, =5000000; work: subs r4, r4, #1; bne work; mov r0, #6"
    )
    one = bench(source + EXIT)
    assert one.run() == 6
    assert one.kernel.now() > 15_000_000, "the child had its share"


def test_exec_of_what_is_no_program_fails_and_the_caller_goes_on() -> None:
    source = "adr r0, name; mov r1, #0; mov r2, #0; mov r7, #11; svc #0; rsb r0, r0, #0; mov r7, #1; svc #0"
    assert status(source + '; name: .asciz "/broken"') == 8


def test_a_script_is_run_by_its_interpreter_with_its_path() -> None:
    """The program ends with the number of its arguments; alone it has one and becomes the script."""
    source = (
        "ldr r0, [sp]; cmp r0, #1; movne r7, #1; svcne #0; adr r0, name; mov r1, #0; mov r2, #0; mov r7, #11; svc #0"
    )
    assert status(source + '; udf #0; name: .asciz "/script"') == 3


def test_memory_ends_with_enomem_or_a_signal_and_the_cell_lives_on() -> None:
    """The child touches page after page of the heap; its parent sees how it ended."""
    hog = "mov r0, #0; mov r7, #45; svc #0; mov r4, r0; add r0, #0x10000000; svc #0; more: str r4, [r4]; add r4, #4096; b more"
    wait = "mvn r0, #0; mov r1, sp; mov r2, #0; mov r3, #0; mov r7, #114; svc #0; ldr r0, [sp]"
    one = bench(f"sub sp, sp, #8; mov r7, #2; svc #0; cmp r0, #0; bne parent; {hog}; parent: {wait}{EXIT}", ram=4 << 20)
    assert one.run() == 9
    assert one.kernel.frames.free > one.kernel.frames.total // 2, "all was given back"


def test_a_fork_bomb_meets_an_end() -> None:
    source = f"loop: mov r7, #2; svc #0; cmp r0, #0; bgt loop; moveq r0, #0; beq spin; rsb r0, r0, #0{EXIT}{SPIN}"
    assert status(source, ram=4 << 20) in (11, 12)


def test_a_call_takes_time_and_a_flavours_price_is_added() -> None:
    source = f"mov r7, #64; svc #0; svc #0{EXIT}"
    plain, dear = bench(source), bench(source, redirection={"syscall": 1000, "fault": 0, "signal": 0})
    assert plain.run() == dear.run() == 0
    assert plain.kernel.now() >= 3 * CALL_CYCLES
    assert dear.kernel.now() == plain.kernel.now() + 3000
    assert dear.kernel.account.counts.calls == 3


def test_the_same_run_takes_the_same_time() -> None:
    runs = [bench(f"mov r7, #2; svc #0; mov r7, #158; svc #0; svc #0; mov r0, #0{EXIT}") for _ in range(2)]
    assert [one.run() for one in runs] == [0, 0]
    assert len({(one.kernel.now(), one.kernel.cpu.vcpu.insns) for one in runs}) == 1
