"""IDisplay: text, rectangles and bitmaps on the screen, shown when the applet says so.

Theory: what is drawn goes into the device bitmap, and `Update` copies the rows that have changed to where others see them
(`screen.py`). Destination, colours and clip are each IDisplay's own, the device bitmap is the applet's screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.brew.bitmap import PIXELS_PER_CYCLE, Bitmap, Dib, made, price_of
from cells.personalities.brew.codes import Color, Draw, Error, Rop
from cells.personalities.brew.crime import Refusal
from cells.personalities.brew.method import Rect, method
from cells.personalities.brew.object import Object
from cells.personalities.brew.pixels import Pixels, cut, native, rgb, scale_of
from cells.programs import font

if TYPE_CHECKING:
    from cells.personalities.brew.module import Module

UPDATE_CYCLES, CHARACTER_CYCLES = 1, 300
"""Cycles for a pixel that is copied to the frame buffer, for a character: assumed."""


class Display(Object):
    """One reference to the screen."""

    NAME = "IDisplay"

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._colors = {Color.TEXT: 0, Color.BACKGROUND: 0xFFFF, Color.LINE: 0}
        self._clip: Rect | None = None
        self._destination: Bitmap | None = None

    def gone(self) -> None:
        """See `Object`."""
        if self._destination is not None:
            self._destination.release()

    def _target(self) -> Pixels:
        """What is drawn into, clipped."""
        target = self._destination.fresh() if self._destination is not None else self.module.system.screen.device
        target.clip = cut(self._clip, target.whole) if self._clip is not None else target.whole
        return target

    def _finish(self, target: Pixels, drawn: int) -> int:
        target.clip = target.whole
        if self._destination is not None and drawn:
            self._destination.keep(target)
        self.module.system.port.work(drawn // PIXELS_PER_CYCLE)
        return Error.SUCCESS

    # ---- the interface

    @method("int GetFontMetrics(word font, out_word ascent, out_word descent)")
    def get_font_metrics(self, style: int) -> tuple[int, int, int]:
        """The height of a line; above and below the base line."""
        scale = scale_of(style)
        return font.HEIGHT * scale, font.ASCENT * scale, (font.HEIGHT - font.ASCENT) * scale

    @method("int MeasureText(word font, wide text)")
    def measure_text(self, style: int, text: str) -> int:
        """Its width in pixels."""
        return len(text) * font.WIDTH * scale_of(style)

    @method("int DrawText(word font, wide text, int x, int y, rect background, word flags)")
    def draw_text(self, style: int, text: str, x: int, y: int, background: Rect | None, flags: int) -> int:
        """A line of text. Aligned in `background`, if there is one, which is filled unless IDF_TEXT_TRANSPARENT."""
        target, drawn = self._target(), 0
        if background is not None:
            x, y = _aligned(x, y, len(text), background, flags, scale_of(style))
            if not flags & Draw.TEXT_TRANSPARENT:
                drawn += target.fill(background, self._colors[Color.BACKGROUND])
        drawn += target.text(x, y, text, self._colors[Color.TEXT], style)
        self.module.system.port.work(CHARACTER_CYCLES * len(text))
        return self._finish(target, drawn)

    @method("void DrawRect(rect area, word frame, word fill, word flags)")
    def draw_rect(self, area: Rect | None, frame: int, fill: int, flags: int) -> None:
        """A rectangle, or everything: filled and with a border, each in an RGBVAL."""
        target = self._target()
        where, drawn = area or target.whole, 0
        if flags & Draw.RECT_FILL:
            drawn += target.fill(where, native(fill))
        if flags & Draw.RECT_INVERT:
            drawn += target.invert(where)
        if flags & Draw.RECT_FRAME:
            drawn += target.frame(where, native(frame))
        self._finish(target, drawn)

    @method("void BitBlt(int x, int y, int width, int height, bitmap source, int from_x, int from_y, word rop)")
    def bit_blt(
        self, x: int, y: int, width: int, height: int, source: Bitmap | None, from_x: int, from_y: int, rop: int
    ) -> None:
        """A part of a bitmap."""
        if source is None or rop not in set(Rop):
            return
        have, target = source.fresh(), self._target()
        part = cut(Rect(from_x, from_y, width, height), have.whole)
        if part.width:
            at = part.y * have.pitch + 2 * part.x
            data = memoryview(bytes(have.data[at : at + (part.height - 1) * have.pitch + 2 * part.width]))
            rect = Rect(x + part.x - from_x, y + part.y - from_y, part.width, part.height)
            drawn = target.blit(rect, data, have.pitch, rop, source.transparent)
            self._finish(target, drawn * price_of(rop))

    @method("void Update()")
    def update(self) -> None:
        """Show what was drawn."""
        pixels = self.module.system.screen.update()
        self.module.system.port.work(pixels * UPDATE_CYCLES)

    @method("word SetColor(word item, word color)")
    def set_color(self, item: int, color: int) -> int:
        """The colour of text, background or lines; what it was."""
        if item not in self._colors:
            return 0
        old, self._colors[Color(item)] = self._colors[Color(item)], native(color)
        return rgb(old)

    @method("void SetClipRect(rect area)")
    def set_clip_rect(self, area: Rect | None) -> None:
        """Draw nothing outside of it."""
        self._clip = area

    @method("int GetClipRect(out_rect area)")
    def get_clip_rect(self) -> tuple[int, Rect]:
        """See there."""
        return Error.SUCCESS, self._clip or self._target().whole

    @method("void ClearScreen()")
    def clear_screen(self) -> None:
        """All of it in the background's colour."""
        target = self._target()
        self._finish(target, target.fill(target.whole, self._colors[Color.BACKGROUND]))

    @method("int GetDeviceBitmap(out_object bitmap)")
    def get_device_bitmap(self) -> tuple[int, Bitmap | None]:
        """The screen as a bitmap."""
        device = self.module.system.screen.device
        try:
            return Error.SUCCESS, self.module.objects.add(Bitmap(self.module, device.width, device.height, device))
        except Refusal as refusal:
            return refusal.code, None

    @method("int SetDestination(bitmap target)")
    def set_destination(self, target: Bitmap | None) -> int:
        """Draw into this one from now on; without one into the screen."""
        if target is not None:
            target.add_ref()
        self.gone()
        self._destination = target
        return Error.SUCCESS

    @method("int CreateDIBitmap(out_object bitmap, word depth, word width, word height)", "16 bits a pixel only")
    def create_di_bitmap(self, depth: int, width: int, height: int) -> tuple[int, Bitmap | None]:
        """A bitmap whose pixels the module can reach."""
        if depth != 16:
            return Error.EUNSUPPORTED, None
        return made(self.module, Dib if self.module.has_memory else Bitmap, width, height)


def _aligned(x: int, y: int, length: int, within: Rect, flags: int, scale: int) -> tuple[int, int]:
    """Where text begins."""
    width, height = length * font.WIDTH * scale, font.HEIGHT * scale
    if flags & Draw.ALIGN_CENTER:
        x = within.x + (within.width - width) // 2
    elif flags & Draw.ALIGN_RIGHT:
        x = within.x + within.width - width
    if flags & Draw.ALIGN_MIDDLE:
        y = within.y + (within.height - height) // 2
    elif flags & Draw.ALIGN_BOTTOM:
        y = within.y + within.height - height
    return x, y
