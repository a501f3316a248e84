"""What a toolstack does on a real Xen: it writes into the store who is there and which devices they have.

```
/local/domain/1/name = "client"
/local/domain/1/device/block/0/{backend,backend-id,state,name}      the front's: it writes, the back reads
/local/domain/2/backend/block/1/0/{frontend,frontend-id,state,...}  the back's: it writes, the front reads
```

Theory: a device is two directories, each owned by the domain at that end and readable by the other one alone. The states in
them are the handshake (xenbus); how far it has come is the ends' business. A domain that ends takes its directories with it:
its partners, who watch, find no state any more, and begin again when the directory is back. Each channel of a topology is a
device of its class; of class "message" too, which no other Xen has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import XenbusState
from hypervisor.core.wiring import LINK_PAGES, MESSAGE_LIMIT, ChannelParams, Wiring
from hypervisor.core.xen.domains import MESSAGE, Domain, Domains
from hypervisor.core.xen.store import READ, Permission, Store

HOME = "/local/domain"


class Device(NamedTuple):
    """A channel as a split device: `number` counts the front's devices of its class."""

    channel: ChannelParams
    front: int
    back: int
    number: int

    @property
    def front_path(self) -> str:
        """The front's directory."""
        return f"{HOME}/{self.front}/device/{self.channel.kind}/{self.number}"

    @property
    def back_path(self) -> str:
        """The back's directory."""
        return f"{HOME}/{self.back}/backend/{self.channel.kind}/{self.front}/{self.number}"


class Toolstack:
    """Writes to the store as Dom0 would."""

    def __init__(self, store: Store, domains: Domains, wiring: Wiring) -> None:
        self._store, self._domains = store, domains
        self.devices: list[Device] = []
        for channel in wiring.channels:
            front, back = domains.domid(channel.front), domains.domid(channel.back)
            number = sum(d.front == front and d.channel.kind == channel.kind for d in self.devices)
            self.devices.append(Device(channel, front, back, number))

    def born(self, domain: Domain) -> None:
        """The domain's home, and its ends of devices."""
        home = f"{HOME}/{domain.domid}"
        self._directory(home, 0, domain.domid)
        for name, value in (("name", domain.name), ("domid", str(domain.domid))):
            self._store.write(0, f"{home}/{name}", value.encode())
        for name in ("device", "backend", "data"):
            self._directory(f"{home}/{name}", domain.domid)
        for device in self.devices:
            if device.front == domain.domid:
                self._end(device.front_path, "backend", device.back_path, device.front, device.back, device)
            if device.back == domain.domid:
                self._end(device.back_path, "frontend", device.front_path, device.back, device.front, device)

    def ended(self, domain: Domain) -> None:
        """Nothing is left of it."""
        self._store.remove(0, f"{HOME}/{domain.domid}")

    def describe(self, domain: Domain, partner: str) -> list[dict[str, Any]]:
        """The domain's devices for its boot information: `partner` "channels" for messages, "links" for the others."""
        wanted = [d for d in self.devices if domain.domid in (d.front, d.back)]
        return [self._told(d, domain) for d in wanted if (d.channel.kind == MESSAGE) == (partner == "channels")]

    def _told(self, device: Device, domain: Domain) -> dict[str, Any]:
        front = device.front == domain.domid
        channel = device.channel
        own, other = device.front_path, device.back_path
        peer = self._domains.by_number(device.back if front else device.front)
        told = {
            "name": channel.name,
            "kind": channel.kind,
            "role": "front" if front else "back",
            "peer": peer.name,
            "domid": peer.domid,
            "node": own if front else other,
            "other": other if front else own,
        }
        if channel.kind == MESSAGE:
            return told | {"rights": self._rights(channel, front=front), "limit": MESSAGE_LIMIT}
        return told | {"size": LINK_PAGES[channel.kind] * PAGE}

    @staticmethod
    def _rights(channel: ChannelParams, *, front: bool) -> list[str]:
        """What an end may do that the other one may answer: who grants a ring to one that may not send lets it send."""
        mine, its = channel.front_rights, channel.back_rights
        if not front:
            mine, its = its, mine
        answers = {"send": "receive", "receive": "send"}
        return [right for right in sorted(mine) if answers[right] in its]

    def _directory(self, path: str, owner: int, reader: int | None = None) -> None:
        self._store.mkdir(0, path)
        permissions = [Permission(owner, 0)] + ([Permission(reader, READ)] if reader is not None else [])
        self._store.set_permissions(0, path, tuple(permissions))

    def _end(self, path: str, role: str, other: str, owner: int, reader: int, device: Device) -> None:
        """One end's directory; what is written below it inherits its permissions."""
        self._directory(path, owner, reader)
        nodes = {
            role: other,
            f"{role}-id": str(reader),
            "name": device.channel.name,
            "state": str(int(XenbusState.INITIALISING)),
        }
        for name, value in nodes.items():
            self._store.write(0, f"{path}/{name}", value.encode())
