"""xenbus: how two ends of a split device find each other, by the states in their directories of the store.

```
front  INITIALISING ---- back is INIT_WAIT: publish ----> INITIALISED ---- back is CONNECTED: join ----> CONNECTED
back   INITIALISING --> INIT_WAIT ---- front is INITIALISED: attach ----> CONNECTED
either CONNECTED ---- the other one is gone or begins anew: leave ----> INITIALISING or INIT_WAIT
back   INIT_WAIT ---- attach fails ----> CLOSED ---- front is INITIALISING again ----> INIT_WAIT
```

Theory: each end writes its own state alone and watches the other's. What to do follows from the two states, by the table of
the role; how it is done is the device's. An end that finds the other one dead goes back to where it can meet a new one: the
front waits for INIT_WAIT before it publishes, so that two ends never mistake an old state for a new one. A back that cannot
attach, as for want of grants or ports at that moment, says so by CLOSED, and the front publishes again: `PATIENCE` times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from cells.xen.store import Store, StoreRefusedError
from hypervisor.abi.xen import XenbusState as State

NEW = frozenset({State.UNKNOWN, State.INITIALISING, State.INIT_WAIT, State.CLOSING, State.CLOSED})
"""States of a partner with which there is no connection."""
PATIENCE = 3
"""Times in a row that a back end asks a front end to begin anew because it could not attach; then it waits for a new one."""


class Device(ABC):
    """One end. `told`: its entry of the boot information."""

    def __init__(self, store: Store, told: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.peer: str = told["peer"]
        self.kind: str = told["kind"]
        self.role: str = told["role"]
        self.remote: int = told["domid"]
        self.node: str = told["node"]
        self.other: str = told["other"]
        self.state = State.INITIALISING
        self.peer_state = State.UNKNOWN
        self.failures = 0
        self.store = store
        self._table = FRONT if self.role == "front" else BACK

    def begin(self) -> None:
        """Watch the other end."""
        self.store.watch(f"{self.other}/state", lambda path: self.look())

    def look(self) -> None:
        """Read the other end's state, and do what is due."""
        self.peer_state = self._read_state()
        if self.peer_state is State.UNKNOWN:
            self.failures = 0
        while True:
            step = self._table.get(self.state, {}).get(self.peer_state)
            if step is None or not step(self):
                return

    def go(self, state: State) -> None:
        """Say that this end is in another state."""
        self.state = state
        self.store.write(f"{self.node}/state", int(state))

    def break_off(self) -> None:
        """The other end has broken the rules of what is between them: leave, and begin anew."""
        (_front_leaves if self.role == "front" else _back_leaves)(self)

    def ask(self, name: str) -> str:
        """A node of the other end's; "" if it has none."""
        try:
            return self.store.read(f"{self.other}/{name}")
        except StoreRefusedError:
            return ""

    def _read_state(self) -> State:
        text = self.ask("state")
        return State(int(text)) if text in _NUMBERS else State.UNKNOWN

    # ---- what a device does

    @abstractmethod
    def published(self) -> dict[str, str | int]:
        """The front makes what the back needs: nodes for its directory."""

    @abstractmethod
    def attach(self) -> bool:
        """The back takes up what the front has published; False if that was not possible."""

    @abstractmethod
    def join(self) -> None:
        """The front takes up what the back has made."""

    @abstractmethod
    def leave(self) -> None:
        """The other end is gone: give back what was its."""


_NUMBERS = {str(int(state)) for state in State}
Step = Callable[[Device], bool]
"""One step; whether there may be another one at once."""


def _publish(device: Device) -> bool:
    nodes = {f"{device.node}/{name}": value for name, value in device.published().items()}
    device.state = State.INITIALISED
    device.store.write_all({**nodes, f"{device.node}/state": int(State.INITIALISED)})
    return False


def _join(device: Device) -> bool:
    device.join()
    device.go(State.CONNECTED)
    return False


def _begin_anew(device: Device) -> bool:
    device.go(State.INITIALISING)
    return True


def _front_leaves(device: Device) -> bool:
    device.leave()
    device.go(State.INITIALISING)
    return True


def _offer(device: Device) -> bool:
    device.go(State.INIT_WAIT)
    return True


def _attach(device: Device) -> bool:
    if device.attach():
        device.failures = 0
        device.go(State.CONNECTED)
    elif device.failures < PATIENCE:
        device.failures += 1
        device.go(State.CLOSED)
    return False


def _back_leaves(device: Device) -> bool:
    device.leave()
    device.go(State.INIT_WAIT)
    return True


Table = Mapping[State, Mapping[State, Step]]
FRONT: Table = {
    State.INITIALISING: {State.INIT_WAIT: _publish},
    State.INITIALISED: {State.CONNECTED: _join, State.CLOSED: _begin_anew},
    State.CONNECTED: dict.fromkeys(NEW, _front_leaves),
}
"""Own state -> the other's -> what to do."""
BACK: Table = {
    State.INITIALISING: dict.fromkeys(State, _offer),
    State.INIT_WAIT: {State.INITIALISED: _attach},
    State.CLOSED: dict.fromkeys((State.UNKNOWN, State.INITIALISING), _offer),
    State.CONNECTED: dict.fromkeys(NEW, _back_leaves),
}
