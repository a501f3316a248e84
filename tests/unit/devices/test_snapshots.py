"""Every model's state is plain data, and a model built from a copy of it goes on where the first was."""

from __future__ import annotations

import copy
import random
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import pytest

from devices import MODELS, NEVER
from devices.bench import Bench

OUTPUTS = 4


def plain(value: object) -> bool:
    """Whether a value is made of ints, bytes, lists, and sparse tables by number only."""
    if isinstance(value, list):
        return all(plain(item) for item in value)
    if isinstance(value, dict):
        return all(plain(item) for item in (*value, *value.values()))
    return type(value) in (int, bytes, bytearray)


def numbers(value: Any) -> list[int]:
    """The numbers in it, bytes aside."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, int)]


def touch(device: Any, bench: Bench, dice: random.Random, accesses: int) -> list[int]:
    """Use a device at random (the dice are seeded): what was read, and the levels of its lines after each access."""
    seen: list[int] = []
    offsets = sorted(device.registers.registers)
    inputs = [device.line(number) for number in (3, 4, 35, 40) if accepts(device, number)]
    for _ in range(accesses):
        bench.now += dice.randrange(40)
        offset = dice.choice(offsets)
        if dice.random() < 0.5:
            seen.append(device.registers.read(offset, 4))
        else:
            device.registers.write(offset, 4, dice.choice((0, 1, 3, 0x20, 0xA3, 0xE3, 0xFFFF_FFFF, 20)))
        if inputs:
            dice.choice(inputs)(dice.random() < 0.5)
        if hasattr(device, "receive"):
            device.receive(bytes([dice.randrange(256)]))
        seen += [bench.level(output) for output in range(OUTPUTS)]
    return seen


def accepts(device: Any, number: int) -> bool:
    if not hasattr(device, "line"):
        return False
    try:
        device.line(number)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("seed", range(3))
def test_a_model_built_from_a_copy_of_the_state_behaves_the_same(name: str, seed: int) -> None:
    first_bench = Bench(hz=1000)
    first = MODELS[name](first_bench.wiring(OUTPUTS))
    touch(first, first_bench, random.Random(seed), 60)

    second_bench = Bench(hz=1000)
    second_bench.now = first_bench.now
    second = MODELS[name](second_bench.wiring(OUTPUTS), copy.deepcopy(first.state))
    assert [second_bench.level(n) for n in range(OUTPUTS)] == [first_bench.level(n) for n in range(OUTPUTS)]
    assert second.deadline() == first.deadline()

    more = [
        touch(device, bench, random.Random(seed + 100), 60)
        for device, bench in ((first, first_bench), (second, second_bench))
    ]
    assert more[0] == more[1]
    assert second.state == first.state
    assert second_bench.misuses == first_bench.misuses[len(first_bench.misuses) - len(second_bench.misuses) :]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_state_is_one_dataclass_of_plain_values_that_fit_64_bits(name: str) -> None:
    bench = Bench(hz=1000)
    device = MODELS[name](bench.wiring(OUTPUTS))
    touch(device, bench, random.Random(9), 100)
    assert is_dataclass(device.state)
    snapshot: Any = device.state
    for key, value in asdict(snapshot).items():
        assert plain(value), key
        for number in numbers(value):
            assert -1 <= number < 1 << 64, key


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("seed", range(3))
def test_after_a_reset_a_model_is_as_new_but_for_what_it_keeps(name: str, seed: int) -> None:
    bench = Bench(hz=1000)
    device = MODELS[name](bench.wiring(OUTPUTS))
    touch(device, bench, random.Random(seed), 100)
    kept = {key: copy.deepcopy(getattr(device.state, key)) for key in device.KEPT}
    device.reset()
    later = Bench(hz=1000)
    later.now = bench.now
    new = MODELS[name](later.wiring(OUTPUTS))
    for each in fields(device.state):
        if each.name != "misused":
            expected = kept.get(each.name, getattr(new.state, each.name))
            assert getattr(device.state, each.name) == expected, each.name
    assert not any(bench.level(output) for output in range(OUTPUTS))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_fresh_model_is_silent_and_waits_for_nothing(name: str) -> None:
    bench = Bench(hz=1000)
    device = MODELS[name](bench.wiring(OUTPUTS))
    device.advance()
    assert bench.changes == []
    assert device.deadline() == NEVER


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_access_whatever_breaks_a_model(name: str) -> None:
    bench = Bench(hz=1000)
    device = MODELS[name](bench.wiring(OUTPUTS))
    for offset in (*range(0, 0x100), 0xFFF, 0x1000, 0x10004, 1 << 40):
        for size in (1, 2, 4, 8, 0, 3):
            value = device.registers.read(offset, size)
            assert 0 <= value <= 0xFFFF_FFFF
            device.registers.write(offset, size, 0xFFFF_FFFF_FFFF_FFFF)
    assert len(bench.misuses) <= 16


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_can_print_its_registers(name: str) -> None:
    table = MODELS[name](Bench().wiring(OUTPUTS)).registers.describe()
    assert len(table.splitlines()) >= 4
