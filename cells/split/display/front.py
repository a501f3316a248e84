"""A screen as a client cell sees it.

```python
screen = Display(port.connections, "lcd", port)
screen.fill(10, 10, 50, 20, rgb(255, 0, 0))
screen.flush()
```
"""

from __future__ import annotations

from cells.flavours import Connections
from cells.split.display.protocol import GEOMETRY, HEIGHT, LAYOUT, PICTURE, PIXEL, RECTANGLE, STRIDE, WIDTH, Operation
from cells.split.ends import TIMELESS, Clock, FrontEnd, Outcome, SplitError, copy_cycles


def rgb(red: int, green: int, blue: int) -> int:
    """A pixel of the nearest colour; each part 0 to 255."""
    return red >> 3 << 11 | green >> 2 << 5 | blue >> 3


class Display(FrontEnd):
    """Draws into a picture that it shares with the back end, and says what has changed."""

    kind = "display"
    layouts = (LAYOUT,)

    def __init__(self, connections: Connections, name: str, clock: Clock = TIMELESS) -> None:
        super().__init__(connections, name, clock)
        (self._ring,) = self._rings
        self._size: tuple[int, int] | None = None

    @property
    def width(self) -> int:
        """Pixels of a line."""
        return self._geometry()[0]

    @property
    def height(self) -> int:
        """Lines of this client's part of the screen."""
        return self._geometry()[1]

    def line(self, y: int) -> memoryview:
        """The bytes of a line, two for each pixel, to be written as one likes."""
        start = PICTURE + y * STRIDE
        return self._link.memory[start : start + self.width * PIXEL]

    def fill(self, x: int, y: int, width: int, height: int, pixel: int) -> None:
        """Fill a rectangle with one colour; what lies outside of the picture is left out."""
        left, right = max(x, 0), min(x + width, self.width)
        top, bottom = max(y, 0), min(y + height, self.height)
        if right <= left or bottom <= top:
            return
        row = pixel.to_bytes(PIXEL, "little") * (right - left)
        for number in range(top, bottom):
            self._clock.work(copy_cycles(len(row)))
            self.line(number)[left * PIXEL : right * PIXEL] = row

    def flush(self, x: int = 0, y: int = 0, width: int | None = None, height: int | None = None) -> None:
        """Show a part of the picture, by default all; it is on the screen when this returns.

        Raises:
            SplitError: there is no such part.
        """
        part = (x, y, self.width - x if width is None else width, self.height - y if height is None else height)
        self._ask(Operation.FLUSH, RECTANGLE.pack(*part))

    def _ask(self, operation: Operation, body: bytes = b"") -> bytes:
        """One request to its end."""
        self._submit(self._ring, operation, body)
        answers: list[tuple[int, bytes]] = []

        def answered() -> bool:
            if (response := self._take(self._ring)) is not None:
                answers.append((response.status, response.body))
            return bool(answers)

        self._wait_until(answered)
        ((status, answer),) = answers
        if status != Outcome.OK:
            raise SplitError(operation.name.lower(), status)
        return answer

    def _geometry(self) -> tuple[int, int]:
        if self._size is None:
            width, height, stride = GEOMETRY.unpack_from(self._ask(Operation.IDENTIFY))
            if not 0 < width <= WIDTH or not 0 < height <= HEIGHT or stride != STRIDE:
                raise SplitError("identify", Outcome.IO_ERROR)
            self._size = width, height
        return self._size
