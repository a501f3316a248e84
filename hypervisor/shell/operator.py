"""The operator's side door of a run: requests over a ROUTER, console and trace streams over a PUB socket.

A request is a msgpack map with `verb` and its arguments, the answer a map with `ok`. What changes the run becomes an `Input`
and goes through the same door as everything else from outside; the rest is answered at once from the monitor's state.

The sockets speak CURVE, and lie in a directory that only this user may enter (runtime_dir.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import zmq

from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.shell import runtime_dir
from hypervisor.shell.inputs import Input, InputKind

if TYPE_CHECKING:
    from hypervisor.api import Run

BATCH = 64
"""Requests that are taken at once; more wait for the next turn, so that a flood cannot hold up the run."""
TYPE_LIMIT = 4096


class Operator:
    """Serves one run. Its `poll` is one of the run's sources of inputs."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.directory = runtime_dir.make(run.topology.name)
        run.zygote.janitor(self.directory)
        self._context = zmq.Context()
        public, secret = zmq.curve_keypair()
        self._requests = self._bind(zmq.ROUTER, "requests", public, secret)
        self._observers = self._bind(zmq.PUB, "observers", public, secret)
        self._taken: list[Input] = []
        self._offsets = dict.fromkeys((cell.name for cell in run.monitor.cells), 0)
        self._verbs: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "status": self._status,
            "console": self._console,
            "type": self._type,
            **dict.fromkeys(("pause", "unpause", "kill", "restart"), self._order),
        }
        run.on_output.append(self._publish)
        run.trace.on_chunk.append(self._publish_trace)
        run.polls.append(self.poll)
        address = runtime_dir.Address(
            name=run.topology.name,
            pid=psutil.Process().pid,
            requests=f"ipc://{self.directory}/requests",
            observers=f"ipc://{self.directory}/observers",
            server_key=public.decode(),
        )
        runtime_dir.publish(self.directory, address)

    def _bind(self, kind: int, name: str, public: bytes, secret: bytes) -> Any:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.curve_server, socket.curve_publickey, socket.curve_secretkey = True, public, secret
        socket.maxmsgsize = 1 << 16
        socket.bind(f"ipc://{self.directory}/{name}")
        return socket

    def poll(self, seconds: float) -> list[Input]:
        """Answer requests; wait up to so long for the first. Returns what changes the run."""
        if self._requests.poll(int(seconds * 1000)):
            with suppress(zmq.Again):
                for _ in range(BATCH):
                    self._serve(self._requests.recv_multipart(zmq.NOBLOCK))
        taken, self._taken = self._taken, []
        return taken

    def _serve(self, frames: list[bytes]) -> None:
        try:
            request = unpack(frames[-1])
            answer = self._verbs[request["verb"]](request)
        except (BadMessage, TypeError, AttributeError) as error:
            answer = {"ok": False, "why": f"not a request: {error}"}
        except KeyError as error:
            answer = {"ok": False, "why": str(error.args[0])}
        with suppress(zmq.ZMQError):  # who does not wait for the answer does not get it
            self._requests.send_multipart([frames[0], pack(answer)], zmq.NOBLOCK)

    # ---- verbs

    def _status(self, request: Mapping[str, Any]) -> dict[str, Any]:
        run = self._run
        monitor = run.monitor
        return {
            "ok": True,
            "name": run.topology.name,
            "board": run.topology.board.name,
            "flavour": run.topology.flavour,
            "hz": run.topology.board.clock_hz,
            "now": monitor.now,
            "cores": [{"busy": core.busy, "idle": core.idle} for core in monitor.scheduler.cores],
            "cells": [self._cell_status(index) for index in range(len(monitor.cells))],
        }

    def _cell_status(self, index: int) -> dict[str, Any]:
        cell, host = self._run.monitor.cells[index], self._run.hosts[index]
        account = cell.account
        status: dict[str, Any] = {
            "name": cell.name,
            "state": str(cell.shown_state()),
            "why": cell.why,
            "ran": account.ran,
            "insns": account.insns,
            "switches": account.switches,
            "interrupts": account.interrupts,
            "restarts": account.restarts,
            "worst_latency": max(account.latencies, default=0),
            "pid": host.process.pid if host.process else 0,
        }
        with suppress(psutil.Error):
            if host.process:
                process = psutil.Process(host.process.pid)
                status["host_cpu_seconds"] = sum(process.cpu_times()[:2])
                status["host_memory"] = process.memory_info().rss
        return status

    def _console(self, request: Mapping[str, Any]) -> dict[str, Any]:
        cell = self._run.cell(request["cell"]).name
        backlog = self._run.console(cell)[-(1 << 15) :]
        return {"ok": True, "backlog": backlog, "offset": self._offsets[cell]}

    def _type(self, request: Mapping[str, Any]) -> dict[str, Any]:
        cell, data = self._run.cell(request["cell"]).name, request["data"]
        if not isinstance(data, bytes) or len(data) > TYPE_LIMIT:
            return {"ok": False, "why": f"data must be at most {TYPE_LIMIT} bytes"}
        self._taken.append(Input(0, 0, InputKind.CONSOLE, cell, data))
        return {"ok": True}

    def _order(self, request: Mapping[str, Any]) -> dict[str, Any]:
        cell = self._run.cell(request["cell"]).name
        self._taken.append(Input(0, 0, InputKind(request["verb"]), cell))
        return {"ok": True}

    # ---- streams

    def _publish(self, cell: str, data: bytes) -> None:
        offset = self._offsets[cell]
        self._offsets[cell] = offset + len(data)
        self._observers.send_multipart([f"console/{cell}".encode(), pack([offset, data])])

    def _publish_trace(self, chunk: bytes) -> None:
        self._observers.send_multipart([b"trace", chunk])

    def close(self) -> None:
        """Close the sockets and remove the directory."""
        self._run.zygote.janitor(None)
        self._requests.close(0)
        self._observers.close(0)
        self._context.destroy(0)
        runtime_dir.remove(self.directory)


class OperatorError(Exception):
    """The run said no, or does not answer."""


class Client:
    """Somebody else's end: asks a run, and follows its streams."""

    def __init__(self, address: runtime_dir.Address) -> None:
        self.address = address
        self._context = zmq.Context()
        self._keys = zmq.curve_keypair()
        self._requests = self._connect(zmq.DEALER, address.requests)
        self.stream: Any = None

    def _connect(self, kind: int, endpoint: str) -> Any:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.curve_serverkey = self.address.server_key.encode()
        socket.curve_publickey, socket.curve_secretkey = self._keys
        socket.connect(endpoint)
        return socket

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """A request and its answer.

        Raises:
            OperatorError: refused, or no answer within five seconds.
        """
        self._requests.send(pack({"verb": verb, **arguments}))
        if not self._requests.poll(5000):
            raise OperatorError(f"{self.address.name} (process {self.address.pid}) does not answer")
        answer: dict[str, Any] = unpack(self._requests.recv())
        if not answer.get("ok"):
            raise OperatorError(str(answer.get("why", "refused")))
        return answer

    def follow(self, topic: str) -> None:
        """Subscribe to "console/CELL" or "trace"; then read `stream`."""
        self.stream = self._connect(zmq.SUB, self.address.observers)
        self.stream.subscribe(topic.encode())

    def next(self, timeout_ms: int) -> bytes | None:
        """The next message of the stream, None after the timeout."""
        return self.stream.recv_multipart()[1] if self.stream.poll(timeout_ms) else None

    def gone(self) -> bool:
        """True once the run's process has ended."""
        return self.address not in runtime_dir.running()

    def close(self) -> None:
        """Close everything."""
        self._context.destroy(0)
