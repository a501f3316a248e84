"""Signals by themselves: what waits, what it does, frames and the way back, with a process that has nothing but memory."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from cells.personalities.arm.errno import EFAULT, Errno
from cells.personalities.linux import signal_numbers as s
from cells.personalities.linux.signal_frame import LR, PC, PSR, R0, R1, R2, R7, SP, Action, Info
from cells.personalities.linux.signal_numbers import bit
from cells.personalities.linux.signals import DEFAULT, MOST_QUEUED, Signals

TOP = 0x8000
HANDLER = 0x1_2345
"""In Thumb state."""


class Memory:
    """A stack of 32 KiB at address 0."""

    def __init__(self) -> None:
        self.bytes = bytearray(TOP)

    def read(self, address: int, size: int) -> bytes:
        if address + size > TOP:
            raise Errno(EFAULT)
        return bytes(self.bytes[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        if not 0 <= address <= TOP - len(data):
            raise Errno(EFAULT)
        self.bytes[address : address + len(data)] = data


class FakeProcess:
    """What signals need of a process."""

    def __init__(self, parent: FakeProcess | None = None) -> None:
        self.signals, self.space = Signals(), Memory()
        self.core = [*range(100, 113), TOP - 64, 0x2000, 0x1000, 0x6000_0010]
        self.state, self.attention = "R", False
        self.interrupted: int | None = None
        self.parent, self.group, self.session = parent, 1, 1
        self.sequence = (0, 0)
        self.ended: int | None = None
        self.restarts = self.interrupts = 0
        members = SimpleNamespace(group=lambda group: [self])
        self.kernel: Any = SimpleNamespace(exit=self._exit, processes=members)

    def _exit(self, _process: Any, status: int) -> None:
        self.state, self.ended = "Z", status

    def stop(self, signal: int) -> None:
        self.state, self.stopped_by = "T", signal

    def resume(self) -> None:
        if self.state == "T":
            self.state = "R"

    def interrupt(self) -> None:
        self.interrupts += 1

    def restart_call(self) -> None:
        assert self.interrupted is not None
        self.core[0], self.interrupted = self.interrupted, None
        self.restarts += 1

    def send(self, signal: int, info: Info | None = None) -> bool:
        return self.signals.send(self, signal, info)  # type: ignore[arg-type]

    def deliver(self) -> int:
        return self.signals.deliver(self)  # type: ignore[arg-type]

    def sigreturn(self, *, with_info: bool) -> int:
        return self.signals.sigreturn(self, with_info=with_info)  # type: ignore[arg-type]

    def handles(self, signal: int, flags: int = 0, mask: int = 0) -> None:
        self.signals.actions[signal] = Action(HANDLER, flags, 0, mask)


@pytest.fixture
def process() -> FakeProcess:
    return FakeProcess(parent=FakeProcess())


# ---- what becomes of one


def test_without_a_handler_a_signal_ends_the_process_with_its_number(process: FakeProcess) -> None:
    process.send(s.SIGTERM)
    assert process.attention
    process.deliver()
    assert process.ended == s.SIGTERM


@pytest.mark.parametrize("signal", sorted(s.HARMLESS))
def test_what_nothing_would_come_of_is_not_kept(process: FakeProcess, signal: int) -> None:
    process.send(signal)
    assert not process.signals.pending
    assert not process.attention


def test_a_blocked_signal_waits_until_it_is_let_through(process: FakeProcess) -> None:
    process.signals.block(process, bit(s.SIGTERM))  # type: ignore[arg-type]
    process.send(s.SIGTERM)
    process.deliver()
    assert process.ended is None
    assert process.interrupts == 0
    process.signals.block(process, 0)  # type: ignore[arg-type]
    process.deliver()
    assert process.ended == s.SIGTERM


@pytest.mark.parametrize("signal", [s.SIGKILL, s.SIGSTOP])
def test_two_signals_cannot_be_blocked(process: FakeProcess, signal: int) -> None:
    process.signals.block(process, (1 << 64) - 1)  # type: ignore[arg-type]
    process.send(signal)
    process.deliver()
    assert process.state in "ZT"


def test_ordinary_signals_do_not_queue_and_real_time_ones_do_up_to_a_limit(process: FakeProcess) -> None:
    process.signals.block(process, (1 << 64) - 1)  # type: ignore[arg-type]
    assert all(process.send(s.SIGUSR1, Info(pid=n)) for n in range(3))
    kept = [process.send(s.SIGRTMIN, Info(value=n)) for n in range(MOST_QUEUED + 2)]
    assert len(process.signals.pending[s.SIGUSR1]) == 1
    assert process.signals.pending[s.SIGUSR1][0].pid == 0
    assert kept.count(False) == 2


def test_stopping_forgets_continuing_and_the_other_way_round(process: FakeProcess) -> None:
    process.send(s.SIGTSTP)
    process.send(s.SIGCONT)
    assert not process.signals.pending
    process.handles(s.SIGCONT)
    process.send(s.SIGCONT)
    process.send(s.SIGSTOP)
    assert list(process.signals.pending) == [s.SIGSTOP]


def test_a_stopped_process_is_stopped_until_continued(process: FakeProcess) -> None:
    process.send(s.SIGSTOP)
    process.deliver()
    assert process.state == "T"
    assert process.attention, "what waits is looked at when it goes on"
    process.send(s.SIGCONT)
    assert process.state == "R"


def test_the_first_process_and_orphaned_groups_do_not_stop_at_the_terminal(process: FakeProcess) -> None:
    first = FakeProcess()
    first.send(s.SIGSTOP)
    first.deliver()
    assert first.state == "R"
    process.send(s.SIGTSTP)  # its parent is in the same group
    process.deliver()
    assert process.state == "R"
    process.parent.group = 2  # type: ignore[union-attr]
    process.send(s.SIGTSTP)
    process.deliver()
    assert process.state == "T"


def test_a_fault_can_be_neither_blocked_nor_ignored(process: FakeProcess) -> None:
    process.signals.actions[s.SIGSEGV] = Action(s.SIG_IGN)
    process.signals.block(process, bit(s.SIGSEGV))  # type: ignore[arg-type]
    process.signals.fault(process, s.SIGSEGV, s.SEGV_MAPERR, 0x40)  # type: ignore[arg-type]
    process.deliver()
    assert process.ended == s.SIGSEGV


# ---- handlers


@pytest.mark.parametrize("flags", [0, s.SA_SIGINFO])
def test_a_handler_is_entered_and_sigreturn_brings_everything_back(process: FakeProcess, flags: int) -> None:
    before = list(process.core)
    process.handles(s.SIGUSR1, flags, mask=bit(s.SIGUSR2))
    process.send(s.SIGUSR1, Info(s.SI_USER, 42))
    assert process.deliver() == 1
    core = process.core
    assert (core[R0], core[PC], core[PSR] & 0x20) == (s.SIGUSR1, HANDLER & ~1, 0x20)
    assert core[SP] % 8 == 0
    assert process.signals.blocked == bit(s.SIGUSR1) | bit(s.SIGUSR2)
    if flags:
        assert struct.unpack_from("<4i", process.space.bytes, core[R1]) == (s.SIGUSR1, 0, s.SI_USER, 42)
    assert process.sigreturn(with_info=bool(flags)) == before[0]
    assert process.core == before
    assert process.signals.blocked == 0


def test_the_frame_has_the_registers_where_linux_puts_them(process: FakeProcess) -> None:
    before = list(process.core)
    process.handles(s.SIGSEGV, s.SA_SIGINFO)
    process.signals.fault(process, s.SIGSEGV, s.SEGV_ACCERR, 0xBAD0)  # type: ignore[arg-type]
    process.deliver()
    context = process.core[R2]
    assert struct.unpack_from("<17I", process.space.bytes, context + 32) == tuple(before), "arm_r0 at 32 of ucontext"
    assert struct.unpack_from("<I", process.space.bytes, context + 100) == (0xBAD0,), "fault_address"
    assert struct.unpack_from("<I", process.space.bytes, process.core[R1] + 12) == (0xBAD0,), "si_addr"


def test_without_a_restorer_the_frame_brings_its_own_way_back(process: FakeProcess) -> None:
    process.handles(s.SIGUSR1)
    process.send(s.SIGUSR1)
    process.deliver()
    code = struct.unpack_from("<2I", process.space.bytes, process.core[LR])
    assert code == (0xE3A0_7000 | 119, 0xEF00_0000)
    process.handles(s.SIGUSR2, s.SA_RESTORER)
    process.signals.actions[s.SIGUSR2] = process.signals.actions[s.SIGUSR2]._replace(restorer=0x77)
    process.send(s.SIGUSR2)
    process.deliver()
    assert process.core[LR] == 0x77


@pytest.mark.parametrize(("flags", "call", "restarts"), [(0, 3, 0), (s.SA_RESTART, 3, 1), (s.SA_RESTART, 162, 0)])
def test_an_interrupted_call_is_made_again_if_the_handler_wants_it_and_the_call_can(
    process: FakeProcess, flags: int, call: int, restarts: int
) -> None:
    process.handles(s.SIGUSR1, flags)
    process.core[R7], process.interrupted = call, 5
    process.send(s.SIGUSR1)
    process.deliver()
    assert process.restarts == restarts
    assert process.interrupted is None


def test_a_call_that_no_handler_has_interrupted_is_made_again(process: FakeProcess) -> None:
    process.interrupted = 5
    process.deliver()
    assert process.restarts == 1


def test_an_alternate_stack_is_used_once(process: FakeProcess) -> None:
    process.signals.stack = (0x1000, 0x1000)
    process.handles(s.SIGUSR1, s.SA_ONSTACK)
    process.handles(s.SIGUSR2, s.SA_ONSTACK)
    process.send(s.SIGUSR1)
    process.deliver()
    first = process.core[SP]
    assert 0x1000 <= first < 0x2000
    process.send(s.SIGUSR2)
    process.deliver()
    assert 0x1000 <= process.core[SP] < first, "a handler on it stays on it"


def test_no_room_for_a_frame_ends_the_process(process: FakeProcess) -> None:
    process.handles(s.SIGUSR1)
    process.core[SP] = 64
    process.send(s.SIGUSR1)
    assert process.deliver() == 0
    assert process.ended == s.SIGSEGV


def test_flags_of_an_action_are_obeyed(process: FakeProcess) -> None:
    process.handles(s.SIGUSR1, s.SA_RESETHAND | s.SA_NODEFER)
    process.send(s.SIGUSR1)
    process.deliver()
    assert process.signals.blocked == 0
    assert process.signals.action(s.SIGUSR1) == DEFAULT


def test_the_mask_of_a_sleep_comes_back_with_the_handlers_frame(process: FakeProcess) -> None:
    process.signals.block(process, bit(s.SIGUSR1))  # type: ignore[arg-type]
    process.handles(s.SIGUSR1)
    process.signals.suspend(process, 0)  # type: ignore[arg-type]
    process.signals.suspend(process, 0)  # type: ignore[arg-type]
    process.send(s.SIGUSR1)
    assert process.deliver() == 1
    process.sigreturn(with_info=False)
    assert process.signals.blocked == bit(s.SIGUSR1)


@pytest.mark.parametrize(("offset", "word"), [(96, 0x13), (96, 0x90)], ids=["supervisor", "interrupts off"])
def test_a_forged_frame_is_a_fault_of_the_process(process: FakeProcess, offset: int, word: int) -> None:
    process.handles(s.SIGUSR1)
    process.send(s.SIGUSR1)
    process.deliver()
    struct.pack_into("<I", process.space.bytes, process.core[SP] + offset, word)
    process.sigreturn(with_info=False)
    process.deliver()
    assert process.ended == s.SIGSEGV


@pytest.mark.parametrize("sp", [TOP - 4, 0xFFFF_FFFC, 3])
def test_a_stack_pointer_without_a_frame_is_a_fault_of_the_process(process: FakeProcess, sp: int) -> None:
    process.core[SP] = sp
    process.sigreturn(with_info=True)
    process.deliver()
    assert process.ended == s.SIGSEGV


# ---- lives


def test_a_child_has_the_actions_and_a_thread_shares_them(process: FakeProcess) -> None:
    process.handles(s.SIGUSR1)
    process.send(s.SIGUSR2)
    child, thread = process.signals.fork(), process.signals.thread()
    assert child.actions == thread.actions
    assert not child.pending
    process.handles(s.SIGHUP)
    assert s.SIGHUP in thread.actions
    assert s.SIGHUP not in child.actions


def test_a_new_program_has_no_handlers_and_ignores_what_was_ignored(process: FakeProcess) -> None:
    process.handles(s.SIGUSR1)
    process.signals.actions[s.SIGPIPE] = Action(s.SIG_IGN, s.SA_RESTART)
    process.signals.exec()
    assert process.signals.actions == {s.SIGPIPE: Action(s.SIG_IGN)}
