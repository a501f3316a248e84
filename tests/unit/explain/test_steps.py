"""From trace records to steps and drawings."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as Xml

from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall
from hypervisor.core.costs import Costs
from hypervisor.shell.explain.steps import MARK, between_marks, call_name, steps_of, totals
from hypervisor.shell.explain.svg import draw

COSTS = Costs(world_switch=70, hypercall=300, device_exit=200, virq=500)


def call(time: int, number: int, **more: Any) -> dict[str, Any]:
    return {"t": time, "k": "exit", "cell": "a", "start": time - 10, "why": "hypercall", "call": number, **more}


def numbered(*records: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(records, 1))


def test_only_what_lies_between_the_marks_is_shown():
    mark = call(0, Hypercall.REPORT, data=MARK)
    records = numbered(call(1, 5), mark, call(2, 2), call(3, 3), mark, call(4, 4))
    assert [serial for serial, _ in between_marks(records)] == [3, 4]


def test_without_a_second_mark_nothing_is_shown():
    assert list(between_marks(numbered(call(0, Hypercall.REPORT, data=MARK), call(1, 2)))) == []


def test_a_step_has_the_serial_and_the_cycles_of_its_record():
    records = numbered(
        call(20, Hypercall.TIME),
        {"t": 20, "k": "ipc", "cell": "a", "cycles": 151, "from": "a", "to": "b"},
        {"t": 90, "k": "switch", "cell": "b", "core": 0, "from": "a", "cause": "hypercall"},
        {"t": 95, "k": "irq", "cell": "b", "line": 3, "level": 1, "cause": "timer1"},
        {"t": 96, "k": "irq", "cell": "b", "line": 3, "level": 0, "cause": "timer1"},
        {"t": 99, "k": "exit", "cell": "b", "start": 95, "why": "read", "addr": 4096, "size": 4},
    )
    steps = steps_of(records, COSTS)
    assert [(step.serial, step.cause, step.cycles) for step in steps] == [
        (1, "hypercall", 300),
        (2, "ipc", 151),
        (3, "world_switch", 70),
        (4, "virq", 500),
        (5, "virq", 0),
        (6, "device_exit", 200),
    ]
    assert steps[1].other == "b"
    assert totals(steps) == {
        "guest": 14,
        "hypercall": 300,
        "ipc": 151,
        "world_switch": 70,
        "virq": 500,
        "device_exit": 200,
    }


def test_calls_are_named_as_documentation_names_them():
    assert call_name(Hypercall.NOTIFY) == "NOTIFY"
    assert call_name(XEN_CALLS + 32) == "xen hypercall 32"
    assert call_name(200) == "number 200"


def test_every_step_is_in_the_drawing_with_its_serial():
    steps = steps_of(numbered(call(20, 2), {"t": 20, "k": "notify", "cell": "a", "cycles": 9, "to": "b"}), COSTS)
    svg = Xml.fromstring(draw("title", steps))
    words = [element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "title" in words
    assert [word.split()[0] for word in words if word.startswith("#")] == ["#1", "#2"]
    assert {"monitor", "a"} <= set(words)
