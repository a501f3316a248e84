"""What an exception of a program means that is no system call: a page that is due, or a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.reach import Fault
from cells.personalities.arm.regions import EXECUTE, READ, WRITE
from cells.personalities.linux import kuser
from cells.personalities.linux.process import PC, Process
from hypervisor.abi.pv import Trap
from hypervisor.abi.redirection import Event

if TYPE_CHECKING:
    from cells.personalities.linux.kernel import Kernel

FAULT_CYCLES, PAGE_CYCLES = 250, 900
"""Cycles that the kernel takes for a fault, and for a page made or copied: assumed, of the order of lmbench's results for Linux
on an ARM926 (lat_pagefault)."""
SIGILL, SIGTRAP, SIGKILL = 4, 5, 9
ILL_ILLOPC, TRAP_BRKPT = 1, 1
STATUS_WRITE, STATUS_BREAKPOINT, STATUS_PERMISSION = 0x800, 0b0010, 0b1111
"""Bits of the fault status: it was a store (from ARMv6 on); a breakpoint; no right to a page that is there (DDI 0406C, B3.13)."""


def serve(kernel: Kernel, process: Process) -> None:
    """The exception that has just stopped the CPU."""
    trap = kernel.cpu.trap()
    pc = process.core[PC]
    process.core[PC] = kuser.restarted(pc)
    if trap.kind in (Trap.DATA_ABORT, Trap.PREFETCH_ABORT):
        _abort(kernel, process, trap.kind, trap.address, trap.status)
    else:
        process.signals.fault(process, SIGILL, ILL_ILLOPC, pc)


def _abort(kernel: Kernel, process: Process, kind: int, address: int, status: int) -> None:
    kernel.cpu.charge(kernel.account.happened(Event.FAULT))
    if kind == Trap.PREFETCH_ABORT and status & 0xF == STATUS_BREAKPOINT:
        process.signals.fault(process, SIGTRAP, TRAP_BRKPT, address)
        return
    try:
        _page_in(kernel, process, kind, address, status)
    except Fault as fault:
        process.signals.fault(process, fault.signal, fault.code, fault.address)
    except OutOfMemory:
        kernel.log(f"out of memory: {process.name} ({process.pid}) is ended")
        kernel.exit(process, SIGKILL)


def _page_in(kernel: Kernel, process: Process, kind: int, address: int, status: int) -> None:
    process.faults += 1
    if kind == Trap.PREFETCH_ABORT:
        access = EXECUTE
    elif kernel.cpu.tells_stores:
        access = WRITE if status & STATUS_WRITE else READ
    else:  # what is there can be read; if it was a store into what is not, it comes again
        access = WRITE if status & 0xF == STATUS_PERMISSION else READ
    process.space.page(address, access)
    made = kernel.memory.made
    kernel.cpu.charge(PAGE_CYCLES * (made - kernel.paid) + FAULT_CYCLES)
    kernel.paid = made
