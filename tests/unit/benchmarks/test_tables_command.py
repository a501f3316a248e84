"""`cellvisor bench` over made-up counts: what it prints, writes, leaves out and refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks.context_tables import Claim
from benchmarks.operations import operations, streams
from benchmarks.tables import points
from benchmarks.tables.bench import Bench
from benchmarks.tables.cases import Counts, Measured, recipes
from benchmarks.tables.command import GROUPS, BenchOptions, bench, figures_of
from benchmarks.tables.figures import TITLES, figure
from benchmarks.tables.judged import shape
from benchmarks.tables.protocol import protocol, terms
from benchmarks.tables.runs import Machines, Stored, store
from benchmarks.tables.shapes import Own, fig8, fig13, fig18
from benchmarks.tables.summary import summary
from hypervisor.shell.problems import InputError

COUNTERS = sorted({name for term in terms().values() for name in term.counters})


def made_up(place: int) -> Counts:
    return {name: float((1 + place) * (1 + (place * (3 + order)) % 7)) for order, name in enumerate(COUNTERS)}


def kernels(without: str = "") -> dict[str, Measured]:
    names = [name for name in operations() if name != without]
    return {fit.kernel: {name: made_up(place) for place, name in enumerate(names)} for fit in protocol().fits.values()}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    store(tmp_path / "counts.json", kernels(), {})
    return tmp_path / "counts.json"


def test_a_table_has_a_line_for_each_row_and_says_what_it_is_worth(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(BenchOptions(("fig19",), counts=stored)) == 0
    out = capsys.readouterr().out
    for row in figure("fig19"):
        assert f"│ {row.name}" in out
    for words in (
        "null_syscall*",
        "calibrated on null_syscall, pipe, fork_exit (debian:armmp)",
        "each row left out",
        "free parameters",
    ):
        assert words in out


def test_an_explained_row_adds_up(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(BenchOptions(("fig19",), explain="pipe", counts=stored)) == 0
    out = capsys.readouterr().out
    assert "fig19.pipe, virtualized: calibrated" in out
    assert "native, as the survey has it" in out and "survey 54.45" in out
    assert "select_10" not in out


def test_json_is_all_of_the_output_and_has_every_row(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(BenchOptions(("fig17", "fig10"), as_json=True, counts=stored))
    data = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in data["fig17"]["rows"]] == [row.name for row in figure("fig17")]
    assert {cell["flavour"] for cell in data["fig10"]["cells"]} == {"l4", "xen", "okl4"}
    assert data["fig17"]["fits"]["virtualized"]["calibration"] == list(protocol().fits["xen"].calibration)


def test_files_and_pictures_are_written_and_the_counts_with_them(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bench(BenchOptions(("fig16", "fig8"), out=out, counts=stored))
    pictures = {f"{name}.{kind}" for name in ("fig14", "fig15", "fig8") for kind in ("png", "svg")}
    tables = {f"{name}.{kind}" for name in ("fig16", "fig8") for kind in ("csv", "json")}
    assert {path.name for path in out.iterdir()} == pictures | tables | {"counts.json"}
    with (out / "fig16.csv").open() as file:
        assert [row["row"] for row in csv.DictReader(file)] == [row.name for row in figure("fig16")]
    assert (out / "fig14.png").read_bytes().startswith(b"\x89PNG")
    again = Stored(out / "counts.json")("debian:rpi", ["pipe"], caches=True)
    assert again == {"pipe": kernels()["debian:rpi"]["pipe"]}


def test_what_is_written_says_what_its_counts_come_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path / "counts.json", kernels(), {"debian:armmp": "sha256 0"})
    bench(BenchOptions(("fig19",), as_json=True, counts=tmp_path / "counts.json"))
    assert json.loads(capsys.readouterr().out)["fig19"]["provenance"] == {"debian:armmp": "sha256 0"}
    found = Machines().provenance([])
    assert found.keys() == {"cellvisor", "unicorn", "python", "engine", "protocol"}
    assert len(found["engine"]) == len(found["protocol"]) == len("sha256 ") + 64


def test_an_operation_that_did_not_run_is_said_and_the_other_rows_stay(tmp_path: Path) -> None:
    store(tmp_path / "counts.json", kernels(without="write"), {})
    table = Bench(Stored(tmp_path / "counts.json"), ["fig17"]).table("fig17")
    missing = {line.row.name: line.missing for line in table.lines if line.missing}
    assert missing == {"write": "write did not run"}
    assert summary([table], 0.25).missing_rows == 1


def test_without_a_calibration_row_there_are_no_prices_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path / "counts.json", kernels(without="pipe"), {})
    assert bench(BenchOptions(("fig17",), counts=tmp_path / "counts.json")) == 1
    assert "xen cannot be fitted: not measured: fig17.pipe (pipe did not run)" in capsys.readouterr().out


def test_a_counter_that_nobody_counted_is_named(tmp_path: Path) -> None:
    cut = {
        name: {key: value for key, value in one.items() if not key.endswith("_kept")} for name, one in _one().items()
    }
    store(tmp_path / "counts.json", {"debian:marvell@pxa255": cut}, {})
    table = Bench(Stored(tmp_path / "counts.json"), ["fig21"]).table("fig21")
    assert "nobody counted l1d_read_miss_kept" in table.problems[0]


def _one() -> Measured:
    return kernels()["debian:marvell@pxa255"]


def test_each_kernel_is_asked_once_for_what_the_tables_need() -> None:
    asked: list[str] = []

    def source(kernel: str, operations: object, *, caches: bool) -> Measured:
        asked.append(kernel)
        assert caches
        return kernels()[kernel]

    bench_ = Bench(source, ["fig11", "fig12", "fig16"])
    for name in ("fig11", "fig12", "fig16"):
        bench_.table(name)
    assert asked == ["debian:rpi"]


def test_every_operation_of_a_recipe_is_known_or_the_row_says_so() -> None:
    unknown = {name for recipe in recipes().values() for name in recipe} - operations().keys() - streams().keys()
    assert unknown == set()
    assert {
        name for table in points.RECIPES.values() for recipe in table.values() for name in recipe
    } <= operations().keys()


# ---- figures without values


def test_sentences_without_values_hold_or_not_by_our_points(stored: Path) -> None:
    judged = shape("fig13", Bench(Stored(stored), ["fig13"]))
    assert len(judged.claims) == 3 and not judged.missing
    assert len(judged.curves["native"]) == len(points.MEMORY_KIB)


def test_a_point_that_did_not_run_is_named_and_nothing_is_judged(tmp_path: Path) -> None:
    store(tmp_path / "counts.json", kernels(without="lat_mem_32"), {})
    judged = shape("fig13", Bench(Stored(tmp_path / "counts.json"), ["fig13"]))
    assert (judged.missing, list(judged.claims)) == ("did not run: lat_32", [])


def contexts(native: float, virtualized: dict[int, float]) -> dict[str, points.Point]:
    return {
        f"{several}p_{kib}k": points.Point(native, virtualized[several])
        for several in points.PROCESSES
        for kib in points.CONTEXT_KIB
    }


def test_figure_8_asks_for_a_gain_that_shrinks_with_processes() -> None:
    assert [claim.holds for claim in fig8(contexts(100, {2: 10, 4: 20, 8: 50})).claims] == [True, True]
    assert [claim.holds for claim in fig8(contexts(100, {2: 80, 4: 60, 8: 50})).claims] == [False, False]


def test_figure_18_asks_for_some_fifty_microseconds() -> None:
    assert fig18(contexts(100, {2: 150, 4: 150, 8: 150}), Own()).claims[0].holds
    assert not fig18(contexts(100, {2: 105, 4: 105, 8: 105}), Own()).claims[0].holds


def test_figure_13_asks_for_the_drop_at_the_caches_size() -> None:
    flat = {f"lat_{kib}": points.Point(1, 1) for kib in points.MEMORY_KIB}
    flat |= {f"{way}_{kib}": points.Point(1, 1) for way in points.TRANSFERS for kib in points.TRANSFER_KIB}
    assert [claim.holds for claim in fig13(flat).claims] == [True, False, True]
    steep = (
        flat
        | {f"lat_{kib}": points.Point(9, 9) for kib in points.MEMORY_KIB if kib > 16}
        | {"wr_512": points.Point(9, 9)}
    )
    assert [claim.holds for claim in fig13(steep).claims] == [True, True, False]


def test_figure_18_has_the_sentences_of_our_own_kernel_beside_the_first(stored: Path) -> None:
    own = Own([Claim("lockdown helps slightly ...", True, "0.1 us", "")], {"xen, TLB lockdown": [(0, 1.0)]})
    judged = shape("fig18", Bench(Stored(stored), ["fig18"]), lambda: own)
    assert [claim.says for claim in judged.claims] == [
        "virtualization adds about 50 us to a switch",
        "lockdown helps slightly ... (own kernel)",
    ]
    assert set(judged.curves) == {"native, 2 processes", "virtualized, 2 processes"}
    assert judged.more == {"us, own kernel": own.curves}


# ---- bad input


def test_what_stands_for_several_figures_is_in_the_surveys_order() -> None:
    assert figures_of(("fig17", "fig11", "fig14")) == ["fig11", "fig16", "fig17"]
    assert figures_of(("all",)) == list(TITLES)
    assert {name for names in GROUPS.values() for name in names} == set(TITLES)


BAD = [
    (BenchOptions(("fig9",)), "there is no table 'fig9': take fig8, fig10"),
    (BenchOptions(("fig17",), explain="nothing"), "--explain nothing: no such row in fig17; rows: bw_pipe"),
    (BenchOptions(("fig11", "fig17"), explain="pipe"), "several tables have it: take fig11.pipe or fig17.pipe"),
    (BenchOptions(("fig10",), explain="pipe"), "no such row in fig10; rows: memory, execution"),
    (BenchOptions(("fig17",), explain="fork_exlt"), "no such row in fig17 (did you mean fork_exit?)"),
    (BenchOptions(("goals",), explain="pipe"), "no such row in what was asked for; rows: none"),
    (BenchOptions(("fig17",), explain="pipe", out=Path("x")), "--explain prints one row and writes no files"),
    (BenchOptions(("headline",)), "there is no table 'headline' (did you mean headlines?)"),
    (BenchOptions(()), "say which table, or --list"),
    (BenchOptions(("fig17",), counts=Path("/nowhere/counts.json")), "--counts /nowhere/counts.json: No such file"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[said for _, said in BAD])
def test_bad_input_is_one_line(options: BenchOptions, said: str) -> None:
    with pytest.raises(InputError) as told:
        bench(options)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_counted(
    stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Stored, "__call__", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(OSError, match="/proc/x"):
        bench(BenchOptions(("fig17",), counts=stored, out=Path("/proc/x")))
    assert capsys.readouterr().out == ""


FILE = '{"format": "cellvisor counts 1", "kernels": {"a": {"b": {"c": %s}}}}'


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"kernels": {}}', *(FILE % value for value in ('"d"', "NaN", "1e999", "1" * 400, "true"))],
)
def test_a_file_that_has_no_counts_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text(text)
    with pytest.raises(InputError, match=r"no JSON|no file of counts"):
        bench(BenchOptions(("fig17",), counts=tmp_path / "counts.json"))
