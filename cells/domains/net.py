"""The net driver domain: a switch between its front ends and the network device that it owns, if it owns one.

```toml
[cells.netdom]
domain = "net"
devices = ["nic0"]
on_crash = "restart"
```
"""

from __future__ import annotations

from cells.domains.devices import first
from cells.domains.drivers.nic import Nic
from cells.port import Port
from cells.split.net.back import NetBack


def main(port: Port) -> None:
    """Serve for ever."""
    device = first(port, {"nic"})
    kernels = [end for end in port.connections.kernels.values() if end.kind == "net"]
    if device is None:
        port.print(f"{port.name}: no network device among its devices; its front ends reach each other only")
        NetBack(port.connections, None, port, port.print, kernels=kernels).run()
        return
    nic = Nic(port, device)
    NetBack(port.connections, nic, port, port.print, network=nic.mac[-1], kernels=kernels).run()
