"""Descriptors of processes, and clone3: programs in assembler on the whole kernel."""

from __future__ import annotations

import pytest

from cells.personalities.arm import errno as e
from tests.support.linux import LinuxBench, archive, program
from tests.support.linux_process import fake_process, invoke

ARGUMENTS = (
    "mov r0, #0; ldr r1, =0x11000; mov r2, #88; clear: str r0, [r1], #4; subs r2, r2, #4; bne clear; ldr r4, =0x11000;"
)
"""r4: struct clone_args, all zeroes."""
EXIT = "mov r7, #1; svc #0;"


def run(source: str) -> int | None:
    return LinuxBench(archive({"bin/one": program(ARGUMENTS + source)}), ["/bin/one"], architecture="v6k").run()


def test_clone3_makes_a_child_whose_end_is_polled_and_waited_for_by_its_descriptor() -> None:
    status = run(
        """
        mov r0, #0x1000; str r0, [r4]             @ CLONE_PIDFD
        ldr r5, =0x11100; str r5, [r4, #8]
        mov r0, #17; str r0, [r4, #32]
        mov r0, r4; mov r1, #88; ldr r7, =435; svc #0
        cmp r0, #0; bne parent
        mov r0, #9; mov r7, #1; svc #0
        parent: ldr r6, [r5]                      @ the descriptor
        ldr r0, =0x11200; str r6, [r0]; mov r1, #1; str r1, [r0, #4]
        mov r1, #1; mvn r2, #0; mov r7, #168; svc #0
        mov r8, r0                                @ how many are ready: 1
        mov r0, #3; mov r1, r6; ldr r2, =0x11300; mov r3, #4; mov r4, #0; ldr r7, =280; svc #0
        ldr r2, =0x11300; ldr r0, [r2, #20]; add r0, r0, r8, lsl #4;
        """
        + EXIT
    )
    assert status == 9 + 16


def test_clone3_makes_a_thread_on_its_own_stack() -> None:
    status = run(
        """
        ldr r0, =0x10f00; str r0, [r4]            @ VM, FS, FILES, SIGHAND, and a thread
        ldr r1, =0x10000; orr r0, r0, r1; str r0, [r4]
        ldr r0, =0x11400; str r0, [r4, #40]; mov r0, #0x400; str r0, [r4, #48]
        mov r0, r4; mov r1, #64; ldr r7, =435; svc #0
        cmp r0, #0; bne parent
        ldr r1, =0x11400; sub r0, sp, r1; str r0, [r1]; mov r7, #1; svc #0
        parent: ldr r1, =0x11400
        again: mov r7, #158; svc #0; ldr r0, [r1]; cmp r0, #0; beq again
        lsr r0, r0, #4;
        """
        + EXIT
    )
    assert status == 0x400 >> 4


@pytest.mark.parametrize(
    ("words", "size", "expected"),
    [
        ({}, 32, e.EINVAL),
        ({}, 5000, e.E2BIG),
        ({96: 1}, 100, e.E2BIG),
        ({0: 17}, 88, e.EINVAL),
        ({32: 200}, 88, e.EINVAL),
        ({40: 0x1000}, 88, e.EINVAL),
        ({0: 0x10000}, 88, e.EINVAL),
        ({0: 0x20000}, 88, e.EINVAL),
        ({64: 0x1000}, 88, e.EINVAL),
        ({0: 0x1000, 8: 0xFFFF_FFF0}, 88, e.EFAULT),
    ],
)
def test_clone3_refuses_what_makes_no_sense_and_makes_nothing(words: dict[int, int], size: int, expected: int) -> None:
    process = fake_process()
    for at, word in words.items():
        process.space.put(0x1000 + at, word.to_bytes(4, "little"))
    assert invoke(process, "clone3", 0x1000, size) == -expected
    assert len(process.kernel.processes) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("pidfd_open", (77, 0), e.ESRCH),
        ("pidfd_open", (0, 0), e.EINVAL),
        ("pidfd_open", (1, 1), e.EINVAL),
        ("pidfd_send_signal", (9, 15, 0, 0), e.EBADF),
        ("pidfd_send_signal", (0, 15, 0, 1), e.EINVAL),
        ("pidfd_send_signal", (0, 99, 0, 0), e.EINVAL),
    ],
)
def test_what_is_no_process_is_refused(name: str, arguments: tuple[int, ...], expected: int) -> None:
    process = fake_process()
    process.ended = None
    assert invoke(process, "pidfd_open", 1, 0) == 0
    assert invoke(process, name, *arguments) == -expected
    assert invoke(process, "pidfd_send_signal", 0, 15, 0, 0) == 0
    assert process.signals.sent == [15]
