"""Is there and does nothing: a Dom0 without work, a cell to be struck by faults.

[cells.dom0]
guest = "cells.programs.idle:main"
"""

from __future__ import annotations

from cells.port import Port

NAP = "1ms"


def main(port: Port) -> None:
    """Sleep for ever, awake for a moment each millisecond."""
    while True:
        port.sleep(NAP)
