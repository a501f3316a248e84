"""Run a story and give its steps."""

from __future__ import annotations

import json

from hypervisor.api import launch
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain.steps import Record, Step, between_marks, steps_of
from hypervisor.shell.explain.stories import STORIES
from hypervisor.shell.problems import InputError
from hypervisor.shell.topology.problems import nearest


def explain(subject: str, flavour: str, *, times: int = 1) -> list[Step]:
    """What happens in the story under a flavour, step by step; `times`: how often the guest does it.

    Raises:
        InputError: no such story or flavour, or the flavour has no such thing.
    """
    story = STORIES.get(subject)
    if story is None:
        raise InputError(f'explain: "{subject}" is not known; {nearest(subject, tuple(STORIES))}')
    if flavour not in FLAVOURS:
        raise InputError(f'--flavour: "{flavour}" is not known; {nearest(flavour, tuple(FLAVOURS))}')
    if FLAVOURS[flavour].most_cells == 1:
        why = "one guest owns the board: there is nobody to talk to, and no monitor to call"
        raise InputError(f"explain {subject}: nothing to see under {flavour}: {why}")
    if story.paravirtual and not FLAVOURS[flavour].has_pv:
        able = " or ".join(name for name, other in FLAVOURS.items() if other.has_pv)
        raise InputError(f"explain {subject}: {flavour} has no such thing here (choose {able})")
    return steps_of(between_marks(_records(story.describe(times), flavour)), FLAVOURS[flavour].costs)


def _records(description: dict[str, object], flavour: str) -> list[tuple[int, Record]]:
    chunks: list[bytes] = []
    with launch(description, flavour=flavour) as run:
        run.trace.on_chunk.append(chunks.append)
        run.run()
        run.trace.flush()
    return [(serial, json.loads(line)) for serial, line in enumerate(b"".join(chunks).splitlines(), 1)]
