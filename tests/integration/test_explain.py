"""`cellvisor explain`: what is drawn is what happened, and only that."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

import pytest

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.explain import run
from hypervisor.shell.explain.command import ExplainOptions
from hypervisor.shell.explain.command import explain as command
from hypervisor.shell.explain.stories import SUBJECTS, find
from hypervisor.shell.problems import InputError

explain = functools.cache(run.explain)
counted = functools.cache(run.counted)
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
    names = [step.cause for step in explain("pagefault", "xen") if step.cause not in ("guest", "tlb_refill")]
    read_registers = ["t10", "t01"] * 2
    assert names == ["t20", "upcall", "t01", *read_registers, "t10", "page_table", "t01", "t10", "t02"]


def test_a_system_call_under_okl4_is_one_hypercall() -> None:
    assert [step.cause for step in explain("syscall", "okl4")] == ["guest", "exception", "guest", "hypercall"]


def test_a_page_fault_under_okl4_is_found_in_the_kernels_own_table_after_it_has_written_there() -> None:
    names = [step.cause for step in explain("pagefault", "okl4") if step.cause != "guest"]
    assert names == ["exception", "hypercall", "vtlb"]


def test_a_system_call_under_l4_is_two_messages_and_two_switches() -> None:
    names = [step.cause for step in explain("syscall", "l4")]
    assert [name for name in names if name in ("ipc", "space_switch")] == ["ipc", "space_switch"] * 2


def test_a_page_fault_of_a_cell_under_l4_is_a_message_to_the_pager_and_a_page_back() -> None:
    names = [step.cause for step in explain("pager", "l4")]
    assert [name for name in names if name in ("page_fault", "ipc", "map")] == ["page_fault", "ipc", "map", "ipc"]


KERNEL_STORIES = ("syscall", "pagefault", "interrupt", "fork", "signal")


@pytest.mark.parametrize("subject", KERNEL_STORIES)
def test_a_sleep_or_whatever_else_of_our_kernel_has_a_price_under_each_flavour(subject: str) -> None:
    prices = {flavour: sum(step.cycles for step in explain(subject, flavour)) for flavour in TALKATIVE}
    assert all(prices.values())
    assert len(set(prices.values())) == len(TALKATIVE)


@pytest.mark.parametrize("flavour", TALKATIVE)
def test_an_interrupt_comes_to_a_kernel_that_sleeps_after_its_process_has_called(flavour: str) -> None:
    steps = explain("interrupt", flavour)
    stops = [step.what.rpartition(": ")[2] for step in steps if "stops by an exception" in step.what]
    assert stops[0] == "swi"
    assert "irq" in stops
    assert steps[-1].time - steps[0].time > 50_000, "100 us of 600 MHz are 60,000 cycles"


@pytest.mark.parametrize(
    ("subject", "counts"),
    [
        ("syscall", {"system_calls": 1, "runs": 1}),
        ("pagefault", {"faults": 1, "table_updates": 1, "runs": 1}),
        ("interrupt", {"system_calls": 1, "interrupts": 1, "runs": 1}),
    ],
)
def test_under_native_there_are_no_steps_but_what_cpu_and_kernel_counted(subject: str, counts: dict[str, int]) -> None:
    assert explain(subject, "native") == []
    figures = counted(subject, "native")
    assert {
        name: value for name, value in figures.items() if value and name not in ("cycles", "instructions")
    } == counts
    assert figures["cycles"] > figures["instructions"] > 0
    assert counted(subject, "native", times=3)["system_calls"] == 3 * figures["system_calls"]


def test_under_native_the_command_says_why_there_is_nothing_to_draw(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command(ExplainOptions("fork", "native")) == 0
    said = capsys.readouterr().out
    assert "no monitor takes a step that could be shown" in said
    assert "switches       changes of the address space" in said
    with pytest.raises(InputError, match=r"^--svg: there are no steps to draw under native"):
        command(ExplainOptions("fork", "native", svg=tmp_path / "fork.svg"))
    assert not list(tmp_path.iterdir())


def test_a_message_is_another_story_under_each_flavour() -> None:
    stories = {flavour: tuple(step.cause for step in explain("ipc", flavour)) for flavour in TALKATIVE}
    assert len(set(stories.values())) == len(TALKATIVE) >= 3


@pytest.mark.parametrize(
    ("subject", "flavour", "says"),
    [
        ("ipcc", "okl4", 'explain: "ipcc" is not known; did you mean ipc?'),
        ("ipc", "xne", '--flavour: "xne" is not known; did you mean xen?'),
        ("ipc", "native", "nothing to see under native"),
        ("pager", "okl4", "explain pager: nothing to see under okl4, which has no such thing \\(choose l4\\)"),
    ],
)
def test_bad_input_is_one_clear_line(subject: str, flavour: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("?", r"\?")):
        explain(subject, flavour)
