"""The net driver domain: a switch between its front ends and the network device that it owns, if it owns one.

```toml
[cells.netdom]
domain = "net"
devices = ["nic0"]
on_crash = "restart"

[cells.netdom.network]                            # and, if it has this, a gateway in it (cells/domains/usernet)
address = "10.0.2.2/24"
dhcp = ["10.0.2.15", "10.0.2.30"]
forward = { "8080" = "127.0.0.1:18080" }
```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cells.domains.devices import first
from cells.domains.drivers.nic import Nic
from cells.domains.usernet.gateway import Gateway, Plan
from cells.port import Port, RefusedError
from cells.split.net.back import NetBack
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.streams import StreamCall


def main(port: Port) -> None:
    """Serve for ever."""
    device = first(port, {"nic"})
    kernels = [end for end in port.connections.kernels.values() if end.kind == "net"]
    nic = Nic(port, device) if device is not None else None
    network = nic.mac[-1] if nic is not None else 0
    told: Mapping[str, Any] | None = port.boot.get("network")
    gateway = Gateway(Plan(**told), port, port.hz, Streams(port), network) if told is not None else None
    if gateway is not None:
        port.on_stream = gateway.on_news
        port.print(f"{port.name}: the gateway of this network is {gateway}")
    elif nic is None:
        port.print(f"{port.name}: no network device among its devices; its front ends reach each other only")
    NetBack(port.connections, nic, port, port.print, network=network, kernels=kernels, gateway=gateway).run()


class Streams:
    """The host, by hypercalls (hypervisor/abi/streams.py)."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def open(self, handle: int, number: int) -> bool:
        """See `Outside`."""
        try:
            self._call(StreamCall.OPEN, handle, number)
        except RefusedError:
            return False
        return True

    def send(self, handle: int, data: bytes) -> None:
        """See `Outside`."""
        self._tell(StreamCall.SEND, handle, data=data)

    def end(self, handle: int) -> None:
        """See `Outside`."""
        self._tell(StreamCall.END, handle)

    def close(self, handle: int) -> None:
        """See `Outside`."""
        self._tell(StreamCall.CLOSE, handle)

    def give(self, handle: int, room: int) -> None:
        """See `Outside`."""
        self._tell(StreamCall.GIVE, handle, room)

    def wait(self) -> None:
        """See `Host`."""
        self._call(StreamCall.WAIT, 0)

    def _tell(self, call: StreamCall, handle: int, number: int = 0, data: bytes = b"") -> None:
        """What is said of a stream that broke meanwhile is for nobody: the news of that are on their way."""
        try:
            self._call(call, handle, number, data)
        except RefusedError:
            return

    def _call(self, call: StreamCall, handle: int, number: int = 0, data: bytes = b"") -> None:
        self._port.hypercall(Hypercall.STREAM, call, handle, number, data=data)
