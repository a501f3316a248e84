"""`cellvisor explain`: what is drawn is what happened, and only that."""

from __future__ import annotations

from collections import Counter

import pytest

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain.run import explain
from hypervisor.shell.explain.stories import SUBJECTS, find
from hypervisor.shell.problems import InputError

TALKATIVE = [name for name, flavour in FLAVOURS.items() if flavour.most_cells != 1]


TOLD = [(subject, flavour) for subject in SUBJECTS for flavour in TALKATIVE if find(subject, FLAVOURS[flavour])]


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


def test_a_page_fault_under_l4_is_a_message_to_the_pager_and_a_page_back() -> None:
    names = [step.cause for step in explain("pagefault", "l4")]
    assert [name for name in names if name in ("page_fault", "ipc", "map")] == ["page_fault", "ipc", "map", "ipc"]


def test_a_message_is_another_story_under_each_flavour() -> None:
    stories = {flavour: tuple(step.cause for step in explain("ipc", flavour)) for flavour in TALKATIVE}
    assert len(set(stories.values())) == len(TALKATIVE) >= 3


@pytest.mark.parametrize(
    ("subject", "flavour", "says"),
    [
        ("ipcc", "okl4", 'explain: "ipcc" is not known; did you mean ipc?'),
        ("ipc", "xne", '--flavour: "xne" is not known; did you mean xen?'),
        ("ipc", "native", "nothing to see under native"),
        ("syscall", "okl4", "explain syscall: nothing to see under okl4, which has no such thing \\(choose xen\\)"),
    ],
)
def test_bad_input_is_one_clear_line(subject: str, flavour: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("?", r"\?")):
        explain(subject, flavour)
