"""A cell on another host: connects with its ticket, gets its order and memory by message, and runs as any other cell.

It has channels and messages and no page in common with anybody. It ends when the monitor says so or is gone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from cells.links import MonitorGone, ZmqLink, connect
from cells.lockstep import Lockstep
from cells.order import CellOrder
from cells.post import PostedLink
from cells.runtime import build_guest, serve, take_memory
from cells.sandbox import SandboxPolicy
from hypervisor.abi.ticket import JOIN, Ticket, assemble


def remote_main(local: CellOrder, fds: Mapping[str, int]) -> None:
    """The entry of a remote cell's process. The local order says where to connect; the real one comes from there."""
    endpoint, ticket = str(local.settings["endpoint"]), Ticket.from_json(str(local.settings["ticket"]))
    keys = (key.encode() for key in (ticket.server_key, ticket.public_key, ticket.secret_key))
    try:
        link = ZmqLink(connect(endpoint, *keys), watch=True)
        link.send(JOIN)
        order: dict[str, Any] = assemble(link.receive)
        policy = SandboxPolicy(enabled=local.sandbox.enabled and order["sandbox"])
        for module in order["settings"].get("preload", ()):
            importlib.import_module(module)
        cell = CellOrder(order["name"], order["index"], order["settings"], order["guest"], policy)
        posted: Any = cell.settings.get("posted")
        world = Lockstep(PostedLink(link, link, posted) if posted else link)
        serve(cell, build_guest(cell, take_memory(cell.settings, {})), world)
    except MonitorGone:
        return
    except (ConnectionError, ImportError, ValueError) as error:
        sys.exit(f"{endpoint}: {error}")
