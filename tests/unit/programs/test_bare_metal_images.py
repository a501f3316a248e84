"""The bare-metal images: what is committed is what the sources give, and each works on every board's devices."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cells.programs.arm import NAMES, build, built_in
from hypervisor.abi.hypercalls import Metric
from hypervisor.abi.info_page import c_header
from tests.support.bare_metal import BOARDS, Board, machine, run

MIDR = {"CORTEX_A9": "410fc090", "1176": "410fb767", "926": "41069265", "PXA255": "69052d00"}
"""Unicorn's cores; its PXA255 is stepping A0."""

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def summary(console: str) -> dict[str, int]:
    """The last line of `ticker` as numbers."""
    words = console.splitlines()[-1].replace(",", "").split()
    return {name: int(words[words.index(name) + 1]) for name in ("min", "mean", "max", "skipped")} | {
        "ticks": int(words[1])
    }


# ---- the files


def test_the_header_is_what_the_table_of_fields_gives() -> None:
    header = build.SOURCES / "info_page.h"
    assert header.read_text() == c_header(), "out of date: run python -m cells.programs.arm.build --header"


def test_the_manifest_names_every_image_with_its_sum() -> None:
    manifest = json.loads((build.IMAGES / "manifest.json").read_text())
    assert manifest["toolchain"] == f"ziglang=={build.TOOLCHAIN}"
    for name in NAMES:
        data = built_in(name)
        assert manifest["images"][f"{name}.elf"] == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert sorted(path.name for path in build.IMAGES.glob("*.elf")) == [f"{name}.elf" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_small_and_says_nothing_of_where_it_was_built(name: str) -> None:
    data = built_in(name)
    assert len(data) < build.SIZE_LIMIT
    for trace in (b"/tmp", b"/home", b"/root", b"/usr", b"cellvisor-build", b"src/", str(Path.cwd()).encode()):
        assert trace not in data


@pytest.mark.slow
def test_the_committed_images_are_what_their_sources_give() -> None:
    pytest.importorskip("ziglang", reason="the tool chain is optional: pip install 'cellvisor[toolchain]'")
    assert build.differences(build.products(build.build_all())) == [], "run python -m cells.programs.arm.build"


def test_an_unknown_image_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        built_in("helo")


# ---- hello


@every_board
def test_hello_greets_from_every_board(board: Board) -> None:
    outcome = run("hello", board, args="one two=2")
    assert outcome.console == (
        f"hello from a bare-metal guest: processor {MIDR[board.cpu]}, 1 MiB of RAM at {board.ram_base:08x}\r\n"
        'arguments: "one two=2"\r\n'
    )
    assert (outcome.status, outcome.fault, outcome.misuse) == (0, "", [])


def test_hello_ends_with_the_status_that_it_is_given() -> None:
    assert run("hello", BOARDS["virt"], args="status=7").status == 7


def test_one_image_runs_wherever_its_ram_lies() -> None:
    moved = replace(BOARDS["versatile"], ram_base=0x8000_0000)  # ARMv5 without RAM at 0: vectors by the MMU
    outcome = run("ticker", moved, args="ticks=5")
    assert (outcome.status, outcome.misuse) == (0, [])
    assert outcome.waits == 5


# ---- ticker


@every_board
def test_a_ticker_alone_on_its_core_is_never_late(board: Board) -> None:
    outcome = run("ticker", board, args="ticks=50 period_us=1000")
    assert (outcome.status, outcome.fault, outcome.misuse) == (0, "", [])
    seen = summary(outcome.console)
    assert (seen["ticks"], seen["skipped"]) == (50, 0)
    microsecond = -(-board.info["timer_hz"] // 1_000_000)
    assert seen["min"] <= seen["mean"] <= seen["max"] <= microsecond
    assert outcome.waits == 50
    assert 50 * board.hz // 1000 <= outcome.cycles <= 51 * board.hz // 1000
    assert len(outcome.heartbeats) == 5
    assert outcome.reports[0][0] == Metric.LATENCY
    assert all(cycles <= board.hz // 1_000_000 for _, cycles in outcome.reports)


@every_board
def test_a_ticker_knows_how_long_it_was_kept_from_its_core(board: Board) -> None:
    millisecond = board.hz // 1000
    stolen = ((10 * millisecond + millisecond // 2, 5 * millisecond), (30 * millisecond, millisecond // 2))
    outcome = run("ticker", board, args="ticks=50", stolen=stolen)  # the loss begins at the tick that follows
    seen = summary(outcome.console)
    tick = -(-board.hz // board.info["timer_hz"])
    late = max(cycles for metric, cycles in outcome.reports if metric == Metric.LATENCY)
    assert abs(late - 5 * millisecond) <= 2 * tick + millisecond // 1000
    assert (seen["ticks"], seen["skipped"]) == (50, 5)
    buckets = [int(word) for word in outcome.console.splitlines()[-1].rpartition("histogram ")[2].split()]
    assert sum(buckets) == 50
    assert max(buckets) == 48  # two ticks were late, by how much depends on the timer's resolution


def test_a_ticker_gives_the_same_run_twice() -> None:
    stolen = ((1_000_000, 300_000),)
    first = run("ticker", BOARDS["kirkwood"], args="ticks=20", stolen=stolen)
    assert run("ticker", BOARDS["kirkwood"], args="ticks=20", stolen=stolen) == first


def test_a_ticker_reports_every_hundredth_tick_and_prints_when_it_is_told() -> None:
    outcome = run("ticker", BOARDS["virt"], args="ticks=300 period_us=100 print=100 heartbeat=0 work=0")
    assert [metric for metric, _ in outcome.reports] == [Metric.LATENCY] * 4  # the first one and three hundredths
    assert [line.split()[1] for line in outcome.console.splitlines()[1:]] == ["100", "200", "300"]
    assert outcome.heartbeats == []


def test_the_work_of_a_ticker_costs_it_time_in_every_tick() -> None:
    light, heavy = (run("ticker", BOARDS["virt"], args=f"ticks=10 work={work}") for work in (0, 20_000))
    assert heavy.cycles - light.cycles >= 3 * 20_000  # the last tick's alone: all others fit into the idle time
    assert summary(heavy.console)["max"] == 0


def test_a_ticker_without_an_end_ticks_on() -> None:
    outcome = run("ticker", BOARDS["virt"], cycles=20_000_000)
    assert outcome.status is None
    assert outcome.waits >= 199


# ---- hog


def test_a_hog_never_waits_and_computes_the_same_on_every_board() -> None:
    outcomes = [run("hog", board, args="rounds=6 report=2") for board in BOARDS.values()]
    assert {outcome.waits for outcome in outcomes} == {0}
    (reports,) = {tuple(outcome.reports) for outcome in outcomes}
    assert reports[:3] == ((Metric.PROGRESS, 2), (Metric.PROGRESS, 4), (Metric.PROGRESS, 6))
    assert reports[3][0] == Metric.CHECKSUM
    assert {outcome.console for outcome in outcomes} == {
        f"hog: started\r\nhog: 6 rounds, checksum {reports[3][1]:08x}\r\n"
    }


def test_a_hog_with_another_seed_computes_something_else() -> None:
    first, second = (run("hog", BOARDS["virt"], args="rounds=1", seed=seed).reports for seed in (2, 4))
    assert first != second


def test_a_hog_without_an_end_goes_on_and_beats_when_it_is_told() -> None:
    outcome = run("hog", BOARDS["virt"], args="report=2 heartbeat=1", cycles=500_000)
    assert outcome.status is None
    assert len(outcome.heartbeats) == len(outcome.reports) > 10


# ---- walker


@every_board
def test_a_walker_finds_its_ram_in_order(board: Board) -> None:
    outcome = run("walker", board, args="stride=256")
    assert (outcome.status, outcome.misuse) == (0, [])
    assert outcome.console.startswith("walker: ok, ")
    (checksum,) = (value for metric, value in outcome.reports if metric == Metric.CHECKSUM)
    assert f"checksum {checksum:08x}" in outcome.console


def test_a_walker_visits_every_word_to_the_last() -> None:
    walked = machine("walker", BOARDS["virt"], ram_size=256 << 10, args="rounds=1")
    assert walked.run(10_000_000).status == 0
    base = BOARDS["virt"].ram_base
    assert all(walked.word(base + offset) for offset in (0x20000, 0x20004, 0x3FFF8, 0x3FFFC))


def test_a_walker_finds_a_word_that_somebody_else_changed() -> None:
    honest = run("walker", BOARDS["virt"], args="stride=256")
    first = int(honest.console.partition(" from ")[2][:8], 16)
    walked = machine("walker", BOARDS["virt"], args="stride=256")
    walked.run(honest.cycles // 3)  # it fills for about half of the time
    wanted = walked.word(first)
    walked.scribble(first, wanted ^ 1)
    outcome = walked.run(honest.cycles)
    assert outcome.status == 1
    assert outcome.console == f"walker: BAD at {first:08x}: wrote {wanted:08x}, read {wanted ^ 1:08x}\r\n"


# ---- crash


@pytest.mark.parametrize(
    ("kind", "vector", "text"),
    [("undefined", 1, "undefined instruction"), ("svc", 2, "supervisor call")],
)
@every_board
def test_an_exception_that_nobody_expects_ends_the_guest_with_one_line(
    board: Board, kind: str, vector: int, text: str
) -> None:
    outcome = run("crash", board, args=f"kind={kind}")
    assert outcome.status == 0x80 + vector
    first, second = outcome.console.splitlines()
    assert first == "crash: here it comes"
    assert second.startswith(f"guest fault: {text} at ")


@pytest.mark.parametrize("kind", ["jump", "read", "write"])
def test_an_access_to_nothing_stops_the_core(kind: str) -> None:
    outcome = run("crash", BOARDS["virt"], args=f"kind={kind} address=0xe0000000")
    assert outcome.status is None
    assert "unmapped" in outcome.fault.lower()


def test_vectors_that_lead_nowhere_are_an_endless_storm() -> None:
    outcome = run("crash", BOARDS["virt"], args="kind=storm", cycles=10_000)
    assert (outcome.status, outcome.console) == (None, "crash: here it comes\r\n")


def test_a_guest_that_spins_never_ends() -> None:
    outcome = run("crash", BOARDS["virt"], args="kind=spin", cycles=100_000)
    assert (outcome.status, outcome.waits) == (None, 0)


def test_a_guest_may_end_in_disorder_by_its_own_will() -> None:
    outcome = run("crash", BOARDS["virt"], args="kind=exit status=3 after=100")
    assert (outcome.status, outcome.console) == (3, "crash: here it comes\r\ncrash: still here\r\n")
