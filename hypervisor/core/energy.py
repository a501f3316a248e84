"""Energy of a core and of a cell, from cycles and milliwatts.

The model has two states: a core is active (it runs a guest, or the monitor works for one) or idle. Power is constant
in each, so

    energy = (active cycles * active mW + idle cycles * idle mW) / hz      in millijoules

Both powers are of one core, and come from the board's file with their source. A cell answers for its active cycles at
full active power; idle time belongs to the board and to no cell. Arithmetic is exact (rational, also for powers like
0.5 mW) and rounded down to whole microjoules once, at the end: the sum over cells may fall short of the board by less
than one microjoule each.

>>> Power(active_mw=300, idle_mw=20, hz=400_000_000).microjoules(active=400_000_000, idle=0)
300000
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

UJ_PER_MJ = 1_000
"""mW * s = mJ, and we count in microjoules."""


@dataclass(frozen=True, slots=True)
class Power:
    """What one core of a board draws, and its clock.

    Raises:
        ValueError: a negative power or a clock that does not run.
    """

    active_mw: int | float | Fraction
    idle_mw: int | float | Fraction
    hz: int

    def __post_init__(self) -> None:
        if self.active_mw < 0 or self.idle_mw < 0:
            raise ValueError(f"power must not be negative: active {self.active_mw} mW, idle {self.idle_mw} mW")
        if self.hz <= 0:
            raise ValueError(f"the clock must be positive: {self.hz} Hz")

    def microjoules(self, active: int, idle: int = 0) -> int:
        """Energy of `active` and `idle` cycles (summed over cores), rounded down.

        For a cell give its active cycles only; for the board all of both.

        Raises:
            ValueError: a negative count.
        """
        if active < 0 or idle < 0:
            raise ValueError(f"cycles must not be negative: active {active}, idle {idle}")
        milliwatt_cycles = active * Fraction(self.active_mw) + idle * Fraction(self.idle_mw)
        return int(milliwatt_cycles * UJ_PER_MJ / self.hz)
