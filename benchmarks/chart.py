"""Curves over a common axis, as SVG without anything else.

>>> Chart("t", "x", "y", {"one": [(0, 0), (8, 4)]}).svg().startswith("<svg")
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 60, 170, 40, 50
TICKS = 5
STYLES = (("#1f5fa8", ""), ("#2b8a3e", "6 3"), ("#c2410c", "2 3"), ("#7e22ce", "8 3 2 3"))
"""Colours and dashes, in the order of the curves: they can be told apart in grey, too."""


@dataclass(frozen=True)
class Chart:
    """Curves by name: points (x, y), x growing."""

    title: str
    across: str
    upwards: str
    lines: Mapping[str, Sequence[tuple[float, float]]]

    def svg(self) -> str:
        """The whole picture."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">'
        parts = [head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
        parts += [_text(LEFT, 22, self.title, size=14), *self._axes()]
        for place, (name, points) in enumerate(self.lines.items()):
            parts += self._curve(place, name, points)
        return "\n".join([*parts, "</svg>"]) + "\n"

    @property
    def _most(self) -> tuple[float, float]:
        points = [point for line in self.lines.values() for point in line]
        return max((x for x, _ in points), default=1) or 1, _round_up(max((y for _, y in points), default=1))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        most_x, most_y = self._most
        return (
            LEFT + x / most_x * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - max(y, 0) / most_y * (HEIGHT - TOP - BOTTOM),
        )

    def _axes(self) -> Iterator[str]:
        most_y = self._most[1]
        for tick in range(TICKS + 1):
            value = most_y * tick / TICKS
            _, y = self._at(0, value)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            yield _text(LEFT - 6, y + 4, f"{value:g}", anchor="end")
        for x in sorted({x for line in self.lines.values() for x, _ in line}):
            across, y = self._at(x, 0)
            yield f'<line x1="{across:.1f}" y1="{y:.1f}" x2="{across:.1f}" y2="{y + 4:.1f}" stroke="#444"/>'
            yield _text(across, y + 16, f"{x:g}", anchor="middle")
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.across, anchor="middle")
        yield _text(LEFT - 50, TOP - 6, self.upwards)

    def _curve(self, place: int, name: str, points: Sequence[tuple[float, float]]) -> Iterator[str]:
        colour, dashes = STYLES[place % len(STYLES)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._at(*point) for point in points))
        style = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}" fill="none"'
        yield f'<polyline points="{path}" {style}/>'
        at = TOP + 16 * place
        yield f'<line x1="{WIDTH - RIGHT + 8}" y1="{at}" x2="{WIDTH - RIGHT + 32}" y2="{at}" {style}/>'
        yield _text(WIDTH - RIGHT + 36, at + 4, name)


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value > 0:
        power /= 10
    return next((power * times for times in (1, 2, 5) if power * times >= value), power * 10)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
