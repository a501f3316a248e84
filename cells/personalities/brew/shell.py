"""IShell: classes, applets, events and timers.

Theory: an applet asks, and the shell acts when no handler is under way: starting and closing applets, posted events, timers
and whatever else calls back happen one after another, each to its end. Only `SendEvent` and `CreateInstance` go into a module
at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.brew.codes import Code, Error
from cells.personalities.brew.crime import Refusal
from cells.personalities.brew.method import Notify, method
from cells.personalities.brew.object import Object

if TYPE_CHECKING:
    from cells.personalities.brew.system import System

PASSED = "data is a word, no pointer, to another module; EVT_APP_* are the shell's alone"
LIFE = range(Code.APP_START, Code.APP_RESUME + 1)
"""Events that only the shell may send."""


class Shell(Object):
    """The shell, as one module holds it."""

    NAME = "IShell"

    @property
    def _system(self) -> System:
        return self.module.system

    @method("int CreateInstance(word class, out_object object)", "classes of the personality; none of other modules")
    def create_instance(self, class_id: int) -> tuple[int, Object | None]:
        """An object of a class, with one reference; ECLASSNOTSUPPORT, ENOMEMORY."""
        kind = self._system.kinds.get(class_id)
        if kind is None:
            return Error.ECLASSNOTSUPPORT, None
        try:
            return Error.SUCCESS, self.module.objects.add(kind(self.module))
        except Refusal as refusal:
            return refusal.code, None

    @method("flag QueryClass(word class)")
    def query_class(self, class_id: int) -> bool:
        """Whether there is such a class, of the personality or an applet."""
        return class_id in self._system.kinds or class_id in self._system.classes

    @method("void GetDeviceInfo(out_info info)", "width, height, depth of the applet's screen, and bytes of the heap")
    def get_device_info(self) -> tuple[int, tuple[int, int, int, int]]:
        """What the handset is."""
        device = self._system.screen.device
        return 0, (device.width, device.height, 16, self._system.heap_size)

    @method("int StartApplet(word class)")
    def start_applet(self, class_id: int) -> int:
        """Start one, or bring it to the front, soon."""
        if class_id not in self._system.classes:
            return Error.ECLASSNOTSUPPORT
        return Error.SUCCESS if self._system.later(self._system.start, class_id) else Error.ENOMEMORY

    @method("int CloseApplet(flag all)", "the applet that asks; with the flag all of them")
    def close_applet(self, everything: bool) -> int:
        """Close soon."""
        current = self._system.current
        class_id = current.class_id if current is not None else 0
        return (
            Error.SUCCESS if self._system.later(self._system.close, 0 if everything else class_id) else Error.ENOMEMORY
        )

    @method("word ActiveApplet()")
    def active_applet(self) -> int:
        """The class in front, 0 for none."""
        return self._system.active

    @method("int SetTimer(int milliseconds, notify call)")
    def set_timer(self, milliseconds: int, call: Notify) -> int:
        """Call back once, after so long; one that is set already is set anew."""
        if milliseconds < 0 or not call.function:
            return Error.EBADPARM
        return self._system.timers.set(self.module, milliseconds, call)

    @method("int CancelTimer(notify call)")
    def cancel_timer(self, call: Notify) -> int:
        """Do not call back; without a function none of those with this data."""
        return Error.SUCCESS if self._system.timers.cancel(self.module, call) else Error.EFAILED

    @method("word GetTimerExpiration(notify call)")
    def get_timer_expiration(self, call: Notify) -> int:
        """Milliseconds until then, 0 if there is none."""
        return self._system.timers.left(self.module, call)

    @method("flag SendEvent(word class, word event, word word, word data)", PASSED)
    def send_event(self, class_id: int, code: int, word: int, data: int) -> bool:
        """Have an applet that runs handle an event now; class 0: who asks. Whether it did."""
        return code not in LIFE and self._system.send(self._target(class_id), code, word, data)

    @method("flag PostEvent(word class, word event, word word, word data)", PASSED)
    def post_event(self, class_id: int, code: int, word: int, data: int) -> bool:
        """The same when nothing else is under way; False if too much is waiting."""
        return code not in LIFE and self._system.later(self._system.send, self._target(class_id), code, word, data)

    @method("int Resume(notify call)", "a function and its data, not an AEECallback")
    def resume(self, call: Notify) -> int:
        """Call back when nothing else is under way."""
        return Error.SUCCESS if call.function and self._system.call_later(self.module, call) else Error.EFAILED

    def _target(self, class_id: int) -> int:
        current = self._system.current
        return class_id or (current.class_id if current is not None else 0)
