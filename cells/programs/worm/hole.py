"""A driver of the Linux personality with a hole: a system call that runs the caller's attack in the kernel.

    [cells.linux]
    preload = ["cells.programs.worm.hole"]          # the driver is loaded before the sandbox closes

Theory: what has to hold in a cell whose kernel is hostile cannot depend on how it became so. Nobody knows of a way from a
program of the personality into it, so the scene brings one: a call without a check, as drivers of phones have had. Behind
it the attacker's code (takeover.py) runs in the cell's own process, sandbox closed, with all that this process has: its
memory and descriptors, the link to the monitor, native code of the host through the C library. The personality does not
get the CPU back.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.linux.table import PARTIAL, call
from cells.programs.worm.takeover import take_over

NUMBER = 0x900
"""Beyond what Linux has on ARM; `worm.c` has the same."""


@call(NUMBER, "broken_driver", PARTIAL, "a hole: whoever calls it is the kernel from then on (cells/programs/worm)")
def sys_broken_driver(process: Any, *_: int) -> int:
    """The caller wins."""
    take_over(process.kernel.port)
    return 0
