"""The command `explain`: a story's steps as text, as SVG, as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain.run import counted, story_of
from hypervisor.shell.explain.run import explain as steps_of
from hypervisor.shell.explain.stories import is_alone
from hypervisor.shell.explain.svg import draw
from hypervisor.shell.explain.text import show_steps
from hypervisor.shell.problems import InputError
from hypervisor.shell.topology.checks import DEFAULT_FLAVOUR


@dataclass(frozen=True)
class ExplainOptions:
    """What `explain` is told."""

    subject: str
    flavour: str | None = None
    times: int = 1
    svg: Path | None = None
    as_json: bool = False


def explain(options: ExplainOptions) -> int:
    """Run the story and show it."""
    flavour = options.flavour or DEFAULT_FLAVOUR
    if flavour in FLAVOURS and is_alone(FLAVOURS[flavour]):
        return _count(options, flavour)
    steps = steps_of(options.subject, flavour, times=options.times)
    title = f"{story_of(options.subject, flavour).title}: {FLAVOURS[flavour].title}"
    if options.svg is not None:
        options.svg.write_text(draw(title, steps))
    if options.as_json:
        json.dump([dataclasses.asdict(step) for step in steps], sys.stdout, indent=2)
        print()
    else:
        show_steps(title, steps, Console(highlight=False))
        if options.svg is not None:
            print(f"drawn into {options.svg}")
    return 0


ALONE = "The kernel has the CPU for itself: exceptions enter its own vectors, and no monitor takes a step that could be shown."
COUNTED = {
    "cycles": "of the CPU, from the first instruction to the last",
    "instructions": "that it carried out, the kernel's own and those of its processes",
    "runs": "entries into a process, each with a way out: by a system call, a fault or an interrupt",
    "switches": "changes of the address space",
    "table_updates": "entries of page tables written by the kernel itself",
    "system_calls": "exceptions by svc",
    "faults": "aborts",
    "interrupts": "of the timer and the UART",
}
"""What `counted` knows: the first two from the CPU, the others from the kernel."""


def _count(options: ExplainOptions, flavour: str) -> int:
    """No steps, but figures."""
    figures = counted(options.subject, flavour, times=options.times)
    if options.svg is not None:
        raise InputError(
            f"--svg: there are no steps to draw under {flavour}, where the kernel has the CPU for itself (leave it out)"
        )
    if options.as_json:
        json.dump({"steps": [], "counted": figures}, sys.stdout, indent=2)
        print()
        return 0
    print(f"{story_of(options.subject, flavour).title}: {FLAVOURS[flavour].title}")
    print(f"{ALONE}\nWhat the CPU and the kernel counted:\n")
    for name, value in figures.items():
        print(f"{value:>9,}  {name.replace('_', ' '):<13}  {COUNTED.get(name, '')}")
    return 0
