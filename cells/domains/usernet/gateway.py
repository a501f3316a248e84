"""A gateway as one more port of a switch: answers ARP, DHCP, ICMP echo and TCP at its address; frames in, frames out.

Theory: a pure state machine over virtual time. What it has to say waits in a queue of bounded length, and what does not fit there
is lost, as on any network. Nothing lies behind it but the host's ports that the topology names (tcp.py).

```python
gateway = Gateway(Plan(...), port, hz, outside)
gateway.send(frame)                               # from the switch
while (frame := gateway.receive()) is not None: ...
```
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from cells.domains.usernet import dhcp, packets
from cells.domains.usernet.dhcp import Leases, Pool
from cells.domains.usernet.packets import ARP_BODY, Packet, dotted
from cells.domains.usernet.tcp import Guest, Outside, Tcp
from cells.split.ends import Clock
from hypervisor.abi.time import NEVER

QUEUE = 64
"""Frames that wait for the switch."""
PACKET_CYCLES = 500
"""Of a frame that is looked into: of the order of the instructions of a small C stack. Assumed."""
QUIET_PER_S = 1000
"""Nothing heard for a thousandth of a second after something was said to the host: it is waited for."""
VAIN_LIMIT = 4
"""Times in a row that the host is waited for in vain: a guest that talks to a silent server must not hold up everybody."""
ECHO, ECHO_REPLY = 8, 0
ARP_REQUEST, ARP_REPLY = 1, 2


class Plan(NamedTuple):
    """What a topology says: IPv4 addresses as numbers; `ports` lead to the host, each by its place."""

    address: int
    prefix: int
    first: int = 0
    last: int = -1
    ports: tuple[int, ...] = ()


class Host(Outside, Protocol):
    """The host's side."""

    def wait(self) -> None:
        """Let virtual time stand still until the host says something, or does not."""
        ...


