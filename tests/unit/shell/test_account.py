"""The account for people: golden texts at 100 and 80 columns, and nothing in it obeyed that a guest wrote."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from hypervisor.shell.account import sandbox_line, show_account, show_json
from hypervisor.shell.human import human_bytes, human_count, human_energy, human_percent, human_time
from hypervisor.shell.summary import (
    CellSummary,
    CoreSummary,
    HostCell,
    HostSummary,
    Latency,
    Metric,
    Summary,
)

SUMMARY = Summary(
    name="storage",
    flavour="okl4",
    board="beagle",
    seed=1,
    hz=500_000_000,
    time=80_000_000,
    ended="--for 160ms reached",
    trace_sha256="0123456789abcdef" * 4,
    cells={
        "linux": CellSummary(
            "running",
            ran=54_000_000,
            share_percent=67.5,
            switches=1_234,
            interrupts=567,
            instructions=48_000_000,
            exits={"hello": 1, "budget": 1_100, "wait": 133, "read": 12_345},
            wake_latency=Latency(133, 1_200, 25_000, 130_000, 900_000),
            energy_uj=12_345,
            console_bytes=20_480,
        ),
        "client": CellSummary(
            "failed",
            why="store to an unmapped address",
            ran=20_000_000,
            share_percent=25.0,
            switches=9,
            instructions=9_999,
            exits={"hello": 4, "budget": 3, "fault": 4},
            metrics={"latency": Metric(5, 1, 123_456_789, 1_000)},
            energy_uj=77,
            restarts=3,
        ),
    },
    cores=(CoreSummary(74_000_000, 6_000_000),),
    host=HostSummary(
        "shm",
        seconds=1.234,
        monitor_cpu_seconds=0.2,
        mips=38.9,
        cells={"linux": HostCell(0.9, 12 << 20, ("landlock",)), "client": HostCell(0.1, 7 << 20)},
    ),
    board_idle_uj=120,
    energy_assumed=True,
)

WIDE = """\
storage: okl4 on beagle, seed 1
modelled (the same in every run)
virtual time 160 ms, ended: --for 160ms reached
trace sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

cell    state        ran  share  switches  irqs  exits  instr.   energy
linux   running   108 ms  67.5%      1234   567  13.6k   48.0M  12.3 mJ
client  failed   40.0 ms  25.0%         9     0     11    9999  77.0 uJ

exits   hello  budget  wait   read  fault   console
linux       1    1100   133  12.3k      0  20.0 KiB
client      4       3     0      0      4       0 B

wake-up latency  count      min      p50     p99      max
linux              133  2.40 us  50.0 us  260 us  1.80 ms

reported  metric   last  min        max  count
client    latency     5    1  123456789   1000

