"""Who looks at the displays of a run: pictures for those who asked for one, at a bounded rate of the host's time.

A watcher says which picture it has seen last, and is answered when there is another one, or after a second. One that does not
take its answer asks for no other, and so costs nothing; while nobody watches, nothing is looked at. A look reads bytes of
memory between two turns, when no cell runs: it changes nothing in the run.

    views = Views(pictures, answer)
    views.watch(route, number, "lcd0", seen=0)      # answer(route, number, {...}, bytes) comes later
    views.look()                                    # whenever the operator's sockets are looked at
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devices import Touch
from devices.framebuffer import size
from hypervisor.core.monitor import Monitor
from hypervisor.shell.client import ENDED
from hypervisor.shell.inputs import TOUCH_RANGE, Input, InputKind
from hypervisor.shell.picture import Scan
from hypervisor.shell.pictures import Pictures

FRAME_S = 1 / 30
"""Least host time between two looks at a display."""
BYTES_PER_S = 16 << 20
"""Large pictures are looked at less often: 320 x 240 pixels of 16 bits 30 times a second are a quarter of this."""
STILL_S = 1.0
"""After so long a watcher is told that nothing has changed: it knows that the run lives, and what time it is."""
WATCHERS = 32

Answered = Callable[[bytes, int, dict[str, Any], bytes], None]
"""Takes the route and number of a request, the answer and the bytes beside it."""


class ViewError(Exception):
    """There is no such display or touch screen, or there are too many watchers."""


@dataclass
class _Shown:
    """What was seen of a display last; `serial` grows with each picture that is not as the one before."""

    scan: Scan | None = None
    serial: int = 0
    due: float = 0.0


@dataclass(frozen=True)
class _Watcher:
    number: int
    seen: int
    since: float


class Views:
    """The displays of one run and who waits for them. `clock`: the host's, in seconds."""

    def __init__(
        self, monitor: Monitor, pictures: Pictures, answer: Answered, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._monitor, self._pictures, self._answer, self._clock = monitor, pictures, answer, clock
        self._shown: dict[str, _Shown] = {}
        self._watchers: dict[tuple[bytes, str], _Watcher] = {}

    def listed(self) -> dict[str, Any]:
        """What there is: displays with their size, and touch screens, in the board's order."""
        displays = []
        for entry, device in self._pictures.displays():
            width, height = size(device.state)
            owner = self._monitor.cells[entry.owner].name if entry.owner is not None else ""
            displays.append({"name": entry.name, "on": device.on, "width": width, "height": height, "owner": owner})
        owned = [entry for entry in self._monitor.bus.devices if entry.owner is not None]
        return {"displays": displays, "touches": [entry.name for entry in owned if isinstance(entry.device, Touch)]}

    def watch(self, route: bytes, number: int, display: str, seen: int) -> None:
        """Have this request answered when the display shows something else than picture `seen` (0: at once).

        Raises:
            ViewError: no such display, or too many watchers.
        """
        names = [entry.name for entry, _ in self._pictures.displays()]
        if display not in names:
            raise ViewError(f'no display is called "{display}"; there are: {", ".join(names) or "none"}')
        before = self._watchers.pop((route, display), None)
        if before is not None:
            self._answer(route, before.number, {"ok": False, "why": "asked again before it was answered"}, b"")
        if len(self._watchers) >= WATCHERS:
            raise ViewError(f"{WATCHERS} watch already")
        self._watchers[route, display] = _Watcher(number, seen, self._clock())

    def look(self) -> None:
        """Answer those for whom there is something. Cheap when nobody waits."""
        if not self._watchers:
            return
        now = self._clock()
        for (route, display), watcher in list(self._watchers.items()):
            shown = self._shown.setdefault(display, _Shown())
            if now >= shown.due:
                self._look_at(display, shown, now)
            if shown.serial != watcher.seen or now - watcher.since >= STILL_S:
                del self._watchers[route, display]
                self._answer(route, watcher.number, *self._seen(shown, watcher))

    def _look_at(self, display: str, shown: _Shown, now: float) -> None:
        scan = self._pictures.scan(display)
        shown.due = now + max(FRAME_S, len(scan.data) / BYTES_PER_S)
        if scan != shown.scan:
            shown.scan, shown.serial = scan, shown.serial + 1

    def _seen(self, shown: _Shown, watcher: _Watcher) -> tuple[dict[str, Any], bytes]:
        answer = {"ok": True, "serial": shown.serial, "now": self._monitor.scheduler.time()}
        if shown.scan is None or shown.serial == watcher.seen:
            return answer, b""
        return {**answer, **shown.scan.head()}, shown.scan.data

    def close(self) -> None:
        """Tell those who wait that there will be nothing more."""
        for (route, _), watcher in self._watchers.items():
            self._answer(route, watcher.number, {"ok": False, "why": ENDED}, b"")
        self._watchers.clear()


def touch_input(monitor: Monitor, device: str, x: int, y: int, *, down: bool) -> Input:
    """The input that a touch is: the pen on a screen at (x, y), moved there, or lifted; 0..4095 each way.

    Raises:
        KeyError: no cell has a touch screen of this name.
        ValueError: no such place.
    """
    if not (0 <= x < TOUCH_RANGE and 0 <= y < TOUCH_RANGE):
        raise ValueError(f"({x}, {y}) is not on the panel: 0..{TOUCH_RANGE - 1} each way")
    for entry in monitor.bus.devices:
        if entry.name == device and entry.receive is not None and entry.owner is not None:
            owner = monitor.cells[entry.owner].name
            return Input(0, 0, InputKind.TOUCH, owner, f"{device} {x} {y} {int(down)}".encode())
    raise KeyError(f'no cell has a touch screen "{device}"')


def asked_touch(monitor: Monitor, request: Mapping[str, Any]) -> Input:
    """As `touch_input`, of a request with `device`, `x`, `y`, `down`.

    Raises:
        ViewError: there is no such screen, or no such place on it.
        KeyError, TypeError: that is no touch.
    """
    device, x, y, down = request["device"], request["x"], request["y"], request["down"]
    if not isinstance(device, str) or type(x) is not int or type(y) is not int:
        raise TypeError("a touch has the name of a device and two numbers")
    try:
        return touch_input(monitor, device, x, y, down=bool(down))
    except (KeyError, ValueError) as error:
        raise ViewError(str(error.args[0])) from None
