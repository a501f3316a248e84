"""The applets' screen: a device bitmap, and the frame buffer of which a rectangle shows it.

    screen = Screen(port.connections.shared.get("framebuffer"))
    screen.place(Rect(0, 22, 320, 186))         # where on the screen, and with it the device bitmap's size
    screen.device.fill(...)
    screen.update()                             # copies the rows that have changed; how many pixels

Theory: the frame buffer belongs to another cell as well (survey, Fig. 9), which sends it to the display after it is told of a
frame. So nothing half drawn is ever there: it is copied when the applet says that a picture is complete.
"""

from __future__ import annotations

from collections.abc import Callable

from cells.personalities.brew.method import Rect
from cells.personalities.brew.pixels import Pixels

WIDTH, HEIGHT = 320, 240
BYTES = 2 * WIDTH * HEIGHT
WHOLE = Rect(0, 0, WIDTH, HEIGHT)


class Screen:
    """`memory`: 320 x 240 pixels of 5:6:5 that others see, or None: then a bitmap of its own.

    `on_frame(count)` is told of each complete picture.
    """

    def __init__(self, memory: memoryview | None = None) -> None:
        self.buffer = Pixels(WIDTH, HEIGHT, memory if memory is not None and len(memory) >= BYTES else None)
        self.at = WHOLE
        self.device = Pixels(WIDTH, HEIGHT)
        self.frames = 0
        self.on_frame: Callable[[int], None] = lambda _count: None

    def place(self, at: Rect) -> None:
        """The part of the screen that applets have. Requires: it is inside."""
        if at != self.at:
            self.at = at
            self.device = Pixels(at.width, at.height)

    def wipe(self) -> None:
        """Another applet comes: nothing of the last one is left."""
        device = self.device
        device.clip = device.whole
        device.fill(device.whole, 0)

    def update(self) -> int:
        """Show what has changed; how many pixels that were. A frame even if nothing has."""
        first, end = self.device.take_dirty()
        if first < end:
            rows = memoryview(self.device.data)[first * self.device.pitch : end * self.device.pitch]
            self.buffer.blit(Rect(self.at.x, self.at.y + first, self.at.width, end - first), rows, self.device.pitch)
        self.frames += 1
        self.on_frame(self.frames)
        return (end - first) * self.at.width
