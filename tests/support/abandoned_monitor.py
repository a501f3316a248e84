"""A monitor to be killed or interrupted, as a program: starts cells and waits.

    python -m tests.support.abandoned_monitor '{"cells": 3, "stopped": 1, "directory": "/run/x", "accomplice": true}'

Prints the process numbers as a line of JSON. `stopped`: so many of the cells are stopped (SIGSTOP). `directory`: what
the zygote is to remove. `accomplice`: a child that keeps the socket to the zygote open when the monitor is gone. A
SIGINT is answered by a line that says how many cells have ended, and by one more cell.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.support.sandbox_lab import HERE, Lab


def start_cell(lab: Lab) -> tuple[Any, Any]:
    """A cell that stays, known to have closed its sandbox."""
    cell, link = lab.spawn(None, entry=f"{HERE}:resident")
    link.recv(1024)
    return cell, link


def accomplice() -> int:
    """A child with copies of all our descriptors."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    return pid


def main(options: dict[str, Any]) -> None:
    """Start what the options say, and wait to be ended."""
    lab = Lab()
    cells = [start_cell(lab) for _ in range(options["cells"])]
    for cell, _ in cells[: options.get("stopped", 0)]:
        cell.kill(signal.SIGSTOP)
    if options.get("directory"):
        lab.zygote.janitor(Path(options["directory"]))
        cells.append(start_cell(lab))  # the answer shows that the message before it has been read

    def on_interrupt(*_: object) -> None:
        cells.append(start_cell(lab))
        print(json.dumps({"ended": len(lab.zygote.collect())}), flush=True)

    signal.signal(signal.SIGINT, on_interrupt)
    helper = accomplice() if options.get("accomplice") else None
    pids = [cell.pid for cell, _ in cells]
    print(json.dumps({"zygote": lab.zygote.pid, "cells": pids, "accomplice": helper}), flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
