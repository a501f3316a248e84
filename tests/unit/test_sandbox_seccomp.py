"""The system call filter, run by a small interpreter of its own: what it answers for which call."""

from __future__ import annotations

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells import seccomp
from cells.seccomp import NUMBERS, REFUSED, RET_ALLOW, RET_ERRNO, RET_KILL

PID = 4321
STRICT = seccomp.program(PID, new_code=False)
LOOSE = seccomp.program(PID, new_code=True)
ANY_WORD = st.integers(0, (1 << 64) - 1)
ARGUMENTS = st.lists(ANY_WORD, min_size=6, max_size=6)
CONDITIONAL = {"mmap", "mprotect", "fcntl", "ioctl", "tgkill", "clone", "clone3"}


def answer(program: bytes, number: int, *arguments: int, architecture: int = seccomp.AUDIT_ARCH_X86_64) -> int:
    """What the kernel would do: run the program on `struct seccomp_data`."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *words)
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        if code == seccomp.RETURN:
            return int(operand)
        if code == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("<I", data, operand)
            continue
        holds = {
            seccomp.JUMP_EQUAL: accumulator == operand,
            seccomp.JUMP_NOT_BELOW: accumulator >= operand,
            seccomp.JUMP_ANY_BIT: bool(accumulator & operand),
        }[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - CONDITIONAL))
def test_a_call_of_the_table_is_allowed(name: str) -> None:
    assert answer(STRICT, NUMBERS[name], *[0xFFFF] * 6) == RET_ALLOW


@given(st.integers(0, seccomp.X32_BIT - 1).filter(lambda number: number not in NUMBERS.values()), ARGUMENTS)
def test_a_call_outside_the_table_is_refused_whatever_its_arguments(number: int, arguments: list[int]) -> None:
    assert answer(STRICT, number, *arguments) == answer(LOOSE, number, *arguments) == REFUSED


@given(st.integers(seccomp.X32_BIT, (1 << 32) - 1))
def test_the_second_door_of_x32_is_deadly(number: int) -> None:
    assert answer(STRICT, number) == RET_KILL


@given(st.integers(0, (1 << 32) - 1).filter(lambda value: value != seccomp.AUDIT_ARCH_X86_64))
def test_a_call_of_another_architecture_is_deadly(architecture: int) -> None:
    assert answer(STRICT, NUMBERS["read"], architecture=architecture) == RET_KILL


@pytest.mark.parametrize("name", ["mmap", "mprotect"])
@given(ARGUMENTS)
def test_no_memory_becomes_executable_unless_the_policy_lets_it(name: str, arguments: list[int]) -> None:
    executable = bool(arguments[2] & seccomp.PROT_EXEC)
    assert answer(STRICT, NUMBERS[name], *arguments) == (REFUSED if executable else RET_ALLOW)
    assert answer(LOOSE, NUMBERS[name], *arguments) == RET_ALLOW


@given(ARGUMENTS)
def test_only_a_thread_can_be_cloned(arguments: list[int]) -> None:
    thread = arguments[0] & seccomp.CLONE_OF_A_THREAD == seccomp.CLONE_OF_A_THREAD
    assert answer(STRICT, NUMBERS["clone"], *arguments) == (RET_ALLOW if thread else REFUSED)


def test_the_flags_of_pthread_create_are_those_of_a_thread() -> None:
    # glibc: CLONE_VM FS FILES SYSVSEM SIGHAND THREAD SETTLS PARENT_SETTID CHILD_CLEARTID
    assert answer(STRICT, NUMBERS["clone"], 0x3D0F00) == RET_ALLOW
    assert answer(STRICT, NUMBERS["clone"], 0x01200011) == REFUSED  # fork(): SIGCHLD and bookkeeping


def test_clone3_is_said_to_be_absent_so_that_the_c_library_uses_clone() -> None:
    assert answer(STRICT, NUMBERS["clone3"]) == RET_ERRNO | errno.ENOSYS


@given(ANY_WORD)
def test_a_process_signals_itself_only(pid: int) -> None:
    mine = pid & 0xFFFFFFFF == PID
    assert answer(STRICT, NUMBERS["tgkill"], pid) == (RET_ALLOW if mine else REFUSED)


def test_a_process_may_signal_itself() -> None:
    assert answer(STRICT, NUMBERS["tgkill"], PID, PID, 6) == RET_ALLOW


@given(st.integers(0, 2000))
def test_a_descriptor_can_be_duplicated_and_flagged_but_not_sealed_or_leased(command: int) -> None:
    expected = RET_ALLOW if command in seccomp.FCNTL_COMMANDS else REFUSED
    assert answer(STRICT, NUMBERS["fcntl"], 5, command) == expected


def test_nothing_is_typed_on_the_terminal() -> None:
    tiocsti, fionbio = 0x5412, 0x5421
    assert answer(STRICT, NUMBERS["ioctl"], 0, tiocsti) == REFUSED
    assert answer(STRICT, NUMBERS["ioctl"], 0, fionbio) == RET_ALLOW


def test_no_call_has_two_entries() -> None:
    assert len(set(NUMBERS.values())) == len(NUMBERS)


def test_the_program_is_far_below_what_the_kernel_takes() -> None:
    assert len(STRICT) // 8 < 4096  # BPF_MAXINSNS


def test_another_machine_is_told_that_it_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    uname = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*uname[:4], "aarch64")))
    with pytest.raises(OSError, match="no table for aarch64"):
        seccomp.install(STRICT)
