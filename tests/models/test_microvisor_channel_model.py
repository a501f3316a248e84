"""A message channel of the microvisor against two plain lists: nothing is lost, doubled, reordered or beyond its bounds."""

from __future__ import annotations

import struct

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hypervisor.abi.bells import ARRIVED, ROOM
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.status import Status
from hypervisor.core.wiring import MESSAGE_DEPTH, MESSAGE_LIMIT
from tests.support.talkers import Direct, channel

ENDS = ("a", "b")
END = st.sampled_from(ENDS)
LENGTH = st.sampled_from([0, 1, MESSAGE_LIMIT, MESSAGE_LIMIT + 1])


class ChannelMachine(RuleBasedStateMachine):
    """Two cells that send, receive and die; one comes back each time, the other has two more lives."""

    def __init__(self) -> None:
        super().__init__()
        lives = {"a": 10_000, "b": 2}
        params = {name: {"on_crash": "restart", "max_restarts": count} for name, count in lives.items()}
        self.world = Direct(list(ENDS), channel("pipe", 0, 1), **params)
        self.queues: dict[str, list[bytes]] = {"a": [], "b": []}
        self.lives = lives
        self.sent = 0
        self.expected: dict[str, set[int]] = {"a": set(), "b": set()}
        self.bereft: set[str] = set()
        self.dropped = 0

    @staticmethod
    def other(name: str) -> str:
        return ENDS[1 - ENDS.index(name)]

    def alive(self, name: str) -> bool:
        return self.lives[name] >= 0

    @rule(name=END, length=LENGTH, times=st.integers(1, MESSAGE_DEPTH))
    def send(self, name: str, length: int, times: int) -> None:
        for _ in range(times if self.alive(name) else 0):
            self.sent += 1
            data = struct.pack("<I", self.sent).ljust(length, b".")[:length]
            answer = self.world.call(name, Hypercall.CHANNEL_SEND, 1, data=data)
            assert answer == self.fate(self.other(name), data)
            if answer == Status.OK:
                self.queues[self.other(name)].append(data)
                self.expected[self.other(name)].add(ARRIVED)
                self.bereft.discard(name)

    def fate(self, to: str, data: bytes) -> Status:
        if not self.alive(to):
            return Status.PEER_GONE
        if len(data) > MESSAGE_LIMIT:
            return Status.TOO_LONG
        return Status.FULL if len(self.queues[to]) == MESSAGE_DEPTH else Status.OK

    @rule(name=END, times=st.integers(1, MESSAGE_DEPTH + 1))
    def receive(self, name: str, times: int) -> None:
        for _ in range(times if self.alive(name) else 0):
            got, queue = self.world.receive(name, 1), self.queues[name]
            if not queue:
                alone = name in self.bereft or not self.alive(self.other(name))
                assert got == (Status.PEER_GONE if alone else Status.EMPTY)
                self.bereft.discard(name)
                continue
            if len(queue) == MESSAGE_DEPTH and self.alive(self.other(name)):
                self.expected[self.other(name)].add(ROOM)
            assert got == queue.pop(0)

    @rule(name=END)
    def listen(self, name: str) -> None:
        bits = sum(self.expected[name])
        assert self.world.rings(name) == ([(1, bits)] if bits else [])
        self.expected[name].clear()

    @rule(name=END)
    def kill(self, name: str) -> None:
        if not self.alive(name):
            return
        self.lives[name] -= 1
        self.world.kill(name)
        self.dropped += len(self.queues[name])
        self.queues[name].clear()
        self.expected[name].clear()
        self.bereft.discard(name)
        self.bereft.add(self.other(name))
        self.world.peers(self.other(name))

    @invariant()
    def what_was_dropped_is_written_down(self) -> None:
        dropped = [note.fields["messages"] for note in self.world.notes if note.kind == "dropped"]
        assert sum(int(count) for count in dropped) == self.dropped

    @invariant()
    def the_monitor_is_sound(self) -> None:
        self.world.monitor.check_invariants()


def test_a_channel_agrees_with_two_lists():
    run_state_machine_as_test(ChannelMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
