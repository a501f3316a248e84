"""`cellvisor explain`: what is drawn is what happened, and only that."""

from __future__ import annotations

from collections import Counter

import pytest

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain.run import explain
from hypervisor.shell.explain.stories import STORIES
from hypervisor.shell.problems import InputError

TALKATIVE = [name for name, flavour in FLAVOURS.items() if flavour.most_cells != 1]


TOLD = [
    (subject, flavour)
    for subject, story in STORIES.items()
    for flavour in TALKATIVE
    if FLAVOURS[flavour].has_pv or not story.paravirtual
]


@pytest.mark.parametrize(("subject", "flavour"), TOLD)
def test_taking_the_operation_out_of_the_guest_takes_out_its_steps(subject: str, flavour: str) -> None:
    assert explain(subject, flavour, times=0) == []
    once = Counter(step.cause for step in explain(subject, flavour, times=1))
    twice = Counter(step.cause for step in explain(subject, flavour, times=2))
    assert once
    assert all(twice[cause] > once[cause] for cause in once)


def test_a_system_call_goes_through_the_four_transitions_of_the_survey() -> None:
    names = [step.cause for step in explain("syscall", "xen")]
    assert names == ["guest", "t20", "upcall", "t01", "guest", "t10", "t02"]


def test_a_page_fault_asks_for_its_page_in_between() -> None:
    names = [step.cause for step in explain("pagefault", "xen") if step.cause != "guest"]
    read_registers = ["t10", "t01"] * 2
    assert names == ["t20", "upcall", "t01", *read_registers, "t10", "page_table", "t01", "t10", "t02"]


def test_a_message_is_another_story_under_each_flavour() -> None:
    stories = {flavour: tuple(step.cause for step in explain("ipc", flavour)) for flavour in TALKATIVE}
    assert len(set(stories.values())) == len(TALKATIVE) >= 3


@pytest.mark.parametrize(
    ("subject", "flavour", "says"),
    [
        ("ipcc", "okl4", 'explain: "ipcc" is not known; did you mean ipc?'),
        ("ipc", "xne", '--flavour: "xne" is not known; did you mean xen?'),
        ("ipc", "native", "nothing to see under native"),
        ("syscall", "okl4", "explain syscall: okl4 has no such thing here"),
    ],
)
def test_bad_input_is_one_clear_line(subject: str, flavour: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("?", r"\?")):
        explain(subject, flavour)
