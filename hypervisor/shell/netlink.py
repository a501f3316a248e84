"""A cable to another board: the network link between two monitors, on one host or on two.

The link is a device on the monitor's bus whose deadline is the next meeting with the other board (core/network.py); there both
sides say what has left, and frames arrive a latency later. Waiting for the other side stops this board's virtual time, and
changes nothing in it: a board's trace is the same whatever the hosts and the distance.

    line = ZmqLine("tcp://127.0.0.1:*", stop)           # a * anywhere: wait there for the other
    line = ZmqLine(line.endpoint, stop, line.key)       # else connect to it, with its key (cable_key.py)
    link = NetLink(monitor, "nic0", hz, latency_ns, line, deliver)
    monitor.bus.attach(PhysicalDevice("nic0-cable", 0, 0, link))

What the other board tells is checked: it can send frames and nothing else. What it told is kept in RUNDIR/net/DEVICE.link, from
where a replay of one board feeds it again (`RecordedLine`).
"""

from __future__ import annotations

import struct
import time as host_time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import zmq

from devices import Cable, RegisterBank, Wiring
from devices.cable import Deliver
from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.abi.time import NEVER
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.monitor import Monitor
from hypervisor.core.network import Bulletin, Crossing
from hypervisor.shell.files import RunDirError
from hypervisor.shell.links.door import EVENTS, Doors
from hypervisor.shell.links.zmq import HANDSHAKE_MS

VERSION = 1
HELLO, FRAME, MEET = "hello", "frame", "meet"
FRAME_LIMIT = 1 << 16
BYTES_LIMIT = 16 << 20
"""Of the frames that are told at one meeting, each counted with what it costs to keep: more than a second of the line."""
FRAME_COST = 100
PATIENCE_S = 60.0
"""How long the other board may take to come at all. Once it is there, it may take its time: it may be paused."""
LOOK_S = 0.1
LINGER_MS = 1000
HEARTBEAT_MS = 2000

_LENGTH = struct.Struct("<I")
_EVENT = struct.Struct("=hi")
"""What a socket monitor says first: event, value."""


class LinkError(Exception):
    """There is no other board, or not the one that this cable leads to. The text is for the user."""


class Line(Protocol):
    """Carries messages between the two ends, in order."""

    def send(self, message: bytes, *, wait: bool = True) -> None:
        """Say something; without `wait` only if the other end is there."""
        ...

    def receive(self) -> bytes | None:
        """Wait for the next; None: there will be none, for the other end is gone or this run is to stop."""
        ...

    def close(self) -> None:
        """Hang up, after what was said has left."""
        ...


class ZmqLine:
    """A line over ZeroMQ. `stop()`: whether to wait no longer. `key`: the listening end's, which only the two ends know.

    Raises:
        LinkError: the endpoint cannot be used.
    """

    def __init__(self, endpoint: str, stop: Callable[[], bool], key: bytes | None = None) -> None:
        self._stop, self._heard, self._gone, self._listens = stop, False, False, "*" in endpoint
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.PAIR)
        for option, value in (
            (zmq.LINGER, LINGER_MS),
            (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
            (zmq.MAXMSGSIZE, 2 * FRAME_LIMIT),
            (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
            (zmq.SNDHWM, 0),  # what is said at one meeting has a limit, and the next meeting waits for the answer
        ):
            self._socket.setsockopt(option, value)
        own, self._socket.curve_secretkey = zmq.curve_keypair()
        self._socket.curve_publickey = own
        self.key = key or own
        if key is None:
            self._socket.curve_server = True
        else:
            self._socket.curve_serverkey = key
        self._events = self._socket.get_monitor_socket(EVENTS)
        self._doors, self._doubt = Doors(), False
        try:
            self._socket.bind(endpoint) if "*" in endpoint else self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise LinkError(f'"{endpoint}" cannot be used for a cable: {str(error).lower()}') from None
        self.endpoint: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT) if "*" in endpoint else endpoint

    def send(self, message: bytes, *, wait: bool = True) -> None:
        """Say something, when the other end is there; without `wait` only if it is."""
        if self._ready(zmq.POLLOUT) if wait else self._socket.poll(0, zmq.POLLOUT):
            self._socket.send(message)

    def receive(self) -> bytes | None:
        """Wait for the next; None: the other end is gone, or this run is to stop."""
        if not self._ready(zmq.POLLIN):
            return None
        self._heard = True
        return self._socket.recv()

    def _ready(self, what: int) -> bool:
        """Wait until something can be sent or received; False: never more, or not as long as this run is to go on."""
        poller, began = zmq.Poller(), host_time.monotonic()
        poller.register(self._socket, what)
        poller.register(self._events, zmq.POLLIN)
        while not self._stop():
            ready = dict(poller.poll(0 if self._gone else int(LOOK_S * 1000)))
            if self._socket in ready:
                return True
            if self._events in ready:
                self._take_event()
            elif self._gone:  # and all that it had said before was read
                return False
            self._gone = self._gone or self._has_left()
            if not self._heard and host_time.monotonic() - began > PATIENCE_S:
                raise LinkError(
                    f"no other board at {self.endpoint} in {PATIENCE_S:g} s (start it, or leave the cable out)"
                )
        return False

    def _take_event(self) -> None:
        """Somebody came or went."""
        event, descriptor = _EVENT.unpack(self._events.recv_multipart()[0])
        self._doors.told(event, descriptor)
        self._doors.mind(known=1)
        if event == zmq.EVENT_DISCONNECTED:
            self._doubt = True

    def _has_left(self) -> bool:
        """Whether it was the other board that went. Anybody may come to a door that is open and go again; but only who has shown
        the key can be sent to, without limit (SNDHWM)."""
        return self._heard and self._doubt and (not self._listens or not self._socket.poll(0, zmq.POLLOUT))

    def close(self) -> None:
        """Hang up. May be called twice."""
        if not self._context.closed:
            self._socket.disable_monitor()
            self._events.close(0)
            self._socket.close()
            self._context.term()


class RecordedLine:
    """What the other board told in a recorded run.

    Raises:
        RunDirError: the record cannot be read.
    """

    endpoint = ""

    def __init__(self, path: Path) -> None:
        try:
            self._rest = path.read_bytes()
        except OSError as error:
            raise RunDirError.because(path, error) from error

    def send(self, message: bytes, *, wait: bool = True) -> None:
        """Nobody listens."""

    def receive(self) -> bytes | None:
        """The next of the record."""
        if len(self._rest) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._rest)
        message, self._rest = self._rest[_LENGTH.size :][:length], self._rest[_LENGTH.size + length :]
        return message

    def close(self) -> None:
        """Nothing is held."""


