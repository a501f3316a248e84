"""A system call from the CPU's registers and back into them.

Theory: a function of the table answers at once with a number, or with a generator, which is a call that sleeps: it is gone on
with whenever its process is woken, until it returns. Errors are exceptions; here they become what the program sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EINTR, ENOMEM, ENOSYS, Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.wait import Interrupted
from cells.personalities.linux import table
from cells.personalities.linux.process import RUNNING, Process

if TYPE_CHECKING:
    from cells.personalities.linux.kernel import Kernel

ARM_CACHEFLUSH, ARM_SET_TLS, ARM_GET_TLS = 0xF0002, 0xF0005, 0xF0006
"""Calls of this architecture alone (arch/arm/include/uapi/asm/unistd.h)."""
NAMED = 256
"""Missing calls that are remembered, each with how often it was made."""
WORD = 0xFFFF_FFFF


def perform(kernel: Kernel, process: Process) -> None:
    """The call that has just stopped the CPU, which has charged for it."""
    a, b, c, d, e, f, _, number = kernel.cpu.call()
    function = kernel.calls.get(number)
    result: Any
    try:
        result = function(process, a, b, c, d, e, f) if function is not None else _absent(kernel, process, number)
    except Errno as error:
        result = -error.code
    except OutOfMemory:
        result = -ENOMEM
    if type(result) is not int:
        process.sleeping = result
        go_on(process)
    elif process.in_cpu:
        kernel.cpu.answer(result & WORD)
    else:
        process.registers[0] = result & WORD


def go_on(process: Process) -> None:
    """Go on with a call that sleeps, until it sleeps again or is done."""
    call = process.sleeping
    assert call is not None
    core = process.core
    try:
        wait = next(call)
        if process.attention:
            wait = call.throw(Interrupted())
        if process.state is RUNNING:
            process.sleep(wait)
    except StopIteration as done:
        core[0] = done.value & WORD
    except Errno as error:
        core[0] = -error.code & WORD
    except OutOfMemory:
        core[0] = -ENOMEM & WORD
    except Interrupted:
        process.interrupted, core[0] = core[0], -EINTR & WORD
    else:
        return
    process.sleeping = None


def _absent(kernel: Kernel, process: Process, number: int) -> int:
    """A call that is not there: one of ARM's own, or none."""
    if number == ARM_SET_TLS:
        process.thread_pointer = process.core[0]
        kernel.cpu.set_thread_pointer(process.core[0])
        return 0
    if number == ARM_GET_TLS:
        return process.thread_pointer
    if number == ARM_CACHEFLUSH:  # the engine notices new code by itself
        return 0
    missing = kernel.missing
    if number not in missing and len(missing) < NAMED:
        row = table.CALLS.get(number)
        name = row.name if row else str(number)
        kernel.log(f"{process.name}: system call {name} is not supported")
        kernel.report(f"missing call {name}")
    if number in missing or len(missing) < NAMED:
        missing[number] += 1
    return -ENOSYS
