"""Functions of an unmodified kernel that a count asks for, found in what the kernel itself says: /proc/kallsyms.

Debian ships no map of its kernels (its System.map is a stub), and one kernel holds variants of a function for several CPUs, of
which one is used. A group is therefore all addresses whose names fit: those of other CPUs are never entered. Left out are names
that stand for a step before another of the group (`cpu_v7_bpiall_switch_mm` jumps to `cpu_v7_switch_mm`): an entry would count
twice.

    groups(b"c0116bc4 T cpu_v6_set_pte_ext\\n...")["set_pte"]      # (0xc0116bc4,)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GROUPS: Mapping[str, str] = {
    "set_pte": r"cpu_[a-z0-9]+_set_pte_ext",
    "switch_mm": r"cpu_[a-z0-9]+_switch_mm",
    "switch_to": r"__switch_to",
    "pgd_alloc": r"pgd_alloc",
    "uaccess": r"arm_copy_(to|from)_user|arm_clear_user",
    "cache_flush": r"[a-z0-9]+_flush_kern_cache_(all|louis)",
}
"""Group -> its names (arch/arm/mm/proc-*.S, cache-*.S, arch/arm/lib/copy_*_user.S of Linux)."""
DETOURS = r"cpu_v7_(bpiall|iciallu|hvc|smc)_switch_mm"
"""What does one thing more and goes on to the plain one (arch/arm/mm/proc-v7.S, proc-v7-bugs.c). A CPU's name may be an alias."""
ORDER = f"grep -E ' ({'|'.join([*GROUPS.values(), DETOURS])})$' /proc/kallsyms"
"""What the shell of the kernel is told: the lines that matter, a hundredth of all."""

_LINE = re.compile(r"^([0-9a-f]{8}) [A-Za-z] (\S+)\s*$", re.MULTILINE)


class NoSymbols(Exception):  # noqa: N818
    """The kernel does not say where its functions are."""


def groups(text: bytes) -> dict[str, tuple[int, ...]]:
    """The addresses of each group, in order, each once.

    Raises:
        NoSymbols: a group is empty, or addresses are hidden (kptr_restrict).
    """
    found = [(int(address, 16), name) for address, name in _LINE.findall(text.decode("latin-1"))]
    detours = {address for address, name in found if re.fullmatch(DETOURS, name)}
    made = {group: _fitting(pattern, found, detours) for group, pattern in GROUPS.items()}
    empty = [group for group, addresses in made.items() if not addresses]
    if empty:
        raise NoSymbols(f"/proc/kallsyms names nothing for {', '.join(empty)}: is kptr_restrict 0?")
    return made


def _fitting(pattern: str, found: list[tuple[int, str]], left_out: set[int]) -> tuple[int, ...]:
    return tuple(sorted({address for address, name in found if address and re.fullmatch(pattern, name)} - left_out))