class NetLink:
    """This board's end. `deliver(cycle, frame)`: a frame comes out of the cable. `record` keeps what the other board tells."""

    def __init__(
        self,
        monitor: Monitor,
        device: str,
        hz: int,
        latency: int,
        line: Line,
        deliver: Deliver,
        record: BinaryIO | None = None,
    ) -> None:
        self.registers = RegisterBank([])  # a cable has none
        self._monitor, self._device, self._line, self._record = monitor, device, line, record
        self._crossing = Crossing(hz, latency)
        wiring = Wiring(clock=lambda: monitor.now, hz=hz, kick=monitor.bus.kick)
        self._arriving = Cable(wiring, latency=1, deliver=(deliver, lambda _cycle, _frame: None))
        self._met = self._over = False

    def send(self, cycle: int, frame: bytes) -> None:
        """The device has sent a frame."""
        if not self._over:
            self._crossing.left(cycle, frame)

    def deadline(self) -> int:
        """The next meeting or arrival."""
        return min(self._crossing.meeting, self._arriving.deadline())

    def advance(self) -> None:
        """Deliver what has arrived; meet the other board if it is time."""
        if not self._over and self._monitor.now >= self._crossing.meeting:
            self._meet()
        self._arriving.advance()

    def reset(self) -> None:
        """What is on its way arrives: a cable belongs to no cell."""

    def close(self) -> None:
        """This board goes no further: tell the other one. May be called twice."""
        if not self._over:
            self._over = True
            self._tell(self._crossing.bulletin(NEVER, over=True), wait=False)
        self._line.close()
        if self._record is not None:
            self._record.close()

    # ---- meetings

    def _meet(self) -> None:
        mine = self._crossing.bulletin(self._idle_until())
        self._tell(mine)
        theirs = self._hear()
        if theirs is None:
            theirs = Bulletin((), NEVER, over=True)
        self._over = theirs.over
        for cycle, frame in self._crossing.met(mine, theirs):
            self._arriving.arrive(0, cycle, frame)

    def _idle_until(self) -> int:
        return min(self._monitor.rounds.idle_until(self), self._arriving.deadline())

    def _tell(self, bulletin: Bulletin, *, wait: bool = True) -> None:
        if not self._met:
            self._line.send(pack([HELLO, VERSION, self._crossing.latency]), wait=wait)
        for time, frame in bulletin.frames:
            self._line.send(pack([FRAME, time, frame]), wait=wait)
        self._line.send(pack([MEET, bulletin.idle_until, bulletin.over]), wait=wait)

    def _hear(self) -> Bulletin | None:
        """The other board's bulletin; None when it is gone or talks nonsense: the cable is then as if pulled out."""
        try:
            if not self._met:
                self._met = True
                self._check_hello(self._next())
            frames: list[tuple[int, bytes]] = []
            size = 0
            while size <= BYTES_LIMIT:
                match self._next():
                    case [str(what), int(time), bytes(frame)] if what == FRAME and 0 <= time < NEVER:
                        frames.append((time, frame[:FRAME_LIMIT]))
                        size += len(frame) + FRAME_COST
                    case [str(what), int(idle), bool(over)] if what == MEET and 0 <= idle <= NEVER:
                        return Bulletin(tuple(frames), idle, over)
                    case None:
                        self._note("the other board is gone")
                        return None
                    case _:
                        break
        except BadMessage:
            pass
        self._note("the other board talks nonsense")
        return None

    def _check_hello(self, message: Any) -> None:
        match message:
            case [str(what), int(version), int(latency)] if what == HELLO and version == VERSION:
                if latency != self._crossing.latency:
                    why = f"here it takes {self._crossing.latency} ns, there {latency} ns (write the same latency in both)"
                    raise LinkError(f"the cable of {self._device}: {why}")
            case None:
                pass
            case _:
                raise LinkError(f"the cable of {self._device}: at its other end is no board of this version")

    def _next(self) -> Any:
        packed = self._line.receive()
        if packed is None:
            return None
        if self._record is not None:
            self._record.write(_LENGTH.pack(len(packed)) + packed)
        return unpack(packed)

    def _note(self, why: str) -> None:
        for entry in self._monitor.bus.devices:
            if entry.name == self._device and entry.owner is not None:
                self._monitor.note("cable", self._monitor.cells[entry.owner], device=self._device, why=why)


def attach(monitor: Monitor, device: str, link: NetLink) -> None:
    """Put a link on the bus, behind all devices that there are: they come first at a meeting."""
    monitor.bus.attach(PhysicalDevice(f"{device}-cable", 0, 0, link))
