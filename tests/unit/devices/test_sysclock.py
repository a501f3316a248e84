"""The clock register."""

from __future__ import annotations

from devices import SysClock
from devices.bench import Bench


def test_it_shows_virtual_time_as_two_words() -> None:
    bench = Bench(hz=700_000_000)
    clock = SysClock(bench.wiring())
    bench.now = 0x1_2345_6789
    assert clock.registers.read(0, 4) == 0x2345_6789
    assert clock.registers.read(4, 4) == 1


def test_the_upper_half_belongs_to_the_last_read_of_the_lower() -> None:
    bench = Bench()
    clock = SysClock(bench.wiring())
    bench.now = 0xFFFF_FFFF
    assert clock.registers.read(0, 4) == 0xFFFF_FFFF
    bench.now = 0x1_0000_0005
    assert clock.registers.read(4, 4) == 0


def test_it_says_how_fast_it_runs() -> None:
    clock = SysClock(Bench(hz=5_000_000_000).wiring())
    assert clock.registers.read(8, 4) | clock.registers.read(12, 4) << 32 == 5_000_000_000


def test_it_cannot_be_set() -> None:
    bench = Bench()
    SysClock(bench.wiring()).registers.write(0, 4, 1)
    assert bench.misuses == ["write of 4 bytes at offset 0x000: LOW is not for that"]
