"""INetMgr and ISocket: the cell's message channels as sockets.

Theory: a cell that this one has a channel to is a host; `GetHostByName` gives its address by the cell's name. A socket that
is connected to it sends one message for each write and gives one for each read, as a datagram socket does. Nothing waits:
what cannot be done now is AEE_NET_WOULDBLOCK, and `Readable` calls back when that may have changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.brew.codes import NET_ERROR, NET_WOULDBLOCK, Error, SocketKind
from cells.personalities.brew.crime import Refusal
from cells.personalities.brew.method import Notify, method
from cells.personalities.brew.object import Object
from cells.port import RefusedError
from hypervisor.abi.status import Status

if TYPE_CHECKING:
    from cells.personalities.brew.module import Module
    from cells.personalities.mail import Box

FIRST_ADDRESS = 0x0A00_0001
"""10.0.0.1: the first partner by name."""
_CODES = {Status.PEER_GONE: Error.ENETCLOSED, Status.TOO_LONG: Error.EMSGSIZE}
WAITERS = 8
"""Callbacks of one socket."""


class Socket(Object):
    """One end of a channel, once it is connected."""

    NAME = "ISocket"

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._box: Box | None = None
        self._error: int = Error.SUCCESS
        self._waiting: list[Notify] = []

    def gone(self) -> None:
        """See `Object`."""
        self.module.system.sockets.discard(self)

    def look(self) -> None:
        """Something may have changed at the channel."""
        box = self._box
        if self._waiting and box is not None and (box.can_receive or box.gone):
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                self.module.system.call_later(self.module, call)

    def _refused(self, refusal: RefusedError) -> int:
        try:
            self._error = _CODES.get(Status(refusal.status), Error.EFAILED)
        except ValueError:
            self._error = Error.EFAILED
        return NET_ERROR

    @method("int Connect(word address, word port)", "at once, without a callback; the port has no meaning")
    def connect(self, address: int, port: int) -> int:
        """Speak with the cell of this address."""
        peers = self.module.system.peers
        if not 0 <= address - FIRST_ADDRESS < len(peers):
            self._error = Error.ENETNONET
            return NET_ERROR
        self._box = self.module.system.box(peers[address - FIRST_ADDRESS])
        self.module.system.sockets.add(self)
        return Error.SUCCESS

    @method("int Write(data bytes)")
    def write(self, data: bytes) -> int:
        """One message: its length, AEE_NET_WOULDBLOCK or AEE_NET_ERROR."""
        if self._box is None:
            self._error = Error.EBADSTATE
            return NET_ERROR
        try:
            return len(data) if self._box.send(data) else NET_WOULDBLOCK
        except RefusedError as refusal:
            return self._refused(refusal)

    @method("int Read(room memory)")
    def read(self, size: int) -> tuple[int, bytes | None]:
        """One message, what does not fit is lost: its length, AEE_NET_WOULDBLOCK or AEE_NET_ERROR."""
        if self._box is None:
            self._error = Error.EBADSTATE
            return NET_ERROR, None
        try:
            data = self._box.receive()
        except RefusedError as refusal:
            return self._refused(refusal), None
        if data is None:
            return NET_WOULDBLOCK, None
        return len(data[:size]), data[:size]

    @method("void Readable(notify call)")
    def readable(self, call: Notify) -> None:
        """Call back once there is something to read, or the other end is gone."""
        if call.function and call not in self._waiting and len(self._waiting) < WAITERS:
            self._waiting.append(call)
            self.look()

    @method("void Cancel(notify call)")
    def cancel(self, call: Notify) -> None:
        """Do not call back."""
        if call in self._waiting:
            self._waiting.remove(call)

    @method("int GetLastError()")
    def get_last_error(self) -> int:
        """Why the last call failed."""
        return self._error


class NetMgr(Object):
    """The cell's partners."""

    NAME = "INetMgr"

    @method("pointer OpenSocket(word kind)", "AEE_SOCK_DGRAM: a message stays one")
    def open_socket(self, kind: int) -> Socket | None:
        """An ISocket."""
        if kind != SocketKind.DGRAM:
            return None
        try:
            return self.module.objects.add(Socket(self.module))
        except Refusal:
            return None

    @method("word GetHostByName(text name)", "at once, without a callback")
    def get_host_by_name(self, name: str) -> int:
        """The address of a cell, 0 if there is no channel to it."""
        peers = self.module.system.peers
        return FIRST_ADDRESS + peers.index(name) if name in peers else 0
