"""What `cellvisor boot` does: a topology of one cell around a kernel."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hypervisor.shell import topology
from hypervisor.shell.commands import RunOptions, is_interactive, run
from hypervisor.shell.problems import InputError
from hypervisor.shell.topology import TopologyError
from hypervisor.shell.topology.problems import nearest

KERNEL_BOARDS = {"debian:marvell": "arm926", "debian:rpi": "arm1176", "debian:armmp": "beagle"}
"""The board that each Debian kernel is for."""


@dataclass(frozen=True)
class BootOptions:
    """What `boot` is told of the kernel."""

    kernel: str
    board: str | None
    initrd: str | None
    append: str
    ram: str


def boot(options: BootOptions, shared: RunOptions) -> int:
    """Boot one kernel."""
    board = options.board or _board_of(options.kernel)
    if shared.duration is None and not is_interactive(shared):
        raise InputError("boot: say with --for how long to run; without a terminal there is no Ctrl-] to end it")
    initrd = options.initrd or ("debian:busybox" if options.kernel.startswith("debian:") else None)
    cell = {"kernel": options.kernel, "append": options.append, "ram": options.ram, "initrd": initrd}
    cell = {key: value for key, value in cell.items() if value}
    try:
        return run(shared, {"name": "boot", "board": board, "console": "linux", "cells": {"linux": cell}})
    except TopologyError as error:
        raise TopologyError(map(_as_option, error.problems)) from None


def _board_of(kernel: str) -> str:
    """The board of a Debian kernel."""
    board = KERNEL_BOARDS.get(kernel)
    if board is None and kernel.startswith("debian:"):
        raise InputError(f"{kernel}: no such kernel; {nearest(kernel, KERNEL_BOARDS)}")
    if board is None:
        raise InputError(f"{kernel}: say with --board which board it is for (cellvisor boot --board beagle {kernel})")
    return board


_BOOT_OPTIONS = {
    "board": "--board",
    "cells.linux.kernel": "KERNEL",
    "cells.linux.initrd": "--initrd",
    "cells.linux.append": "--append",
    "cells.linux.ram": "--ram",
    "cells": "--ram",
}


def _as_option(problem: topology.Problem) -> topology.Problem:
    """A problem of the topology that `boot` made up, told of the option behind it."""
    return dataclasses.replace(problem, option=problem.option or _BOOT_OPTIONS.get(problem.key, ""))
