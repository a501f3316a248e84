"""What a toolstack does on a real Xen: it writes into the store who is there and which devices they have.

```
/local/domain/1/name = "client"
/local/domain/1/device/block/0/{backend,backend-id,state,name}      the front's: it writes, the back reads
/local/domain/2/backend/block/1/0/{frontend,frontend-id,state,...}  the back's: it writes, the front reads
/local/domain/1/device/vbd/51712, /local/domain/2/backend/vbd/1/51712     the same, if domain 1 is an unmodified kernel
/local/domain/1/{control/shutdown,console/ring-ref,memory/target,...}     what such a kernel looks for at home
```

Theory: a device is two directories, each owned by the domain at that end and readable by the other one alone. The states in
them are the handshake (xenbus); how far it has come is the ends' business. A domain that ends takes its directories with it:
its partners, who watch, find no state any more, and begin again when the directory is back. Each channel of a topology is a
device of its class; of class "message" too, which no other Xen has. The drivers of an unmodified kernel know devices by other
names and numbers, and look for more nodes (xen/include/public/io/{blkif,netif}.h; docs/misc/xenstore-paths.pandoc).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import Param, XenbusState
from hypervisor.core.wiring import LINK_PAGES, MESSAGE_LIMIT, ChannelParams, Wiring
from hypervisor.core.xen.domains import MESSAGE, Domain, Domains
from hypervisor.core.xen.store import READ, Permission, Store

HOME = "/local/domain"


class Device(NamedTuple):
    """A channel as a split device: `order` counts the front's devices of its class; `type` is the class as the front's drivers
    call it.
    """

    channel: ChannelParams
    front: int
    back: int
    order: int
    type: str

    @property
    def number(self) -> int:
        """The device's number, the last part of its paths."""
        return FIRST_DISK + DISK_STEP * self.order if self.type == DISK else self.order

    @property
    def front_path(self) -> str:
        """The front's directory."""
        return f"{HOME}/{self.front}/device/{self.type}/{self.number}"

    @property
    def back_path(self) -> str:
        """The back's directory."""
        return f"{HOME}/{self.back}/backend/{self.type}/{self.front}/{self.number}"

    @property
    def address(self) -> str:
        """Of a network interface: the range of Xen, then domain and number (locally administered bits are the vendor's)."""
        return f"00:16:3e:00:{self.front & 0xFF:02x}:{self.order & 0xFF:02x}"


DISK, INTERFACE = "vbd", "vif"
TYPES = {"block": DISK, "net": INTERFACE}
"""Class -> what an unmodified kernel's drivers call such a device."""
FIRST_DISK, DISK_STEP = 202 << 8, 16
"""Numbers of disks: xvda, xvdb, ... with sixteen partitions each (docs/man/xen-vbd-interface.7.pandoc)."""
Nodes = dict[str, str]
FRONT_NODES: dict[str, Callable[[Device], Nodes]] = {
    DISK: lambda device: {"virtual-device": str(device.number), "device-type": "disk"},
    INTERFACE: lambda device: {"handle": str(device.number), "mac": device.address},
}
BACK_NODES: dict[str, Callable[[Device], Nodes]] = {
    DISK: lambda device: {
        "online": "1",
        "removable": "0",
        "bootable": "1",
        "mode": "w",
        "type": "phy",
        "device-type": "disk",
        "dev": f"xvd{chr(ord('a') + device.order % 26)}",
    },
    INTERFACE: lambda device: {"online": "1", "handle": str(device.number), "mac": device.address},
}
KERNEL_NODES: dict[str, Callable[[int], Nodes]] = {
    DISK: lambda place: {
        "physical-device": f"{FIRST_DISK >> 8:x}:{DISK_STEP * place:x}",
        "params": "",
        "discard-enable": "0",
    },
    INTERFACE: lambda place: {"hotplug-status": "connected", "script": "", "bridge": ""},
}
"""What hotplug scripts write beside that where the back end is an unmodified kernel as well: its first front end gets its first
disk, and so on; a disk that is not there yet when its driver is loaded is an error of that driver's."""
"""What a toolstack writes for such a device beside the handshake."""


