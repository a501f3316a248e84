"""The system behind all shells: modules, classes, the applets that run, one on top of the other, and what is to be done next.

    system = System(processor, port, screen, [ArmModule(...), PythonModule(...)])
    system.later(system.start, 0x01CE0001)
    while system.step(): ...

Theory: BREW runs one handler at a time, to its end; whoever is in front has the screen and gets keys and touches. Who starts
an applet suspends the one in front, and closing it resumes that. A module is loaded when one of its applets starts and
unloaded when the last one is closed; what it had not released by then is in the log. A module that does wrong is closed with
all its applets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cells.personalities.brew.codes import Code
from cells.personalities.brew.crime import Crime
from cells.personalities.brew.files import Store
from cells.personalities.brew.timers import Timers

if TYPE_CHECKING:
    from cells.personalities.brew.gate import Gate
    from cells.personalities.brew.method import Notify
    from cells.personalities.brew.module import Module
    from cells.personalities.brew.net import Socket
    from cells.personalities.brew.object import Object
    from cells.personalities.brew.processor import Processor
    from cells.personalities.brew.screen import Screen
    from cells.personalities.mail import Box
    from cells.personalities.port import PersonalityPort

R = TypeVar("R")
WAITING = 256
"""Things that wait to be done."""
SHOWN = 8
"""Kinds of leaks that one line of the log names."""


class Running:
    """An applet. `handle`: as its module knows it."""

    __slots__ = ("class_id", "handle", "module", "suspended")

    def __init__(self, class_id: int, module: Module, handle: Any) -> None:
        self.class_id, self.module, self.handle = class_id, module, handle
        self.suspended = False


class System:
    """`kinds`: class -> interface that the personality makes. `modules`: what is installed."""

    def __init__(
        self, processor: Processor, gate: Gate, port: PersonalityPort, screen: Screen, kinds: Mapping[int, type[Object]]
    ) -> None:
        self.processor, self.gate, self.port, self.screen, self.kinds = processor, gate, port, screen, kinds
        self.modules: dict[str, Module] = {}
        self.classes: dict[int, Module] = {}
        self.applets: list[Running] = []
        """Those that run, the one in front last."""
        self.current: Running | None = None
        """On whose behalf code runs."""
        self.timers, self.store = Timers(self), Store()
        self.sockets: set[Socket] = set()
        self.peers: list[str] = []
        """Cells that sockets lead to."""
        self.heap_size = 1 << 20
        self.on_started: Callable[[int, bool], None] = lambda _class, _ok: None
        self.on_stopped: Callable[[int, str], None] = lambda _class, _why: None
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._condemned: dict[Module, str] = {}

    def install(self, module: Module) -> None:
        """A module is there, and its classes with it. Requires: no other has one of them."""
        self.modules[module.name] = module
        for class_id in module.classes:
            self.classes[class_id] = module

    # ---- small questions

    @property
    def active(self) -> int:
        """The class in front, 0 for none."""
        return self.applets[-1].class_id if self.applets else 0

    def milliseconds(self) -> int:
        """Virtual time."""
        return self.port.time * 1000 // self.port.hz

    def box(self, peer: str) -> Box:
        """The channel to a cell."""
        return self.port.mail[peer]

    def log(self, text: str) -> None:
        """A line on the console."""
        seconds, rest = divmod(self.milliseconds(), 1000)
        printable = "".join(character if character.isprintable() else "?" for character in text)
        self.port.emit(f"[{seconds:5d}.{rest:03d}] {printable}\n".encode())

    def running(self, class_id: int) -> Running | None:
        """The applet of a class, if it runs."""
        return next((applet for applet in self.applets if applet.class_id == class_id), None)

    # ---- what is to be done

    def later(self, function: Callable[..., Any], *arguments: Any) -> bool:
        """Do it when nothing else is under way; False if too much waits."""
        if len(self._waiting) >= WAITING:
            return False
        self._waiting.append((function, arguments))
        return True

    def call_later(self, module: Module, call: Notify) -> bool:
        """Call a module back when nothing else is under way."""
        return self.later(self._notify, module, call, self.current)

    def step(self) -> bool:
        """Do one thing that waits and one timer that is due; whether there was any."""
        for socket in list(self.sockets):
            socket.look()
        done = bool(self._waiting)
        if self._waiting:
            function, arguments = self._waiting.popleft()
            function(*arguments)
            self._reap()
        due = self.timers.take()
        if due is not None:
            self._notify(*due)
            self._reap()
        return done or due is not None

    def _notify(self, module: Module, call: Notify, applet: Running | None) -> None:
        if module.loaded and (applet is None or applet in self.applets):
            self._attempt(module, applet, lambda: module.notify(call.function, call.user), None)

    def send(self, class_id: int, code: int, word: int, data: Any) -> bool:
        """Have an applet that runs handle an event now; whether it did. False, too, where there is no time for it."""
        applet = self.running(class_id)
        if applet is None or applet.module.dead or not self.processor.may_enter(applet.module):
            return False
        module = applet.module
        return self._attempt(module, applet, lambda: module.handle(applet.handle, code, word, data), False)

    def send_front(self, code: int, word: int, data: int) -> None:
        """Keys and touches are for who is in front."""
        self.send(self.active, code, word, data)

    def _attempt(self, module: Module, applet: Running | None, function: Callable[[], R], otherwise: R) -> R:
        """Go into a module; a crime of it condemns it, and is nobody else's."""
        before, self.current = self.current, applet
        try:
            return function()
        except Crime as crime:
            self._condemn(crime.module, crime.why)
            return otherwise
        finally:
            self.current = before

    # ---- the life of applets

    def start(self, class_id: int) -> bool:
        """Start an applet, or bring it to the front; whether it runs."""
        applet = self.running(class_id)
        if applet is None:
            started = self._start(class_id)
        else:
            started = True
            self._to_front(applet)
        self.on_started(class_id, started)
        return started

    def _start(self, class_id: int) -> bool:
        module = self.classes.get(class_id)
        if module is None:
            self.log(f"there is no class {class_id:#010x}")
            return False
        module.dead = False
        handle = self._attempt(module, None, lambda: self._make(module, class_id), None)
        if handle is None:
            self.log(f"{module.name}: class {class_id:#010x} does not start")
            self._leave(module)
            return False
        front = self.applets[-1] if self.applets else None
        if front is not None:
            self._suspend(front)
        self.screen.wipe()
        applet = Running(class_id, module, handle)
        self.applets.append(applet)
        area = (0, 0, self.screen.device.width, self.screen.device.height)
        self.log(f"{module.name}: class {class_id:#010x} starts")
        if self._attempt(module, applet, lambda: module.handle(handle, Code.APP_START, class_id, area), False):
            return True
        if not module.dead:
            self.log(f"{module.name}: class {class_id:#010x} does not handle EVT_APP_START")
            self._stop(applet, "it refuses to start")
        return False

    def _make(self, module: Module, class_id: int) -> Any:
        """An applet of a module, which is loaded if it is not yet."""
        if not module.loaded:
            module.calls = 0
            module.load()
        return module.create(class_id)

    def close(self, class_id: int, why: str = "") -> None:
        """Stop an applet, and what depends on that; class 0: all."""
        for applet in list(reversed(self.applets)):
            if class_id in (0, applet.class_id):
                self.send(applet.class_id, Code.APP_STOP, 0, 0)
                if not applet.module.dead:
                    self._stop(applet, why)

    def _stop(self, applet: Running, why: str) -> None:
        """Take an applet down that has been told, or cannot be."""
        module = applet.module
        self._gone(applet, why)
        left = self._attempt(module, None, lambda: module.drop(applet.handle), 0)
        if left and not module.dead:
            self.log(f"{module.name}: {left} references to class {applet.class_id:#010x} are left")
        self._leave(module)
        self._resume()

    def _gone(self, applet: Running, why: str) -> None:
        self.applets.remove(applet)
        self.timers.forget(applet.module, applet)
        self.on_stopped(applet.class_id, why)

    def _leave(self, module: Module) -> None:
        """Unload a module that no applet needs."""
        if not module.loaded or module.dead or any(applet.module is module for applet in self.applets):
            return
        self._attempt(module, None, lambda: self._unload(module), None)

    def _unload(self, module: Module) -> None:
        self.timers.forget(module)
        left = module.unload()
        what = ", ".join(f"{count} {name}" for name, count in sorted(left.items())[:SHOWN])
        self.log(f"{module.name} is unloaded after {module.calls} calls" + (f"; not released: {what}" if left else ""))

    def _suspend(self, applet: Running) -> None:
        applet.suspended = True
        self.send(applet.class_id, Code.APP_SUSPEND, 0, 0)

    def _resume(self) -> None:
        """Who is in front now goes on."""
        if self.applets and self.applets[-1].suspended:
            front = self.applets[-1]
            front.suspended = False
            self.screen.wipe()
            self.send(front.class_id, Code.APP_RESUME, 0, 0)

    def _to_front(self, applet: Running) -> None:
        if self.applets[-1] is not applet:
            self._suspend(self.applets[-1])
            self.applets.remove(applet)
            self.applets.append(applet)
            self._resume()

    # ---- crimes

    def _condemn(self, module: Module, why: str) -> None:
        """It is not called any more, and goes when none of its functions is under way."""
        if not module.dead:
            module.dead = True
            self._condemned[module] = why
            self.log(f"{module.name} is closed: {why}")

    def _reap(self) -> None:
        """Modules that are condemned go, with all their applets."""
        while self._condemned:
            module, why = self._condemned.popitem()
            for applet in [applet for applet in self.applets if applet.module is module]:
                self._gone(applet, why)
            if module.loaded:
                self._unload(module)
            self._resume()
