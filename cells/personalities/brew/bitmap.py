"""IBitmap: a picture that a module holds; IDIB: one whose pixels lie in the module's own memory.

    code, bitmap = shell.create_instance(...)               # IDISPLAY_CreateDIBitmap, IBITMAP_CreateCompatibleBitmap
    bitmap.fill_rect(Rect(0, 0, 8, 8), pixel, Rop.COPY)

Theory: the pixels of a DIB are plain memory of the module, so that its code computes a picture without a call for each pixel.
What the interface does with them it does in a copy of the rows concerned, page by page through the module's own mapping.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from cells.personalities.brew.codes import TRANSPARENT, Error, Rop
from cells.personalities.brew.crime import Refusal
from cells.personalities.brew.method import Rect, method
from cells.personalities.brew.module import PIXEL_BYTES
from cells.personalities.brew.object import Object
from cells.personalities.brew.pixels import LARGEST, Pixels, cut, native, rgb

if TYPE_CHECKING:
    from cells.personalities.brew.arm_module import ArmModule
    from cells.personalities.brew.module import Module

PIXELS_PER_CYCLE = 1
"""How fast the personality draws: assumed, what a loop of store-multiples reaches on an ARM9."""
TRANSPARENT_PRICE = 4
"""Pixels of a copy that one with a transparent colour is worth."""
COPIED_PER_CYCLE = 16
"""Bytes of a DIB: assumed; on a CPU they would be used where they are."""
ROPS = frozenset(Rop)


class Bitmap(Object):
    """A picture beside the module's memory. `pixels` may be another's: the screen's."""

    NAME = "IBitmap"

    def __init__(self, module: Module, width: int, height: int, pixels: Pixels | None = None) -> None:
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise Refusal(Error.EBADPARM)
        self._bytes = 0 if pixels is not None else 2 * width * height
        if module.pixel_bytes + self._bytes > PIXEL_BYTES:
            raise Refusal(Error.ENOMEMORY)
        super().__init__(module)
        module.pixel_bytes += self._bytes
        self.pixels = pixels or Pixels(width, height)
        self.transparent = TRANSPARENT

    def gone(self) -> None:
        """See `Object`."""
        self.module.pixel_bytes -= self._bytes

    def drawn(self, pixels: int) -> int:
        """So many pixels were drawn: that takes time."""
        self.module.system.port.work(pixels // PIXELS_PER_CYCLE)
        return Error.SUCCESS

    def shown(self) -> None:
        """It has an address."""

    def fresh(self) -> Pixels:
        """The pixels as they are now."""
        return self.pixels

    def keep(self, drawn: Pixels) -> None:
        """What `fresh` gave has been drawn into."""

    # ---- the interface

    @method("word RGBToNative(word color)")
    def rgb_to_native(self, color: int) -> int:
        """A pixel from an RGBVAL."""
        return native(color)

    @method("word NativeToRGB(word pixel)")
    def native_to_rgb(self, pixel: int) -> int:
        """An RGBVAL from a pixel."""
        return rgb(pixel)

    @method("int DrawPixel(int x, int y, word pixel, word rop)")
    def draw_pixel(self, x: int, y: int, pixel: int, rop: int) -> int:
        """One pixel."""
        return self.fill_rect(Rect(x, y, 1, 1), pixel, rop)

    @method("int GetPixel(int x, int y, out_word pixel)")
    def get_pixel(self, x: int, y: int) -> tuple[int, int | None]:
        """One pixel; EBADPARM outside."""
        found = self.fresh().get(x, y)
        return (Error.SUCCESS if found is not None else Error.EBADPARM), found

    @method("int DrawHScanline(int y, int left, int right, word pixel, word rop)")
    def draw_h_scanline(self, y: int, left: int, right: int, pixel: int, rop: int) -> int:
        """A part of a row, both ends included."""
        return self.fill_rect(Rect(left, y, right - left + 1, 1), pixel, rop)

    @method("int FillRect(rect area, word pixel, word rop)")
    def fill_rect(self, area: Rect | None, pixel: int, rop: int) -> int:
        """A rectangle of one colour; of everything without one."""
        if rop not in ROPS:
            return Error.EUNSUPPORTED
        target = self.fresh()
        if rop == Rop.TRANSPARENT and pixel & 0xFFFF == self.transparent:
            return Error.SUCCESS
        pixel = (pixel if rop != Rop.NOT else ~pixel) & 0xFFFF
        return self._finish(target, target.fill(area or target.whole, pixel))

    @method("int BltIn(int x, int y, int width, int height, bitmap source, int from_x, int from_y, word rop)")
    def blt_in(
        self, x: int, y: int, width: int, height: int, source: Bitmap | None, from_x: int, from_y: int, rop: int
    ) -> int:
        """A part of another bitmap into this one."""
        if source is None:
            return Error.EBADPARM
        if rop not in ROPS:
            return Error.EUNSUPPORTED
        have = source.fresh()
        part = cut(Rect(from_x, from_y, width, height), have.whole)
        if not part.width:
            return Error.SUCCESS
        target = self.fresh()
        rect = Rect(x + part.x - from_x, y + part.y - from_y, part.width, part.height)
        at = part.y * have.pitch + 2 * part.x
        data = bytes(have.data[at : at + (part.height - 1) * have.pitch + 2 * part.width])
        drawn = target.blit(rect, memoryview(data), have.pitch, rop, source.transparent)
        return self._finish(target, drawn * price_of(rop))

    @method("int GetInfo(out_info info)")
    def get_info(self) -> tuple[int, tuple[int, int, int, int]]:
        """Width, height and depth."""
        return Error.SUCCESS, (self.pixels.width, self.pixels.height, 16, 0)

    @method("int CreateCompatibleBitmap(out_object bitmap, int width, int height)")
    def create_compatible_bitmap(self, width: int, height: int) -> tuple[int, Bitmap | None]:
        """Another one of the same depth."""
        return made(self.module, Bitmap, width, height)

    @method("int SetTransparencyColor(word pixel)")
    def set_transparency_color(self, pixel: int) -> int:
        """Which pixel AEE_RO_TRANSPARENT leaves out when this one is the source."""
        self.transparent = pixel & 0xFFFF
        return Error.SUCCESS

    @method("word GetTransparencyColor()")
    def get_transparency_color(self) -> int:
        """See there."""
        return self.transparent

    def _finish(self, target: Pixels, drawn: int) -> int:
        if drawn:
            self.keep(target)
        return self.drawn(drawn)


class Dib(Bitmap):
    """For modules in ARM code: pixels at `at` in the module's heap. Fields that it shows: pBmp, cx, cy, nPitch, nDepth."""

    NAME = "IDIB"
    _FIELDS = struct.Struct("<I4h")

    def __init__(self, module: Any, width: int, height: int) -> None:
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise Refusal(Error.EBADPARM)
        self.at = module.heap.take(2 * width * height)
        if not self.at:
            raise Refusal(Error.ENOMEMORY)
        super().__init__(module, width, height, Pixels(width, height))

    def shown(self) -> None:
        """It has an address: its fields can be seen there."""
        module: ArmModule = self.module  # type: ignore[assignment]
        pixels = self.pixels
        fields = self._FIELDS.pack(self.at, pixels.width, pixels.height, pixels.pitch, 16)
        module.put(self.address + 4, fields)

    def gone(self) -> None:
        """See `Object`."""
        module: ArmModule = self.module  # type: ignore[assignment]
        module.heap.give(self.at)

    def fresh(self) -> Pixels:
        """See `Bitmap`: a copy of the module's memory."""
        self.module.system.port.work(len(self.pixels.data) // COPIED_PER_CYCLE)
        module: ArmModule = self.module  # type: ignore[assignment]
        return Pixels(
            self.pixels.width, self.pixels.height, bytearray(module.space.read(self.at, len(self.pixels.data)))
        )

    def keep(self, drawn: Pixels) -> None:
        """See `Bitmap`."""
        module: ArmModule = self.module  # type: ignore[assignment]
        first, end = (row * drawn.pitch for row in drawn.take_dirty())
        module.space.write(self.at + first, drawn.data[first:end])


def price_of(rop: int) -> int:
    """How much longer a pixel takes."""
    return TRANSPARENT_PRICE if rop == Rop.TRANSPARENT else 1


def made(module: Module, kind: type[Bitmap], width: int, height: int) -> tuple[int, Bitmap | None]:
    """A bitmap that the module holds from now on, or why not."""
    try:
        new = module.objects.add(kind(module, width, height))
    except Refusal as refusal:
        return refusal.code, None
    new.shown()
    return Error.SUCCESS, new
