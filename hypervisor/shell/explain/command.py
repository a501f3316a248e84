"""The command `explain`: a story's steps as text, as SVG, as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain.run import explain as steps_of
from hypervisor.shell.explain.run import story_of
from hypervisor.shell.explain.svg import draw
from hypervisor.shell.explain.text import show_steps
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
