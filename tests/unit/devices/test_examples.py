"""The examples in the documentation are run."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import devices
from devices import bench, device
from devices.bench import Bench

README = Path(devices.__file__).with_name("README.md")


@pytest.mark.parametrize("module", [device, bench])
def test_the_examples_of_a_module_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_the_example_device_of_the_readme_works(monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    example = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", example)  # dataclasses look their module up
    exec(compile(block[1], str(README), "exec"), example.__dict__)  # what people copy must run
    table = Bench(hz=1000)
    buzzer = example.Buzzer(table.wiring(), frequency=100)
    buzzer.registers.write(0x0, 4, 5)
    assert buzzer.deadline() == 50
    table.now = 49
    assert buzzer.registers.read(0x0, 4) == 1
    assert not table.level()
    table.now = 50
    assert buzzer.registers.read(0x0, 4) == 0
    assert table.level()
    buzzer.registers.write(0x4, 4, 1)
    assert not table.level()
