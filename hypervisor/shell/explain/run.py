"""Run a story and give its steps."""

from __future__ import annotations

import json

from hypervisor.api import launch
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain.steps import Record, Step, between_marks, counts_between, steps_of
from hypervisor.shell.explain.stories import SUBJECTS, Story, find
from hypervisor.shell.problems import InputError
from hypervisor.shell.topology.problems import nearest


def story_of(subject: str, flavour: str) -> Story:
    """What is run for a subject under a flavour.

    Raises:
        InputError: no such subject or flavour, or the flavour has no such thing.
    """
    if subject not in SUBJECTS:
        raise InputError(f'explain: "{subject}" is not known; {nearest(subject, SUBJECTS)}')
    if flavour not in FLAVOURS:
        raise InputError(f'--flavour: "{flavour}" is not known; {nearest(flavour, tuple(FLAVOURS))}')
    story = find(subject, FLAVOURS[flavour])
    if story is None:
        able = " or ".join(name for name, other in FLAVOURS.items() if find(subject, other))
        raise InputError(f"explain {subject}: nothing to see under {flavour}, which has no such thing (choose {able})")
    return story


def explain(subject: str, flavour: str, *, times: int = 1) -> list[Step]:
    """What happens in the story under a flavour, step by step; `times`: how often the guest does it.

    Raises:
        InputError: see `story_of`.
    """
    description = story_of(subject, flavour).describe(times)
    return steps_of(between_marks(_records(description, flavour)), FLAVOURS[flavour].costs)


def counted(subject: str, flavour: str, *, times: int = 1) -> dict[str, int]:
    """What the CPU and the kernel of the story counted while it was done `times` times: all that is known where no monitor takes
    part. What the marks themselves cost is left out, by another run without the thing itself.

    Raises:
        InputError: see `story_of`.
    """
    story = story_of(subject, flavour)
    with_it, without = (counts_between(_records(story.describe(count), flavour)) for count in (times, 0))
    return {name: with_it[name] - without[name] for name in with_it}


def _records(description: dict[str, object], flavour: str) -> list[tuple[int, Record]]:
    chunks: list[bytes] = []
    with launch(description, flavour=flavour) as run:
        run.trace.on_chunk.append(chunks.append)
        run.run()
        run.trace.flush()
    return [(serial, json.loads(line)) for serial, line in enumerate(b"".join(chunks).splitlines(), 1)]
