"""A cell on another host: connects with its ticket, gets its order and memory by message, and runs as any other cell.

It has channels and messages and no page in common with anybody. It ends when the monitor says so or is gone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cells.links import MonitorGone, ZmqLink, connect
from cells.lockstep import Lockstep
from cells.order import CellOrder
from cells.runtime import build_guest, serve
from cells.sandbox import SandboxPolicy
from hypervisor.abi.ticket import JOIN, Ticket, assemble


def join(endpoint: str, path: Path, *, sandbox: bool) -> int:
    """Be the ticket's cell until it ends; the exit status for the command.

    Raises:
        OSError: the ticket cannot be read.
    """
    try:
        ticket = Ticket.from_json(path.read_text())
    except ValueError as error:
        print(f"cellvisor: {path}: {error}", file=sys.stderr)
        return 2
    keys = (key.encode() for key in (ticket.server_key, ticket.public_key, ticket.secret_key))
    link = ZmqLink(connect(endpoint, *keys), watch=True)
    link.send(JOIN)
    try:
        order: dict[str, Any] = assemble(link.receive)
        cell = CellOrder(
            order["name"],
            order["index"],
            order["settings"],
            order["guest"],
            SandboxPolicy(enabled=sandbox and order["sandbox"]),
        )
        serve(cell, build_guest(cell, None), Lockstep(link))
    except MonitorGone:
        return 0
    except ValueError as error:
        print(f"cellvisor: {endpoint}: {error}", file=sys.stderr)
        return 1
    return 0
