"""The handshake of a split device: two ends over one store, deaths at every moment."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cells.xen.store import StoreRefusedError
from cells.xen.xenbus import BACK, FRONT, PATIENCE, Device
from hypervisor.abi.xen import XenbusState as State

FRONT_NODE, BACK_NODE = "/front", "/back"


class PaperStore:
    """Nodes and watches."""

    def __init__(self) -> None:
        self.nodes: dict[str, str] = {}
        self.watchers: dict[str, Any] = {}
        self.fired: list[str] = []

    def read(self, path: str) -> str:
        if path not in self.nodes:
            raise StoreRefusedError("ENOENT", path)
        return self.nodes[path]

    def write(self, path: str, value: str | int) -> None:
        self.nodes[path] = str(value)
        self.fired.append(path)

    def write_all(self, nodes: dict[str, str | int]) -> None:
        for path, value in nodes.items():
            self.write(path, value)

    def watch(self, path: str, watcher: Any) -> None:
        self.watchers[path] = watcher
        self.fired.append(path)

    def forget(self, node: str, watched: str) -> None:
        """A domain is gone: its nodes and its watches."""
        for path in [path for path in self.nodes if path.startswith(node)]:
            del self.nodes[path]
            self.fired.append(path)
        self.watchers.pop(watched, None)

    def step(self) -> bool:
        """Hand one event on."""
        while self.fired:
            path = self.fired.pop(0)
            if path in self.watchers:
                self.watchers[path](path)
                return True
        return False


class Paper(Device):
    """A device of nothing: it remembers what it was asked to do. `life`: whose life of the other end it has taken up. `failing`:
    how often it cannot attach.
    """

    def __init__(self, store: PaperStore, role: str, life: int, failing: int = 0) -> None:
        self.tries, self.failing = 0, failing
        node, other = (FRONT_NODE, BACK_NODE) if role == "front" else (BACK_NODE, FRONT_NODE)
        told = {"name": "d", "peer": "p", "kind": "block", "role": role, "domid": 1, "node": node, "other": other}
        store.nodes[f"{node}/state"] = "1"
        store.fired.append(f"{node}/state")
        super().__init__(store, told)  # type: ignore[arg-type]
        self.life = life
        self.partner = 0
        self.begin()

    def published(self) -> dict[str, str | int]:
        return {"life": self.life}

    def attach(self) -> bool:
        assert self.partner == 0, "attached twice"
        self.tries += 1
        if self.tries <= self.failing:
            return False
        self.partner = int(self.ask("life"))
        self.store.write_all({f"{self.node}/life": self.life})
        return True

    def join(self) -> None:
        assert self.partner == 0, "joined twice"
        self.partner = int(self.ask("life"))

    def leave(self) -> None:
        assert self.partner, "left nobody"
        self.partner = 0


def settle(store: PaperStore) -> None:
    for _ in range(200):
        if not store.step():
            return
    raise AssertionError("the handshake never ends")


def met(front: Paper, back: Paper) -> bool:
    return (front.state, back.state, front.partner, back.partner) == (4, 4, back.life, front.life)


@pytest.mark.parametrize("first", ["front", "back"])
def test_two_ends_meet_whoever_is_there_first(first):
    store = PaperStore()
    ends = {}
    for life, role in enumerate([first, "back" if first == "front" else "front"], 1):
        ends[role] = Paper(store, role, life)
        settle(store)
    assert met(ends["front"], ends["back"])


@pytest.mark.parametrize("failing", range(PATIENCE + 2))
@pytest.mark.parametrize("first", ["front", "back"])
def test_a_back_end_that_cannot_attach_for_a_while_is_met_all_the_same_and_tries_no_more_than_is_promised(
    failing, first
):
    store = PaperStore()
    ends = {}
    for life, role in enumerate([first, "back" if first == "front" else "front"], 1):
        ends[role] = Paper(store, role, life, failing)
        settle(store)
    assert met(ends["front"], ends["back"]) is (failing <= PATIENCE)
    assert ends["back"].tries == min(failing, PATIENCE) + 1


def test_a_new_front_end_is_given_all_tries_anew():
    store = PaperStore()
    back = Paper(store, "back", 1, failing=PATIENCE + 2)
    Paper(store, "front", 2)
    settle(store)
    assert back.tries == PATIENCE + 1
    store.forget(FRONT_NODE, f"{BACK_NODE}/state")
    settle(store)
    front = Paper(store, "front", 3)
    settle(store)
    assert met(front, back)


@pytest.mark.parametrize("steps", range(9))
@pytest.mark.parametrize("victims", [("front",), ("back",), ("front", "back"), ("back", "front"), ("back", "back")])
@pytest.mark.parametrize("between", [0, 1, 3])
def test_after_deaths_at_any_moment_the_living_meet(steps, victims, between):
    store = PaperStore()
    lives = itertools.count(1)
    ends = {role: Paper(store, role, next(lives)) for role in ("front", "back")}
    for _ in range(steps):
        store.step()
    for role in victims:
        store.forget(ends[role].node, f"{ends[role].other}/state")
        ends[role] = Paper(store, role, next(lives))
        for _ in range(between):
            store.step()
    settle(store)
    assert met(ends["front"], ends["back"])


def test_who_is_alone_for_good_knows_it():
    store = PaperStore()
    front, back = Paper(store, "front", 1), Paper(store, "back", 2)
    settle(store)
    store.forget(back.node, f"{back.other}/state")
    settle(store)
    assert (front.peer_state, front.partner, front.state) == (State.UNKNOWN, 0, State.INITIALISING)


def test_an_end_that_breaks_off_and_its_partner_meet_anew():
    for role in ("front", "back"):
        store = PaperStore()
        ends = {"front": Paper(store, "front", 1), "back": Paper(store, "back", 2)}
        settle(store)
        ends[role].break_off()
        settle(store)
        assert met(ends["front"], ends["back"])


@pytest.mark.parametrize("nonsense", ["", "7", "-1", "four", "4 ", "\0"])
def test_a_state_that_is_none_is_as_good_as_no_partner(nonsense):
    store = PaperStore()
    front, _ = Paper(store, "front", 1), Paper(store, "back", 2)
    settle(store)
    store.watchers.pop(f"{FRONT_NODE}/state")  # the back end does nothing more
    store.write(f"{BACK_NODE}/state", nonsense)
    settle(store)
    assert front.peer_state is State.UNKNOWN
    assert front.partner == 0


def test_every_step_of_the_tables_is_between_states_that_there_are():
    for table in (FRONT, BACK):
        assert set(table) <= set(State)
        assert all(set(row) <= set(State) for row in table.values())