class Gateway:
    """The gateway. `dropped`: frames of its own for which there was no room."""

    def __init__(self, plan: Plan, clock: Clock, hz: int, host: Host, network: int = 0) -> None:
        """`network` tells the address of one board's gateway from that of another's."""
        self.address = bytes((0x02, 0x43, 0x56, network & 0xFF, 0xFF, 0x01))  # local, and none of a client's
        self._plan, self._clock, self._hz, self._host = plan, clock, hz, host
        mask = (0xFFFFFFFF << (32 - plan.prefix)) & 0xFFFFFFFF
        self._leases = Leases(Pool(plan.address, mask, plan.first, plan.last), hz) if plan.last > 0 else None
        ports = {port: number for number, port in enumerate(plan.ports)}
        self.tcp = Tcp(ports, hz, _Listened(self, host), self._emit, plan.address)
        self._frames: deque[bytes] = deque()
        self._news: deque[tuple[int, int, bytes]] = deque()
        self._quiet = NEVER
        self._vain = 0
        self.dropped = 0

    # ---- the switch

    def send(self, frame: bytes) -> bool:
        """A frame from the switch; whether it was for us, or for all."""
        if frame[:6] not in (self.address, packets.BROADCAST):
            return False
        self._clock.work(PACKET_CYCLES)
        if len(frame) > packets.ETHERNET.size and frame[12:14] == packets.ARP.to_bytes(2, "big"):
            self._on_arp(frame)
        elif (found := packets.read_packet(frame)) is not None:
            self._on_packet(found)
        return True

    def receive(self) -> bytes | None:
        """The next frame for the switch."""
        while self._news:
            self._on_news(*self._news.popleft())
        now = self._clock.now
        if self.tcp.deadline <= now:
            self.tcp.tick(now)
        if self._quiet <= now:
            self._quiet = NEVER
            self._vain += 1
            self._host.wait()
        return self._frames.popleft() if self._frames else None

    @property
    def deadline(self) -> int:
        """Until when there is nothing to do here by itself."""
        return 0 if self._news or self._frames else min(self.tcp.deadline, self._quiet)

    def _put(self, frame: bytes) -> None:
        if len(self._frames) < QUEUE:
            self._frames.append(frame)
        else:
            self.dropped += 1

    # ---- what is asked

    def _on_arp(self, frame: bytes) -> None:
        """Who has our address."""
        if len(frame) < packets.ETHERNET.size + ARP_BODY.size:
            return
        kind, protocol, length, size, what, sender, source, _, wanted = ARP_BODY.unpack_from(
            frame, packets.ETHERNET.size
        )
        if (kind, protocol, length, size, what) != (1, packets.IPV4, 6, 4, ARP_REQUEST) or wanted != self._plan.address:
            return
        if sender[0] & 1 == 0 and sender == frame[6:12]:
            body = ARP_BODY.pack(1, packets.IPV4, 6, 4, ARP_REPLY, self.address, self._plan.address, sender, source)
            self._put(packets.frame(sender, self.address, packets.ARP, body))

    def _on_packet(self, found: Packet) -> None:
        if found.protocol == packets.UDP and self._leases is not None:
            self._on_datagram(found, self._leases)
        elif found.destination == self._plan.address and found.source not in (0, packets.EVERYBODY, self._plan.address):
            if found.protocol == packets.ICMP:
                self._on_echo(found)
            elif found.protocol == packets.TCP:
                self._heard()
                self.tcp.take(found, self._clock.now)

    def _on_echo(self, found: Packet) -> None:
        body = found.body
        if len(body) >= 8 and body[:2] == bytes((ECHO, 0)) and packets.right(body):
            bare = bytes((ECHO_REPLY, 0, 0, 0)) + body[4:]
            self._answer(found.sender, found.source, packets.ICMP, bare[:2] + _sum(bare) + bare[4:])

    def _on_datagram(self, found: Packet, leases: Leases) -> None:
        read = packets.read_datagram(found)
        if read is None or found.destination not in (packets.EVERYBODY, self._plan.address):
            return
        source, port, data = read
        said = leases.answer(data, self._clock.now) if (source, port) == (dhcp.CLIENT, dhcp.SERVER) else None
        if said is None:
            return
        address = packets.EVERYBODY if said.everybody else said.address
        to = packets.BROADCAST if said.everybody else found.sender
        ends = (self._plan.address, dhcp.SERVER), (address, dhcp.CLIENT)
        self._answer(to, address, packets.UDP, packets.datagram(*ends, said.data))

    def _answer(self, to: bytes, address: int, protocol: int, body: bytes) -> None:
        self._put(packets.packet(to, self.address, self._plan.address, address, protocol, body))

    def _emit(self, guest: Guest, segment: bytes) -> None:
        self._answer(guest.sender, guest.address, packets.TCP, segment)

    # ---- the host

    def on_news(self, handle: int, what: int, data: bytes) -> None:
        """Something happened to a stream; it is looked at with the next frame."""
        self._news.append((handle, what, data))

    def _on_news(self, handle: int, what: int, data: bytes) -> None:
        self._vain = 0
        self.await_host()
        self.tcp.news(handle, what, data, self._clock.now)

    def await_host(self) -> None:
        """The host may have more to say."""
        if self._vain < VAIN_LIMIT:
            self._quiet = self._clock.now + self._hz // QUIET_PER_S

    def _heard(self) -> None:
        """The guest is not waiting for the host alone."""
        if self._quiet != NEVER:
            self.await_host()

    def __str__(self) -> str:
        return f"{dotted(self._plan.address)}/{self._plan.prefix}"


class _Listened:
    """The host, of which an answer is expected when it was told something."""

    def __init__(self, gateway: Gateway, host: Host) -> None:
        self._gateway, self._host = gateway, host
        self.close = host.close

    def open(self, handle: int, number: int) -> bool:
        self._gateway.await_host()
        return self._host.open(handle, number)

    def send(self, handle: int, data: bytes) -> None:
        self._gateway.await_host()
        self._host.send(handle, data)

    def end(self, handle: int) -> None:
        self._gateway.await_host()
        self._host.end(handle)

    def give(self, handle: int, room: int) -> None:
        self._gateway.await_host()
        self._host.give(handle, room)


def _sum(data: bytes) -> bytes:
    return packets.checksum(data).to_bytes(2, "big")