client: store to an unmapped address; restarted 3 times
core 0: busy 148 ms (92.5%), idle 12.0 ms
energy: cells 12.4 mJ, board while idle 120 uJ (the board's figures of power are assumed)

measured on this host (differs from run to run)
1.23 s for 160 ms of virtual time, 38.9 MIPS, link shm
CPU: monitor 200 ms, cells 1.00 s
process     CPU  peak memory
linux    900 ms     12.0 MiB
client   100 ms     7.00 MiB
sandbox: linux without landlock; the others full
"""


def shown(summary: Summary, width: int) -> str:
    stream = io.StringIO()
    show_account(summary, Console(file=stream, width=width))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def test_the_account_at_100_columns() -> None:
    assert shown(SUMMARY, 100) == WIDE


def test_wider_terminals_get_the_same() -> None:
    assert shown(SUMMARY, 250) == WIDE


WORST = CellSummary(
    "shut down",
    why="a long reason " * 10,
    ran=79_999_999,
    share_percent=100.0,
    switches=99_940_000,
    interrupts=99_940_000,
    instructions=999_400_000,
    exits=dict.fromkeys(
        ("hello", "budget", "wait", "read", "write", "hypercall", "output", "fault", "shutdown"), 99_940_000
    ),
    wake_latency=Latency(99_940_000, 111_000_000, 111_000_000, 111_000_000, 111_000_000),
    metrics={"a metric with a very long name indeed": Metric(2**32 - 1, 2**32 - 1, 2**32 - 1, 99_940_000)},
    refusals=(
        (
            "a call with a very long name",
            "DENIED: for a reason that is longer than any line of the account",
            99_940_000,
        ),
    ),
    energy_uj=99_940_000,
    console_bytes=1023 << 10,
)


@pytest.mark.parametrize("width", [80, 100])
def test_the_worst_case_fits_and_no_number_is_cut(width: int) -> None:
    name = "a_cell_with_a_very_long_name_indeed"
    text = shown(replace(SUMMARY, cells={name: WORST}), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for number in ("100.0%", "99.9M", "999M", "99.9 J", "1023 KiB", "222 ms", "4294967295"):
        assert number in text, number
    assert text.count("99.9M") == 2 + 9 + 1 + 1 + 1


def test_plain_output_has_no_colour_and_a_terminal_has() -> None:
    assert "\x1b" not in shown(SUMMARY, 100)
    stream = io.StringIO()
    show_account(SUMMARY, Console(file=stream, width=100, force_terminal=True, color_system="standard"))
    assert "\x1b[1;31mfailed" in stream.getvalue()


def test_nothing_that_a_guest_wrote_is_obeyed() -> None:
    hostile = "\x1b[2J[bold]x[/bold]\nfake line\u202e"
    cell = CellSummary("failed", why=hostile, metrics={hostile: Metric.first(1)})
    text = shown(replace(SUMMARY, cells={"linux": cell}), 100)
    assert "\x1b" not in text
    assert r"linux: \x1b[2J[bold]x[/bold]\nfake line\u202e" in text
    assert "\nfake line" not in text


def test_parts_without_content_are_left_out_at_80_columns() -> None:
    quiet = replace(SUMMARY, cells={"rt": CellSummary("blocked")}, host=HostSummary("zmq", 0.0), energy_assumed=False)
    assert (
        shown(quiet, 80)
        == """\
storage: okl4 on beagle, seed 1
modelled (the same in every run)
virtual time 160 ms, ended: --for 160ms reached
trace sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

cell state   ran share switches irqs exits instr. energy
rt   blocked 0 s  0.0%        0    0     0      0    0 J

core 0: busy 148 ms (92.5%), idle 12.0 ms
energy: cells 0 J, board while idle 120 uJ

measured on this host (differs from run to run)
0 s for 160 ms of virtual time, 0.0 MIPS, link zmq
CPU: monitor 0 s, cells 0 s
"""
    )


def test_refusals_are_shown_the_most_frequent_first_and_not_endlessly() -> None:
    refusals = tuple((f"call {number}", "DENIED: no", number) for number in range(1, 41))
    text = shown(replace(SUMMARY, cells={"linux": CellSummary("running", refusals=refusals)}), 100)
    lines = [line.split() for line in text.splitlines() if "DENIED" in line or "more kinds" in line]
    assert lines[0] == ["linux", "call", "40", "DENIED:", "no", "40"]
    assert lines[-1] == ["linux", "...", "16", "more", "kinds", str(sum(range(1, 17)))]
    assert len(lines) == 25


def busy(*names: str) -> Summary:
    cell = CellSummary(
        "running",
        switches=7,
        exits={"hypercall": 40},
        cycles={"guest": 5_000, "hypercall": 400, "virq": 12, "ipc": 30_000},
        operations={"ipc": 20, "capability": 3},
    )
    return replace(SUMMARY, cells=dict.fromkeys(names, cell))


def test_what_mechanisms_did_is_a_table_of_causes_that_is_a_sum() -> None:
    assert """
mechanism   times  cycles   ping   pong
hypercall      80     800    400    400
virq                   24     12     12
capability      6       0      0      0
ipc            40   60.0k  30.0k  30.0k
""" in shown(busy("ping", "pong"), 100)


def test_of_many_cells_the_mechanisms_are_shown_in_sum() -> None:
    lines = shown(busy(*"abcde"), 80).splitlines()
    assert "mechanism  times cycles" in lines
    assert "ipc          100   150k" in lines


@pytest.mark.parametrize("width", [80, 100])
def test_long_names_do_not_make_the_mechanisms_too_wide(width: int) -> None:
    names = [f"a_cell_with_a_long_name_indeed_{number}" for number in range(4)]
    assert max(len(line) for line in shown(busy(*names), width).splitlines()) <= width


@pytest.mark.parametrize("width", [80, 100])
def test_a_virtual_tlb_shows_how_it_did(width: int) -> None:
    counted = {"vtlb_hits": 750, "vtlb": 250, "vtlb_upkeep": 12}
    with_one = replace(SUMMARY.cells["linux"], operations=counted, cycles={"vtlb": 103_600})
    text = shown(replace(SUMMARY, cells={**SUMMARY.cells, "linux": with_one}), width)
    line = next(line.split() for line in text.splitlines() if line.startswith("linux") and "75.0%" in line)
    assert line == ["linux", "1000", "750", "250", "75.0%", "12"]
    assert not any(line.startswith("client") and line.endswith("12") for line in text.splitlines())
    assert "virtual TLB" not in shown(SUMMARY, width)


def test_without_mechanisms_there_is_no_table_of_them() -> None:
    assert "mechanism" not in shown(SUMMARY, 100)


def test_a_run_of_no_cells_and_no_time_has_an_account() -> None:
    empty = replace(SUMMARY, cells={}, cores=(CoreSummary(0, 0),), time=0)
    assert "core 0: busy 0 s (0.0%), idle 0 s" in shown(empty, 80)


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        ([("a", ()), ("b", ())], "sandbox: full"),
        ([("a", ("landlock",))], "sandbox: a without landlock"),
        (
            [("a", ("landlock", "uid")), ("b", ("seccomp",)), ("c", ("landlock", "uid")), ("d", ())],
            "sandbox: a, c without landlock, uid; b without seccomp; the others full",
        ),
    ],
)
def test_the_sandbox_is_one_line(cells: list[tuple[str, tuple[str, ...]]], line: str) -> None:
    assert sandbox_line(cells) == line


def test_what_a_process_had_printed_at_its_end_is_told_by_its_first_line() -> None:
    cells = {
        "a": HostCell(said="\nno \x1b[2J threads\nFatal Python error: Aborted\n  at the end\n"),
        "b": HostCell(said="over" * 1000),
    }
    text = shown(replace(SUMMARY, host=replace(SUMMARY.host, cells=cells)), 100)
    assert "the process of a had printed: no \\x1b[2J threads (and 2 more lines, in summary.json)\n" in text
    assert "over" * 29 + "ov.." in text.replace("\n", "")


def test_json_is_the_summary_and_nothing_else() -> None:
    stream = io.StringIO()
    show_json(SUMMARY, stream)
    assert Summary.from_json(stream.getvalue()) == SUMMARY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (human_time(0, 1_000), "0 s"),
        (human_time(1, 1_000_000_000), "1.00 ns"),
        (human_time(999_600, 1_000_000_000), "1.00 ms"),
        (human_time(9_996, 1_000), "10.0 s"),
        (human_time(123_456, 1_000), "123 s"),
        (human_time(1 << 62, 1_000), "never"),
        (human_count(9_999), "9999"),
        (human_count(10_000), "10.0k"),
        (human_count(999_999), "1.00M"),
        (human_bytes(1_023), "1023 B"),
        (human_bytes(150 << 10), "150 KiB"),
        (human_energy(0), "0 J"),
        (human_energy(1_250), "1.25 mJ"),
        (human_percent(100 / 3), "33.3%"),
    ],
)
def test_numbers_for_people_have_three_digits_and_a_unit(text: str, expected: str) -> None:
    assert text == expected
