"""Numbers for people: three significant digits and a unit. Exact numbers are in the JSON files.

>>> human_time(1_500, hz=1_000_000), human_count(2_590_000), human_bytes(3 << 20), human_energy(1_250)
('1.50 ms', '2.59M', '3.00 MiB', '1.25 mJ')
"""

from __future__ import annotations

from hypervisor.abi.time import NEVER

STATE_STYLES = {"running": "green", "blocked": "dim", "shut down": "dim", "paused": "yellow", "failed": "bold red"}
"""Colours of the states of a cell."""

Steps = tuple[tuple[float, str], ...]

_TIME: Steps = ((1.0, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns"))
_COUNT: Steps = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES: Steps = ((1 << 30, " GiB"), (1 << 20, " MiB"), (1 << 10, " KiB"))
_ENERGY: Steps = ((1e6, " J"), (1e3, " mJ"), (1.0, " uJ"))
_EXACT = 10_000
"""Counts below this are short enough to be exact."""


def human_time(cycles: int, hz: int) -> str:
    """A span of virtual time."""
    if cycles >= NEVER:
        return "never"
    return _scaled(cycles / hz, _TIME) if cycles else "0 s"


def human_seconds(seconds: float) -> str:
    """A span of the host's time."""
    return _scaled(seconds, _TIME) if seconds > 0 else "0 s"


def human_count(number: int) -> str:
    """A count of things."""
    return str(number) if number < _EXACT else _scaled(number, _COUNT)


def human_bytes(number: int) -> str:
    """A size."""
    return f"{number} B" if number < 1 << 10 else _scaled(number, _BYTES)


def human_energy(microjoules: int) -> str:
    """An energy."""
    return _scaled(microjoules, _ENERGY) if microjoules else "0 J"


def human_percent(part: float) -> str:
    """A share, already in percent."""
    return f"{part:.1f}%"


def printable(text: str) -> str:
    r"""A text of a guest without what a terminal would obey.

    >>> printable("\x1b[31mred")
    '\\x1b[31mred'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _scaled(value: float, steps: Steps) -> str:
    """`value` in the largest unit that it fills once it is rounded; the smallest unit takes the rest."""
    factor, unit = next((step for step in steps if value >= 0.9995 * step[0]), steps[-1])
    number = value / factor
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{decimals}f}{unit}"
