"""The real-time personality in cells, under every architecture: tasks in C and Python, an interrupt of a device, another
cell in the way."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cells.personalities import rtos
from hypervisor.api import Run

pytestmark = pytest.mark.slow
Live = Callable[..., Run]
FLAVOURS = ("native", "okl4", "l4", "xen")
TASKS = """
    from cells.personalities.rtos.task import Work

    LOAD, CONTROL, CLEAR = 0x00, 0x08, 0x0C
    PERIODIC = 0xE2  # enabled, again and again, with its interrupt, 32 bits (DDI 0271, 3.2)

    def main(rtos, count):
        told = rtos.port.boot["devices"]["timer1"]
        ticks, base = rtos.semaphore("ticks"), told["base"]

        def handler(line):
            rtos.port.store(base + CLEAR, 1)
            ticks.post()

        rtos.on_line(told["line"], handler)
        busy = rtos.task("busy", computes(), priority=1)
        rtos.task("ticks", listens(rtos, base, ticks, count, busy), priority=20)

    def listens(rtos, base, ticks, count, busy):
        rtos.port.store(base + LOAD, 2000)  # microseconds
        rtos.port.store(base + CONTROL, PERIODIC)
        for number in range(count):
            yield ticks.take()
            rtos.report("tick", rtos.micros(rtos.now()))
        rtos.port.store(base + CONTROL, 0)
        yield rtos.end(busy)

    def computes():
        while True:
            yield Work(50_000)
"""


def topology(directory: Path, **others: Any) -> Path:
    """A cell with tasks in Python and in ARM code, which owns a timer."""
    (directory / "tasks.py").write_text(textwrap.dedent(TASKS))
    path = directory / "rt.toml"
    path.write_text(
        'name = "rt"\nboard = "evoke_qa4"\n[cells.rt]\npersonality = "rtos"\nrun = ["tasks:main", "example"]\n'
        'args = [5]\ndevices = ["timer1"]\nram = "4MiB"\npriority = 9\n'
        + "".join(f"[cells.{name}]\n{text}\n" for name, text in others.items())
    )
    return path


def test_the_example_of_the_readme_runs_as_it_stands_there(live: Live, tmp_path: Path) -> None:
    readme = (Path(rtos.__file__).parent / "README.md").read_text()
    [program] = re.findall(r"```python\n(# mine.py\n.*?)```", readme, re.DOTALL)
    [cell] = re.findall(r"```toml\n(cells.rt = .*?)```", readme, re.DOTALL)
    (tmp_path / "mine.py").write_text(program)
    (tmp_path / "rt.toml").write_text(f'name = "rt"\nboard = "evoke_qa4"\n{cell}')
    run = live(tmp_path / "rt.toml")
    run.run()
    said = run.console("rt").decode().splitlines()
    assert [line for line in said if line.isdigit()] == [str(number) for number in range(20)]
    assert "done" in said, "the image runs beside it"
    assert run.summary().cells["rt"].why == "status 0"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_tasks_in_c_and_python_share_a_cell_and_an_interrupt_preempts_both(
    live: Live, tmp_path: Path, flavour: str
) -> None:
    run = live(topology(tmp_path), flavour=flavour)
    run.run()
    cell = run.summary().cells["rt"]
    assert run.console("rt") == b"sum 1225\ndone\n"
    assert (cell.state, cell.why) == ("shut down", "status 0")
    tick = cell.metrics["tick"]
    assert (tick.count, tick.min // 1000, tick.last // 1000) == (5, 2, 10), "each 2 ms, whoever computes"
    assert [name for name in cell.metrics if name.endswith("missed")] == ["example.sampler missed"]
    assert cell.metrics["example.sampler missed"].last == 0


def test_a_cell_that_computes_below_it_does_not_delay_it(live: Live, tmp_path: Path) -> None:
    path = topology(tmp_path, hog='image = "hog"\npriority = 1')
    run = live(path)
    run.until("1s")
    cell = run.summary().cells["rt"]
    assert cell.metrics["example.sampler missed"].last == 0
    assert cell.metrics["tick"].last // 1000 == 10


def test_a_fault_of_a_task_is_named_and_the_cell_says_so_at_its_end(live: Live, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "def main(rtos):\n    rtos.task('breaks', one(), priority=1)\n\n\ndef one():\n    yield 7\n"
    )
    path = tmp_path / "broken.toml"
    path.write_text(
        'name = "b"\nboard = "arm926"\n[cells.rt]\npersonality = "rtos"\nrun = ["broken:main"]\nram = "1MiB"\n'
    )
    run = live(path)
    run.run()
    assert b"rt: breaks yields int, which is neither Work nor a call" in run.console("rt")
    assert run.summary().cells["rt"].why == "status 1"
