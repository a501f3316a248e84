"""A monitor to be killed, as a program: two cells that share a page, and then wait.

    python -m tests.support.sharing_monitor

Prints the cells' process numbers as a line of JSON.
"""

from __future__ import annotations

import json
import signal
from dataclasses import replace

from cells.port import Port
from hypervisor import launch
from hypervisor.flavours import FLAVOURS
from tests.support.page_calls import MAP, SHARE


def front(port: Port) -> None:
    """Shares a page with the other."""
    address = port.memory.allocate(1)
    port.hypercall(MAP, port.hypercall(SHARE, address, 1), 1, 1)
    port.sleep("1000s")


def back(port: Port) -> None:
    """Has it."""
    port.sleep("1000s")


def main() -> None:
    """Run for a moment, then wait to be ended."""
    FLAVOURS["okl4"] = replace(FLAVOURS["okl4"], mechanism="tests.support.page_calls:PageCalls")
    cells = {"front": {"guest": "python"}, "back": {"guest": "python"}}
    topology = {"name": "test", "board": "arm926", "flavour": "okl4", "cells": cells}
    with launch(topology, guests={"front": front, "back": back}) as run:
        run.until("1ms")
        pids = [host.process.pid for host in run.hosts if host.process is not None]
        print(json.dumps({"cells": pids}), flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