class Toolstack:
    """Writes to the store as Dom0 would."""

    def __init__(self, store: Store, domains: Domains, wiring: Wiring) -> None:
        self._store, self._domains, self._kernels = store, domains, wiring.hvc_kernels
        self._held: list[Device] = []
        self.lost: set[Device] = set()
        """Of these nobody knows any more what the front end is owed: it is told that there is no other end."""
        self.devices: list[Device] = []
        for channel in wiring.channels:
            front, back = domains.domid(channel.front), domains.domid(channel.back)
            order = sum(d.front == front and d.channel.kind == channel.kind for d in self.devices)
            known = TYPES if wiring.hvc_kernels.get(channel.front) else {}
            self.devices.append(Device(channel, front, back, order, known.get(channel.kind, channel.kind)))

    def born(self, domain: Domain) -> None:
        """The domain's home, and its ends of devices."""
        home = f"{HOME}/{domain.domid}"
        self._home(domain)
        for name, value in (("name", domain.name), ("domid", str(domain.domid))):
            self._store.write(0, f"{home}/{name}", value.encode())
        if self._kernels.get(domain.cell.index):
            self._kernel_home(home, domain)
        for device in self.devices:
            if device.front == domain.domid:
                self.lost.discard(device)
                held = self._holds_on(device)
                self._front(device, XenbusState.CLOSED if held else XenbusState.INITIALISING)
                self._held += [device] if held and device not in self._held else []
            if device.back == domain.domid:
                more = BACK_NODES.get(device.type, _nothing)(device) | self._hotplugged(device)
                state = XenbusState.CLOSED if device in self.lost else XenbusState.INITIALISING
                self._end(
                    device.back_path, "frontend", device.front_path, device.back, device.front, device, more, state
                )

    def _hotplugged(self, device: Device) -> Nodes:
        if not self._kernels.get(device.channel.back) or device.type not in KERNEL_NODES:
            return {}
        same = [other for other in self.devices if (other.back, other.type) == (device.back, device.type)]
        return KERNEL_NODES[device.type](same.index(device))

    def _kernel_home(self, home: str, domain: Domain) -> None:
        """What an unmodified kernel looks for at home. It writes below `control` what requests it understands, and takes them."""
        self._directory(f"{home}/control", domain.domid)
        params, pages = domain.params, domain.cell.params.ram >> 10
        nodes = {
            "vm": f"/vm/{domain.domid}",
            "control/shutdown": "",
            "cpu/0/availability": "online",
            "memory/target": str(pages),
            "memory/static-max": str(pages),
            "console/type": "xenconsoled",
            "console/ring-ref": str(params.get(Param.CONSOLE_PFN, 0)),
            "console/port": str(params[Param.CONSOLE_EVTCHN]),
            "store/ring-ref": str(params.get(Param.STORE_PFN, 0)),
            "store/port": str(params[Param.STORE_EVTCHN]),
        }
        for name, value in nodes.items():
            self._store.write(0, f"{home}/{name}", value.encode())

    def ended(self, domain: Domain) -> None:
        """Nothing is left of it, but word for back ends that are kernels: its ends of devices are closed. They let go then, and
        wait for the next one; from an end that is missing they would conclude that there will be none.
        """
        self._store.remove(0, f"{HOME}/{domain.domid}")
        for device in self.devices:
            if device.front == domain.domid and self._holds_on(device):
                self._home(domain)
                self._front(device, XenbusState.CLOSED)

    def _home(self, domain: Domain) -> None:
        """The domain's own directories: what is made below them is its own."""
        home = f"{HOME}/{domain.domid}"
        self._directory(home, 0, domain.domid)
        for name in ("device", "backend", "data"):
            self._directory(f"{home}/{name}", domain.domid)

    def _holds_on(self, device: Device) -> bool:
        """Whether the back end is a kernel that is connected to this device's last life still."""
        if not self._kernels.get(device.channel.back) or not self._domains.by_number(device.back).alive:
            return False
        free = {
            str(int(state)).encode() for state in (XenbusState.INITIALISING, XenbusState.INIT_WAIT, XenbusState.CLOSED)
        }
        path = f"{device.back_path}/state"
        return self._store.exists(path) and self._store.read(0, path) not in free

    def catch_up(self) -> None:
        """Front ends that waited until a kernel has let go of their last life begin."""
        for device in [device for device in self._held if not self._holds_on(device)]:
            self._held.remove(device)
            self._store.write(0, f"{device.front_path}/state", str(int(XenbusState.INITIALISING)).encode())

    def _front(self, device: Device, state: XenbusState) -> None:
        more = FRONT_NODES.get(device.type, _nothing)(device)
        self._end(device.front_path, "backend", device.back_path, device.front, device.back, device, more, state)

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
            "device": device.type,
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

    def _end(
        self,
        path: str,
        role: str,
        other: str,
        owner: int,
        reader: int,
        device: Device,
        more: Mapping[str, str],
        state: XenbusState = XenbusState.INITIALISING,
    ) -> None:
        """One end's directory; what is written below it inherits its permissions."""
        self._directory(path, owner, reader)
        nodes = {
            role: other,
            f"{role}-id": str(reader),
            "name": device.channel.name,
            **more,
            "state": str(int(state)),
        }
        for name, value in nodes.items():
            self._store.write(0, f"{path}/{name}", value.encode())


def _nothing(_device: Device) -> Nodes:
    """What our own drivers need beside."""
    return {}
