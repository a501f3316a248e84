"""The few calls of the host's kernel that Python has no name for: prctl, capset and raw system calls.

Every function raises `OSError` with the kernel's reason. Numbers are of <linux/prctl.h> and <linux/capability.h>.
"""

from __future__ import annotations

import ctypes
import os
import struct

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_NO_NEW_PRIVS = 38
PR_SET_THP_DISABLE = 41
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, call: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
    return result


def prctl(option: int, value: int | bytes) -> None:
    """Change a property of this thread or process; the unused arguments are 0, as some demand."""
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(ctypes.c_int(option), argument, zero, zero, zero), f"prctl {option}")


def system_call(number: int, *arguments: int | bytes | ctypes.Structure | None) -> int:
    """Make a raw system call; bytes and structures go by address."""
    return _check(_libc.syscall(ctypes.c_long(number), *map(_word, arguments)), f"system call {number}")


def _word(argument: int | bytes | ctypes.Structure | None) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    return ctypes.c_char_p(argument)


def drop_capabilities() -> None:
    """Give up every capability of this thread, for good once no new privileges can be had."""
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
