"""The operator's side door of a run: requests over a ROUTER, console and trace streams over an XPUB socket.

A request is a msgpack map with `verb`, `id` and the verb's arguments, the answer a map with the same `id` and `ok`. What
changes the run becomes an `Input` and goes through the same door as everything else from outside, and is answered when it has
taken effect; the rest is answered at once from the monitor's state, but for pictures of displays, which are answered when they
change (views.py), with their bytes in a frame of their own. A message of a stream is [offset, bytes]: where in all
that was ever said these bytes stand, so that a listener sees what it has missed. client.py is the other end.

The sockets speak CURVE, and lie in a directory that only this user may enter (runtime_dir.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import zmq

from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.shell import runtime_dir
from hypervisor.shell.client import READY
from hypervisor.shell.inputs import Input, InputKind
from hypervisor.shell.processes import ZygoteError
from hypervisor.shell.topology.problems import nearest
from hypervisor.shell.views import ViewError, Views, asked_touch

if TYPE_CHECKING:
    from hypervisor.api import Run

ASKED = ("shutdown", "reboot")
"""Orders that the guest carries out itself, if it understands them."""
STORE_NODES = 2048
"""Nodes of a store that are listed at once."""
STORE_VALUE = 2048
"""Bytes of a value that is written (XENSTORE_PAYLOAD_MAX of xs_wire.h is 4096, with the path)."""
BATCH = 64
"""Requests that are taken at once; more wait for the next turn, so that a flood cannot hold up the run."""
TYPE_LIMIT = 4096
BACKLOG = 1 << 15
"""Bytes of a console that somebody who begins to look is shown."""
UNREAD = 64
"""Answers that wait for somebody who does not read them, pictures among them; further ones are dropped."""
LINGER_MS = 200
"""How long the last words of a run wait for a listener who does not read."""

Request = Mapping[str, Any]
Answer = dict[str, Any]

ORDERS: dict[str, Callable[[Cell], str]] = {
    "pause": lambda cell: "has ended" if cell.ended else "is paused already" if cell.paused else "",
    "unpause": lambda cell: "" if cell.paused else f"is not paused: it is {cell.shown_state()}",
    "kill": lambda cell: "has ended already" if cell.ended else "",
    "restart": lambda cell: "",
    "shutdown": lambda cell: "has ended already" if cell.ended else "",
    "reboot": lambda cell: "has ended" if cell.ended else "",
}
"""What an operator may have done to a cell -> why that makes no sense now, "" if it does."""


class Refusal(Exception):  # noqa: N818  an answer
    """A request that is not served; the text says why."""


class Operator:
    """Serves one run. It is one of the run's sources of inputs."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.directory = runtime_dir.make()
        run.zygote.janitor(self.directory)
        self._guard = runtime_dir.Guard(self.directory)
        self._context = zmq.Context()
        public, secret = zmq.curve_keypair()
        self._requests = self._bind(zmq.ROUTER, "requests", public, secret)
        self._observers = self._bind(zmq.XPUB, "observers", public, secret)
        self._taken: list[Input] = []
        self._ordered: list[tuple[bytes, int, str]] = []
        self._offsets = dict.fromkeys((f"console/{cell.name}" for cell in run.monitor.cells), 0) | {
            "trace": 0,
            "store": 0,
        }
        self._followed: set[bytes] = set()
        self._verbs: dict[str, Callable[[Request], Answer]] = {
            "status": self._status,
            "console": self._console,
            "type": self._type,
            "touch": self._touch,
            "store": self._store,
            "store_write": self._store_write,
            "displays": lambda _request: {"ok": True, **self._views.listed()},
        }
        self._views = Views(run.monitor, run.devices.pictures, self._answer)
        run.on_output.append(self._publish_console)
        run.trace.on_chunk.append(self._publish_trace)
        run.monitor.mechanism.store_listeners.append(self._publish_store)
        run.sources.append(self)
        address = runtime_dir.Address(
            name=run.topology.name,
            pid=os.getpid(),
            requests=f"ipc://{self.directory}/requests",
            observers=f"ipc://{self.directory}/observers",
            server_key=public.decode(),
        )
        runtime_dir.publish(self.directory, address)

    def _bind(self, kind: int, name: str, public: bytes, secret: bytes) -> Any:
        socket = self._context.socket(kind)
        socket.linger = LINGER_MS
        socket.curve_server, socket.curve_publickey, socket.curve_secretkey = True, public, secret
        socket.maxmsgsize = 1 << 16
        if kind == zmq.ROUTER:
            socket.sndhwm = UNREAD
        socket.bind(f"ipc://{self.directory}/{name}")
        return socket

    # ---- a source of inputs

    @property
    def handles(self) -> Sequence[Any]:
        """See `Source`."""
        return self._requests, self._observers

    def poll(self) -> list[Input]:
        """Answer requests and subscriptions. Returns what changes the run."""
        self._confirm_orders()
        self._take_subscriptions()
        with suppress(zmq.Again):
            for _ in range(BATCH):
                self._serve(self._requests.recv_multipart(zmq.NOBLOCK))
        if b"trace" in self._followed:
            self._run.trace.flush()
        self._views.look()
        taken, self._taken = self._taken, []
        return taken

    def _serve(self, frames: list[bytes]) -> None:
        route, number = frames[0], 0
        try:
            request = unpack(frames[-1])
            if type(request["id"]) is not int:
                raise TypeError("id is no number")
            number = request["id"]
            verb = request["verb"]
            if verb in ORDERS:
                self._order(route, number, verb, request)
                return
            if verb == "watch":
                self._views.watch(route, number, request["display"], int(request["seen"]))
                return
            answer = self._verbs[verb](request)
        except (Refusal, ViewError) as refusal:
            answer = {"ok": False, "why": str(refusal)}
        except (BadMessage, TypeError, ValueError, OverflowError, AttributeError, LookupError) as error:
            answer = {"ok": False, "why": f"not a request: {error}"}
        self._answer(route, number, answer)

    def _answer(self, route: bytes, number: int, answer: Answer, beside: bytes = b"") -> None:
        frames = [route, pack({"id": number, **answer}), *([beside] if beside else [])]
        with suppress(zmq.ZMQError):  # who does not wait for the answer does not get it
            self._requests.send_multipart(frames, zmq.NOBLOCK)

    # ---- verbs

    def _cell(self, request: Request) -> Cell:
        names = [cell.name for cell in self._run.monitor.cells]
        name = request["cell"]
        if name not in names:
            raise Refusal(f'no cell is called "{name}"; {nearest(str(name), names)}')
        return self._run.monitor.cells[names.index(name)]

    def _order(self, route: bytes, number: int, verb: str, request: Request) -> None:
        cell = self._cell(request)
        nonsense = ORDERS[verb](cell)
        if nonsense:
            raise Refusal(f"{cell.name} {nonsense}")
        deaf = self._run.monitor.mechanism.deaf(cell, verb) if verb in ASKED else ""
        if deaf:
            raise Refusal(f"{deaf} (cellvisor kill or restart does not ask)")
        self._taken.append(Input(0, 0, InputKind(verb), cell.name))
        self._ordered.append((route, number, cell.name))

    def _confirm_orders(self) -> None:
        """The inputs of the last `poll` have been taken since."""
        ordered, self._ordered = self._ordered, []
        for route, number, name in ordered:
            cell = self._run.cell(name)
            self._answer(route, number, {"ok": True, "state": str(cell.shown_state()), "why": cell.why})

    def _status(self, request: Request) -> Answer:
        run = self._run
        return {
            "ok": True,
            "name": run.topology.name,
            "board": run.topology.board.name,
            "flavour": run.topology.flavour,
            "hz": run.topology.board.clock_hz,
            "now": run.monitor.scheduler.time(),
            "cores": [{"busy": core.busy, "idle": core.idle} for core in run.monitor.scheduler.cores],
            "cells": [self._cell_status(cell) for cell in run.monitor.cells],
        }

    def _cell_status(self, cell: Cell) -> Answer:
        account, process = cell.account, self._run.hosts[cell.index].process
        return {
            "name": cell.name,
            "id": self._run.monitor.mechanism.number(cell),
            "memory": cell.params.ram,
            "vcpus": 1,
            "state": str(cell.shown_state()),
            "why": cell.why,
            "ran": account.ran,
            "instructions": account.insns,
            "switches": account.switches,
            "interrupts": account.interrupts,
            "restarts": account.restarts,
            "worst_latency": max(account.latencies, default=0),
            "pid": process.pid if process else 0,
        }

    def _console(self, request: Request) -> Answer:
        cell = self._cell(request).name
        return {"ok": True, "backlog": self._run.console(cell)[-BACKLOG:], "offset": self._offsets[f"console/{cell}"]}

    def _type(self, request: Request) -> Answer:
        cell, data = self._cell(request), request["data"]
        if not isinstance(data, bytes) or len(data) > TYPE_LIMIT:
            raise Refusal(f"data must be at most {TYPE_LIMIT} bytes")
        if cell.ended:
            raise Refusal(f"{cell.name} has ended")
        self._taken.append(Input(0, 0, InputKind.CONSOLE, cell.name, data))
        return {"ok": True}

    def _touch(self, request: Request) -> Answer:
        self._taken.append(asked_touch(self._run.monitor, request))
        return {"ok": True}

    # ---- the architecture's store

    def _store(self, request: Request) -> Answer:
        """A node and all below it, to a bound."""
        nodes: list[list[Any]] = []
        waiting = [_path(request)]
        while waiting and len(nodes) < STORE_NODES:
            path = waiting.pop()
            value, children = self._look(path)
            nodes.append([path, value])
            if request["below"]:
                waiting += [f"{path.rstrip('/')}/{child}" for child in reversed(children)]
        return {"ok": True, "nodes": nodes, "more": bool(waiting)}

    def _look(self, path: str) -> tuple[bytes, tuple[str, ...]]:
        try:
            return self._run.monitor.mechanism.look_into_store(path)
        except Refused as refusal:
            raise Refusal(refusal.why) from None

    def _store_write(self, request: Request) -> Answer:
        path, value = _path(request), request["value"]
        if not isinstance(value, bytes) or len(value) > STORE_VALUE or b"\0" in path.encode():
            raise Refusal(f"a value must be at most {STORE_VALUE} bytes")
        self._look("/")
        self._taken.append(Input(0, 0, InputKind.STORE, "", path.encode("latin-1") + b"\0" + value))
        return {"ok": True}

    # ---- streams

    def _take_subscriptions(self) -> None:
        with suppress(zmq.Again):
            while True:
                message = self._observers.recv(zmq.NOBLOCK)
                begins, topic = message[:1] == b"\x01", message[1:]
                (self._followed.add if begins else self._followed.discard)(topic)
                if begins and topic.startswith(READY):
                    self._observers.send_multipart([topic, b""])

    def _publish_console(self, cell: str, data: bytes) -> None:
        self._publish(f"console/{cell}", data)

    def _publish_trace(self, chunk: bytes) -> None:
        self._publish("trace", chunk)

    def _publish_store(self, path: str) -> None:
        """Somebody follows: a line for each change, with the value as it is now."""
        if b"store" not in self._followed:
            return
        try:
            value = self._run.monitor.mechanism.look_into_store(path)[0].decode("latin-1")
        except Refused:
            value = None
        self._publish("store", json.dumps({"path": path, "value": value}).encode() + b"\n")

    def _publish(self, topic: str, data: bytes) -> None:
        offset = self._offsets[topic]
        self._offsets[topic] = offset + len(data)
        self._observers.send_multipart([topic.encode(), pack([offset, data])])

    def close(self) -> None:
        """Say the last words, close the sockets and remove the directory."""
        self._run.trace.flush()
        self._confirm_orders()
        self._views.close()
        self._run.on_output.remove(self._publish_console)
        self._run.trace.on_chunk.remove(self._publish_trace)
        self._run.monitor.mechanism.store_listeners.remove(self._publish_store)
        self._run.sources.remove(self)
        self._requests.close()
        self._observers.close()
        self._context.term()
        with suppress(ZygoteError):  # if it was killed, there is no janitor to dismiss
            self._run.zygote.janitor(None)
        runtime_dir.remove(self.directory)
        self._guard.dismiss()


def _path(request: Request) -> str:
    """The path that a request names."""
    path = request["path"]
    if not isinstance(path, str) or not path.startswith("/") or not path.isascii():
        raise Refusal(f'"{path}" is no path in the store; write for example /local/domain')
    return path
