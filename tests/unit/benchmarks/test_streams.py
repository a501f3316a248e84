"""What a driver domain does is charged to its client: arithmetic on made-up counts, and Fig. 20 from counts that are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

import benchmarks.streams
from benchmarks import machine_runs
from benchmarks.guest_session import Trouble
from benchmarks.operations import streams
from benchmarks.streams import SETTINGS, per_iteration
from benchmarks.tables import causes, split
from benchmarks.tables.bench import Bench, Line, Table
from benchmarks.tables.cases import Case, Measured
from benchmarks.tables.figures import Row, figure
from benchmarks.tables.model import Answer, Solved
from benchmarks.tables.parts import derived, term
from benchmarks.tables.protocol import NATIVE, VIRTUALIZED, terms
from benchmarks.tables.runs import Machines, Stored
from boards import load_board
from hypervisor.abi import counts as counted
from hypervisor.flavours import FLAVOURS

HERE = Path(__file__).parent
STREAMS: Mapping[str, Mapping[str, float]] = json.loads((HERE / "streams.json").read_text())
"""Counts of `python -m benchmarks.streams --json`, and of streams over the loopback interface, cut to the counters of terms."""
KERNEL = "debian:armmp"
COST, RATE = "fig20.tcp_cost", "fig20.tcp_throughput"


def source(kernel: str, operations: Sequence[str], *, caches: bool) -> Measured:
    kept = Stored(HERE / "counts.json")(kernel, operations, caches=caches)
    return {**kept, **{name: STREAMS[name] for name in operations if name in STREAMS}}


@cache
def table() -> Table:
    return Bench(source, ["fig20"]).table("fig20")


def line(key: str) -> Line:
    return next(each for each in table().lines if each.row.key == key)


def answer(key: str) -> Answer:
    found = line(key).answer
    assert found is not None
    return found


def fits() -> tuple[Solved, Solved]:
    return table().fits[NATIVE], table().fits[VIRTUALIZED]


def made(**some: float) -> Answer:
    """The virtualized column of a row with these counts, all others none."""
    zero = {name: 0.0 for each in derived().values() for name in each.counters}
    return split.virtualized_answer(Case(Row("fig20", "tcp_cost", "us/KiB", 10.0, 12.0), {**zero, **some}), *fits())


# ---- who pays what


def test_a_driver_domain_that_does_nothing_costs_nothing() -> None:
    assert made(client_instructions=5000, direct_instructions=5000).total == 10.0


def test_what_the_driver_domain_does_is_the_clients_at_native_prices_and_at_the_flavours() -> None:
    native, virtualized = fits()
    found = made(driver_instructions=1000, driver_svc=2, driver_irq=1)
    assert found.parts == pytest.approx(
        {
            "driver.instruction": 1000 * native.prices["instruction"],
            "driver.entry": 3 * native.prices["entry"],
            "driver_moved.entry": 3 * virtualized.prices["entry"],
        }
    )
    assert found.total == pytest.approx(10.0 + sum(found.parts.values()))


def test_what_the_client_is_spared_without_a_device_is_taken_off() -> None:
    price = fits()[0].prices["instruction"]
    found = made(client_instructions=4000, direct_instructions=5000)
    assert found.parts == pytest.approx({"client.instruction": -1000 * price})
    assert found.total == pytest.approx(10.0 - 1000 * price)


def test_the_hypervisors_work_has_the_prices_of_its_mechanisms() -> None:
    prices = fits()[1].prices
    copied = FLAVOURS["okl4"].costs.operations["copy"] / load_board("beagle").clock_hz * 1e6
    for counts, name, price in (
        ({"xen_switches": 2.0}, "switch", 2 * prices["switch"]),
        ({"xen_map": 3.0, "xen_unmap": 1.0}, "mapping", 4 * prices["page_table"]),
        ({"xen_copy": 100.0}, "copy", 100 * copied),
        ({"client_hvc": 2.0, "driver_hvc": 5.0, "direct_hvc": 3.0}, "call", 4 * prices["entry"]),
    ):
        assert made(**counts).parts == pytest.approx({f"hypervisor.{name}": price})


def test_the_shares_are_all_that_is_added() -> None:
    for key in (COST, "fig20.udp_cost"):
        found = answer(key)
        shares = split.charged(found)
        assert sum(shares.values()) == pytest.approx(found.total - found.case.row.native_us)
        assert shares["driver"] > 0.5 * (found.total - found.case.row.native_us)


def test_a_derived_term_counts_what_its_own_term_counts() -> None:
    names = {name for each in derived().values() for name in each.counters if not name.startswith("xen_")}
    known = set(counted.names(terms_functions(), caches=True, translations=True))
    assert {name.partition("_")[2] for name in names} <= known
    for base, one in terms().items():
        assert term(f"driver.{base}").counters == {f"driver_{name}": weight for name, weight in one.counters.items()}


def terms_functions() -> set[str]:
    named = {name for one in terms().values() for name in one.counters if name.startswith(counted.FUNCTION)}
    return {name.removeprefix(counted.FUNCTION) for name in named}


# ---- the figure


def test_every_row_of_the_figure_has_a_model_and_its_driver_domain_is_the_main_cause() -> None:
    rows = table().lines
    assert [each.row.name for each in rows] == [row.name for row in figure("fig20")]
    assert {each.kind for each in rows} == {"predicted"}
    assert all(causes.main(each.answer)[0].startswith("driver.") for each in rows if each.answer)
    assert all(each.native_beside and each.native_beside.total > 0 for each in rows if each.row.timed)


def test_a_rate_is_the_cost_of_its_bytes() -> None:
    for protocol in ("tcp", "udp"):
        cost, rate = answer(f"fig20.{protocol}_cost"), answer(f"fig20.{protocol}_throughput")
        kib = 1 << 7  # of a mebibit
        assert rate.total - rate.given == pytest.approx(kib * (cost.total - cost.given), rel=1e-6)


def test_a_load_is_of_the_runs_cycles_and_never_more_than_all() -> None:
    for name in ("tcp_load", "udp_load"):
        loads = line(f"fig20.{name}").loads
        assert loads is not None and all(50 < load <= 100 for load in loads)
    idle = {"direct_busy": 1.0, "direct_time": 4.0, "split_busy": 3.0, "split_time": 2.0}
    assert split.loads(Case(figure("fig20")[1], idle)) == (25.0, 100.0)


def test_no_price_comes_from_this_figure() -> None:
    for solved in fits():
        assert not [case.row.key for case in solved.problem.cases if case.row.table == "fig20"]
        assert "fig20" not in solved.problem.fit.tables


def test_a_remark_says_the_driver_domains_share_and_what_it_is_without_one() -> None:
    remark = next(text for text in table().remarks if text.startswith("tcp_cost"))
    share = split.charged(answer(COST))["driver"]
    assert f"driver domain {share:+.2f}" in remark
    assert "Over one kernel's loopback: 12.87 us/KiB" in remark


def test_without_its_counts_a_row_says_so() -> None:
    bare = Bench(Stored(HERE / "counts.json"), ["fig20"]).table("fig20")
    assert [each.missing for each in bare.lines][:3] == ["tcp_stream did not run"] * 3
    assert not bare.remarks


def test_streams_are_asked_of_who_runs_them_and_one_that_fails_spares_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []

    def plain(_kernel: str, names: Sequence[str], *, caches: bool) -> Measured:
        asked.append(tuple(names))
        return {name: {"svc": float(caches)} for name in names}

    def fails(names: Sequence[str]) -> Measured:
        raise Trouble(f"{', '.join(names)}: the network is down")

    monkeypatch.setattr(machine_runs, "counts", plain)
    monkeypatch.setattr(benchmarks.streams, "counts", fails)
    assert Machines()(KERNEL, ["null", "udp_stream", "nonsense"], caches=True) == {"null": {"svc": 1.0}}
    assert asked == [("null",)]
    assert capsys.readouterr().err == "cellvisor: bench: debian:armmp: udp_stream: the network is down\n"


# ---- from a run to counts


def test_what_a_long_stream_has_more_is_divided_by_the_blocks_that_arrived_more() -> None:
    stream = streams()["tcp_stream"]
    more = stream.iterations[1] - stream.iterations[0]
    short = {"direct_instructions": 900, "direct_bytes": 3 * stream.bytes, "direct_time": 50, "direct_busy": 40}
    blocks = more + 4  # four of them ahead of the first mark
    long = {
        "direct_instructions": 900 + 7 * blocks,
        "direct_bytes": (3 + blocks) * stream.bytes,
        "direct_time": 50 + 20 * more,
        "direct_busy": 40 + 10 * blocks,
    }
    found = per_iteration("direct", stream, short, long)
    assert found == {"direct_instructions": 7, "direct_bytes": stream.bytes, "direct_time": 20, "direct_busy": 10}
    with pytest.raises(Trouble, match="brought no more bytes"):
        per_iteration("direct", stream, short, short)


def test_all_that_was_sent_had_arrived_in_the_kept_run() -> None:
    for name, stream in streams().items():
        for setting in SETTINGS:
            assert STREAMS[name][f"{setting}_bytes"] == pytest.approx(stream.bytes)
