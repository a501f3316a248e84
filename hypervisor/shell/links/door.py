"""Who stands at the monitor's door: connections from outside are counted, and above a limit nobody else is let in.

Theory: libzmq accepts whoever comes, and whoever comes costs a descriptor until it has shown no key for long enough. It has no
limit of its own, and to unbind an endpoint ends the connections that came through it. So the listening socket gets a filter
that drops all packets (socket(7), SO_ATTACH_FILTER): whoever is inside stays, whoever knocks hears nothing, until there is room.

    doors = Doors()
    doors.told(event, descriptor)        # for each event of the socket monitor
    doors.mind(known=3)                  # connections that belong to cells
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

import zmq

STRANGERS = 128
"""Connections beyond one of each cell."""
EVENTS = zmq.EVENT_LISTENING | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
"""Of the socket monitor."""

_ATTACH, _DETACH = 26, 27
"""SO_ATTACH_FILTER, SO_DETACH_FILTER of <asm-generic/socket.h>."""
_DROP_ALL = ctypes.create_string_buffer(struct.pack("<HBBI", 0x06, 0, 0, 0))
"""A program of one instruction: return 0 bytes of the packet (<linux/filter.h>)."""
_FILTER = struct.pack("@HP", 1, ctypes.addressof(_DROP_ALL))


class Doors:
    """Of one socket. `shut`: nobody is let in now."""

    def __init__(self) -> None:
        self.shut = False
        self.inside: set[int] = set()
        self._listening: list[int] = []

    def told(self, event: int, descriptor: int) -> None:
        """Somebody came or went, or there is one more door."""
        if event == zmq.EVENT_LISTENING:
            self._listening.append(descriptor)
        elif event == zmq.EVENT_ACCEPTED:
            self.inside.add(descriptor)
        else:
            self.inside.discard(descriptor)

    def mind(self, known: int) -> None:
        """Shut when there are too many beside the `known`, open again when half of those are gone."""
        strangers = len(self.inside) - known
        if strangers > (STRANGERS // 2 if self.shut else STRANGERS):
            self._turn(shut=True)
        else:
            self._turn(shut=False)

    def _turn(self, *, shut: bool) -> None:
        if shut == self.shut:
            return
        self.shut = shut
        for descriptor in self._listening:
            with socket.socket(fileno=os.dup(descriptor)) as door:
                if shut:
                    door.setsockopt(socket.SOL_SOCKET, _ATTACH, _FILTER)
                else:
                    door.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
