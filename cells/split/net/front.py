"""A network interface as a client cell sees it.

```python
net = NetDevice(port.connections, "netdom", port)
net.send(BROADCAST + net.mac + b"\\x88\\xb5" + b"hello")
frame = net.receive(until=port.now + port.cycles("10ms"))      # None if nothing came
```
"""

from __future__ import annotations

from collections import deque

from cells.flavours import Connections
from cells.split.ends import TIMELESS, Clock, FrontEnd, Outcome, SplitError
from cells.split.net.protocol import ADDRESS, LONGEST, RECEIVE, SEND, SHORTEST, SLOTS, Operation
from hypervisor.abi.time import NEVER

BROADCAST = b"\xff" * ADDRESS


class NetDevice(FrontEnd):
    """Sends and receives frames over a link of class net. `dropped`: frames for which nobody had room."""

    kind = "net"
    layouts = (SEND, RECEIVE)

    def __init__(self, connections: Connections, name: str, clock: Clock = TIMELESS) -> None:
        super().__init__(connections, name, clock)
        self._send, self._receive = self._rings
        self._frames: deque[bytes] = deque()
        self._mac = b""
        self.sent = 0
        self.dropped = 0

    @property
    def mac(self) -> bytes:
        """The address of this interface."""
        if not self._mac:
            self._wait_until(self._has_room)
            self._submit(self._send, Operation.IDENTIFY)
            self._wait_until(lambda: self._has_room() and bool(self._mac))
        return self._mac

    def send(self, frame: bytes) -> None:
        """Send; waits while there is no room for more. Back before the frame is out: see `flush`.

        Raises:
            SplitError: the back end would not have an earlier frame.
        """
        if not SHORTEST <= len(frame) <= LONGEST:
            raise ValueError(f"a frame of {len(frame)} bytes: {SHORTEST} to {LONGEST} are allowed")
        self._wait_until(self._has_room)
        self._submit(self._send, Operation.SEND, data=frame)
        self._send.kick()

    def flush(self) -> None:
        """Wait until the fate of all that was sent is known."""
        self._wait_until(lambda: self._has_room() and not self._send.outstanding)

    def receive(self, until: int = NEVER) -> bytes | None:
        """The next frame; None if there is none by `until`."""
        self._wait_until(self._has_frame, until)
        return self._frames.popleft() if self._frames else None

    def _has_room(self) -> bool:
        while (response := self._take(self._send)) is not None:
            if response.request.operation == Operation.IDENTIFY and response.status == Outcome.OK:
                if len(response.data) != ADDRESS:
                    raise SplitError("identify", Outcome.IO_ERROR)
                self._mac = response.data
            elif response.status == Outcome.NO_ROOM:
                self.dropped += 1
            elif response.status != Outcome.OK:
                raise SplitError("send", response.status)
            else:
                self.sent += 1
        self._offer_room()
        return self._send.outstanding < SLOTS

    def _has_frame(self) -> bool:
        """Take what has arrived, and keep all room there is in the hands of the back end."""
        while (response := self._take(self._receive)) is not None:
            if response.status == Outcome.OK and SHORTEST <= len(response.data) <= LONGEST:
                self._frames.append(response.data)
        self._offer_room()
        return bool(self._frames)

    def _offer_room(self) -> None:
        while self._receive.outstanding < SLOTS:
            self._submit(self._receive, Operation.RECEIVE)
        self._receive.kick(SLOTS // 2 if self._receive.live else 1)
