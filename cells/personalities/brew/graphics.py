"""IGraphics: points, lines and shapes with a pen and a fill colour, on the applet's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.brew.bitmap import PIXELS_PER_CYCLE
from cells.personalities.brew.codes import Error
from cells.personalities.brew.method import Rect, method
from cells.personalities.brew.object import Object
from cells.personalities.brew.pixels import LARGEST, LONGEST_LINE, Pixels, native

if TYPE_CHECKING:
    from cells.personalities.brew.module import Module

STEP_CYCLES, ROW_CYCLES = 8, 32
"""Cycles for a pixel of a line, for two rows of a circle: assumed."""


class Graphics(Object):
    """A pen."""

    NAME = "IGraphics"

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._pen, self._fill, self._filling, self._background = 0, 0xFFFF, False, 0xFFFF

    def _screen(self) -> Pixels:
        return self.module.system.screen.device

    def _drawn(self, pixels: int, cycles: int = 1) -> int:
        self.module.system.port.work(pixels * cycles // PIXELS_PER_CYCLE)
        return Error.SUCCESS

    @method("word SetColor(word color)")
    def set_color(self, color: int) -> int:
        """The pen's, as an RGBVAL."""
        self._pen = native(color)
        return color

    @method("word SetFillColor(word color)")
    def set_fill_color(self, color: int) -> int:
        """The inside's."""
        self._fill = native(color)
        return color

    @method("flag SetFillMode(flag filling)")
    def set_fill_mode(self, filling: bool) -> bool:
        """Whether shapes are filled; as it was."""
        old, self._filling = self._filling, filling
        return old

    @method("word SetBackground(word color)")
    def set_background(self, color: int) -> int:
        """What ClearViewport leaves."""
        self._background = native(color)
        return color

    @method("int ClearViewport()")
    def clear_viewport(self) -> int:
        """Everything in the background's colour."""
        screen = self._screen()
        return self._drawn(screen.fill(screen.whole, self._background))

    @method("int DrawPoint(int x, int y)")
    def draw_point(self, x: int, y: int) -> int:
        """One pixel."""
        return self._drawn(self._screen().point(x, y, self._pen))

    @method("int DrawLine(int x, int y, int to_x, int to_y)")
    def draw_line(self, x: int, y: int, to_x: int, to_y: int) -> int:
        """Both ends included."""
        steps = min(max(abs(to_x - x), abs(to_y - y)), LONGEST_LINE)  # outside of the screen they take time, too
        self._screen().line(x, y, to_x, to_y, self._pen)
        return self._drawn(steps, STEP_CYCLES)

    @method("int DrawRect(rect area)")
    def draw_rect(self, area: Rect | None) -> int:
        """A border, filled if shapes are."""
        if area is None:
            return Error.EBADPARM
        screen = self._screen()
        drawn = screen.fill(area, self._fill) if self._filling else 0
        return self._drawn(drawn + screen.frame(area, self._pen))

    @method("int DrawCircle(int x, int y, int radius)")
    def draw_circle(self, x: int, y: int, radius: int) -> int:
        """Around a point."""
        if radius < 0:
            return Error.EBADPARM
        screen = self._screen()
        drawn = screen.disc(x, y, radius, self._fill, filled=True) if self._filling else 0
        drawn += screen.disc(x, y, radius, self._pen, filled=False)
        return self._drawn(drawn + ROW_CYCLES * min(radius, LARGEST))

    @method("int Update()")
    def update(self) -> int:
        """As IDISPLAY_Update."""
        return self._drawn(self.module.system.screen.update())
