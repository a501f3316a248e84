"""`cellvisor cell`: make this host's process of a remote cell, and wait for its end.

The process comes from a zygote, as a local cell's does: the same sandbox, the same fixed hash seed.
"""

from __future__ import annotations

from pathlib import Path

from cells.order import CellOrder
from cells.sandbox import SandboxPolicy
from hypervisor.abi.ticket import Ticket
from hypervisor.shell.files import RunDirError
from hypervisor.shell.processes import Zygote

ENTRY = "cells.remote:remote_main"
FOREVER_S = 1e6


def join(endpoint: str, path: Path, *, sandbox: bool) -> tuple[int, str]:
    """Be the ticket's cell until it ends: exit status and what the process said last.

    Raises:
        RunDirError: the ticket cannot be read, or is none.
    """
    try:
        ticket = Ticket.from_json(path.read_text())
    except OSError as error:
        raise RunDirError.because(path, error, missing="give the ticket that `cellvisor run --remote` wrote") from error
    except ValueError as error:
        raise RunDirError(path, str(error)) from None
    settings: dict[str, object] = {"endpoint": endpoint, "ticket": ticket.to_json()}
    with Zygote.start() as zygote:
        order = CellOrder(ticket.cell, 0, settings, sandbox=SandboxPolicy(enabled=sandbox))
        status = zygote.spawn(order, entry=ENTRY).wait(FOREVER_S)
    if status is None or status.code is None:
        return 1, str(status)
    return status.code, status.log.strip()
