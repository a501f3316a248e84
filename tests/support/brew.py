"""A BREW-like personality in the test's own process: no cell, no monitor; time that nobody else needs.

bench = BrewBench(["bounce"])
bench.run(seconds=1)
assert bench.system.active == 0x01CE0001
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cells.personalities.brew.kernel import Kernel
from cells.personalities.brew.spec import BrewSpec
from cells.personalities.brew.system import System
from cells.programs import brew
from hypervisor.abi.records import ExitKind
from tests.support.arm import ONE
from tests.support.linux import CPUS, HZ, Over, World

IMAGES = Path(brew.__file__).parent / "images"


class Patient(World):
    """A world whose time ends between two handlers only: a little later, if one is under way."""

    busy: Callable[[], bool]

    def exit(self, kind: int, time: int, cycles: int, deadline: int, arguments: tuple[int, ...], *rest: object) -> int:
        """See `World`."""
        if kind == ExitKind.BUDGET and self.busy():
            self.start, self.end = time, time + HZ // 1000
            return 0
        return super().exit(kind, time, cycles, deadline, arguments, *rest)


class BrewBench:
    """A personality with modules: names of those that come with the project, or (name, file) for others.

    `run`: names of modules whose first applet starts. `typed`: (cycles, keys).
    """

    def __init__(
        self,
        run: Sequence[str] = (),
        *,
        modules: Sequence[str | tuple[str, bytes]] = ("bounce", "film", "rogue"),
        python: Mapping[str, str] = brew.PYTHON,
        architecture: str = "v5te",
        ram: int = 16 << 20,
        typed: Sequence[tuple[int, bytes]] = (),
        redirection: Mapping[str, int] | None = None,
    ) -> None:
        model, layout = CPUS[architecture]
        self.ram = mmap.mmap(-1, ram)
        files = [(each, (IMAGES / f"{each}.mod").read_bytes()) if isinstance(each, str) else each for each in modules]
        spec = BrewSpec(
            name="brew",
            hz=HZ,
            ram_base=0x8000_0000,
            ram_size=ram,
            unicorn_model=model,
            architecture=architecture,
            layout=layout,
            cycles=ONE,
            code_buffer=32 << 20,
            modules=tuple((name, len(data)) for name, data in files),
            python=tuple(python.items()),
            run=tuple(run),
            redirection=redirection or {},
        )
        self.kernel = Kernel(spec, self.ram, dict(files))
        self.world = Patient(typed, HZ)
        self.world.busy = lambda: bool(self.kernel.processor.depth)
        self._began = False

    @property
    def system(self) -> System:
        """What runs."""
        return self.kernel.system

    def run(self, seconds: float = 1) -> None:
        """Let time pass, up to a time since the beginning."""
        self.world.end = int(seconds * HZ)
        with suppress(Over):
            if not self._began:
                self._began = True
                self.kernel.begin(self.world)  # type: ignore[arg-type]
            self.kernel.loop()

    def later(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have something done as soon as time goes on."""
        assert self.system.later(function, *arguments)

    @property
    def output(self) -> str:
        """The log."""
        return bytes(self.world.output + self.kernel.port._output).decode()
