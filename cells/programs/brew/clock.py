"""clock: an applet in Python that shows the time since the run began, with hands, once a second."""

from __future__ import annotations

from typing import Any, ClassVar

from cells.personalities.brew.codes import ClassId, Code, Color, Draw, Font
from cells.personalities.brew.method import Notify, Rect
from cells.personalities.brew.python_module import Applet, Handle

SINES = (0, 105, 208, 309, 407, 500, 588, 669, 743, 809, 866, 914, 951, 978, 995, 1000)
"""sin(6 degrees * n) in thousandths, for n from 0 to 15."""
DARK, LIGHT, FACE, SECOND = 0x2010_0000, 0xF0F0_F000, 0x6040_3000, 0x4040_F000


class Clock(Applet):
    """A face with three hands, and digits below."""

    CLASS: ClassVar[int] = 0x01CE_0003

    def __init__(self, shell: Handle) -> None:
        super().__init__(shell)
        _, self.display = shell.create_instance(ClassId.DISPLAY)
        _, self.pen = shell.create_instance(ClassId.GRAPHICS)
        self.size = (0, 0)
        self.seconds = 0

    def handle_event(self, code: int, word: int, data: Any) -> bool:
        """See `Applet`."""
        if code == Code.APP_START:
            self.size = (data[2], data[3])
        if code in (Code.APP_START, Code.APP_RESUME):
            self.tick(None)
        elif code in (Code.APP_SUSPEND, Code.APP_STOP):
            self.shell.cancel_timer(Notify(self.tick, None))
        return code in (Code.APP_START, Code.APP_RESUME, Code.APP_SUSPEND, Code.APP_STOP)

    def free(self) -> None:
        """See `Applet`."""
        self.display.release()
        self.pen.release()

    def tick(self, _user: object) -> None:
        """Draw, and come again in a second."""
        self.shell.set_timer(1000, Notify(self.tick, None))
        width, height = self.size
        x, y = width // 2, height // 2 - 8
        radius = max(min(x, y) - 8, 8)
        self._face(x, y, radius)
        for turn, length, color in self._hands():
            self.pen.set_color(color)
            self.pen.draw_line(x, y, x + _part(turn, radius * length), y - _part(turn + 15, radius * length))
        hours, rest = divmod(self.seconds, 3600)
        text = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
        self.display.set_color(Color.TEXT, LIGHT)
        where = Rect(0, height - 14, width, 12)
        self.display.draw_text(Font.BOLD, text, 0, height - 13, where, Draw.ALIGN_CENTER | Draw.TEXT_TRANSPARENT)
        self.display.update()
        self.seconds += 1

    def _face(self, x: int, y: int, radius: int) -> None:
        self.pen.set_background(DARK)
        self.pen.clear_viewport()
        self.pen.set_fill_mode(True)
        self.pen.set_fill_color(FACE)
        self.pen.set_color(LIGHT)
        self.pen.draw_circle(x, y, radius)
        for hour in range(12):
            self.pen.draw_point(x + _part(5 * hour, radius * 900), y - _part(5 * hour + 15, radius * 900))

    def _hands(self) -> tuple[tuple[int, int, int], ...]:
        """Sixtieths of a turn, length in thousandths of the radius, colour."""
        minutes = self.seconds // 60
        return (minutes // 12, 500, LIGHT), (minutes, 750, LIGHT), (self.seconds, 850, SECOND)


def _part(turn: int, length: int) -> int:
    """length / 1000 times the sine of so many sixtieths of a turn."""
    half, at = divmod(turn % 60, 30)
    sine = SINES[at if at <= 15 else 30 - at] * length // 1_000_000
    return -sine if half else sine
