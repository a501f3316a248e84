"""native, or a cell without connections: there is nobody to talk to, but waiting works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.flavours import Connections
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port


class Alone(Connections):
    """No connections."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self._port = port

    def wait(self, until: int = NEVER) -> None:
        """See `Connections`."""
        self._port.wait(until)


def connect(port: Port) -> Connections:
    """See `cells.flavours.connect`."""
    return Alone(port)
