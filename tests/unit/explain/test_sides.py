"""Whether a story knows who ran: a process, its kernel, or the monitor in between; and the drawing of it."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest

from hypervisor.core.costs import Costs
from hypervisor.shell.explain.sides import KERNEL, MONITOR, PROCESS, sides_of
from hypervisor.shell.explain.steps import Step, steps_of
from hypervisor.shell.explain.svg import draw

EXIT = {"k": "exit", "why": "exception", "trap": 2, "start": 0}
STORIES = {
    "xen": ({"k": "t20"}, {"k": "upcall"}, {"k": "t01"}, EXIT, {"k": "t10"}, {"k": "t02"}),
    "l4": (
        {"k": "exception", "why": "swi"},
        {"k": "ipc"},
        {"k": "space_switch", "task": 1},
        EXIT,
        {"k": "exception", "why": "reply"},
        {"k": "space_switch", "task": 2},
    ),
    "okl4": ({"k": "exception", "why": "system_call"}, EXIT, {"k": "hypercall", "call": "run"}),
}


def steps(name: str) -> list[Step]:
    records = [{"t": 10 * place, "cell": "phone", **record} for place, record in enumerate((EXIT, *STORIES[name]), 1)]
    return steps_of(enumerate(records, 1), Costs())


@pytest.mark.parametrize("name", STORIES)
def test_a_system_call_goes_from_the_process_to_the_kernel_and_back(name: str) -> None:
    found = steps(name)
    assert [step.side for step in found if step.side != MONITOR] == [PROCESS, KERNEL]
    assert [step.enters for step in found if step.enters] == [KERNEL, PROCESS]
    assert found[-1].enters == PROCESS, "by the last step before it runs again"


def test_a_kernel_that_asks_for_something_goes_on_itself() -> None:
    records = [EXIT, {"k": "t20"}, {"k": "t01"}, EXIT, {"k": "t10"}, {"k": "page_table"}, {"k": "t01"}, EXIT]
    assert [after for _, after in sides_of(records)] == ["", "", KERNEL, "", "", "", KERNEL, ""]
    assert sides_of(records)[-1] == (KERNEL, "")


def test_cells_that_talk_have_no_sides() -> None:
    assert set(sides_of([EXIT, {"k": "ipc"}, {"k": "space_switch", "task": 2}])) == {("", "")}


@pytest.mark.parametrize("name", STORIES)
def test_the_drawing_has_a_lane_for_each_and_an_arrow_for_each_crossing(name: str) -> None:
    svg = Xml.fromstring(draw("a call", steps(name)))
    words = [element.text for element in svg.iter() if element.tag.endswith("text")]
    assert words[1:4] == [PROCESS, MONITOR, KERNEL]
    assert sum(element.tag.endswith("polygon") for element in svg.iter()) == 4
