"""Landlock: the kernel's sandbox for plain users. A cell may open no file, no TCP port, and signal nobody outside.

A *ruleset* names the kinds of access that it handles; what it handles and has no rule for is refused. Ours has no
rules at all, so it only needs to name everything that the running kernel knows (the ABI version tells). Descriptors
opened earlier keep working. Rights and versions: <linux/landlock.h> and the kernel's
Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from cells import kernel

_CREATE_RULESET = 444
_RESTRICT_SELF = 446
_GET_VERSION = 1
_RESTRICT_ALL_THREADS = 1 << 3

_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI version: how many rights to files it knows (2 adds moving between directories, 3 truncation, 5 device ioctl)."""
_TCP_SINCE, _TCP = 4, 0b11
"""Binding and connecting a TCP port."""
_SCOPE_SINCE, _SCOPE = 6, 0b11
"""Abstract Unix sockets and signals stay within the sandbox."""
_ALL_THREADS_SINCE = 8


class Restricted(NamedTuple):
    """What was reached: the kernel's ABI version, and whether threads that already ran are restricted as well."""

    abi: int
    all_threads: bool


def ruleset(abi: int) -> bytes:
    """The `struct landlock_ruleset_attr` which handles everything that this ABI version can."""
    files = max(bits for since, bits in _FILE_RIGHTS.items() if since <= abi)
    words = [(1 << files) - 1]
    if abi >= _TCP_SINCE:
        words.append(_TCP)
    if abi >= _SCOPE_SINCE:
        words.append(_SCOPE)
    return struct.pack(f"<{len(words)}Q", *words)


def restrict() -> Restricted:
    """Refuse everything, for good.

    Requires: no new privileges (or the capability to administer).
    Raises: OSError when the kernel has no Landlock.
    """
    abi = kernel.system_call(_CREATE_RULESET, None, 0, _GET_VERSION)
    rules = ruleset(abi)
    all_threads = abi >= _ALL_THREADS_SINCE
    descriptor = kernel.system_call(_CREATE_RULESET, rules, len(rules), 0)
    try:
        kernel.system_call(_RESTRICT_SELF, descriptor, _RESTRICT_ALL_THREADS if all_threads else 0)
    finally:
        os.close(descriptor)
    return Restricted(abi, all_threads)
