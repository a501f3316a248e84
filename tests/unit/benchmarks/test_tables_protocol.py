"""The protocol of the survey's tables is obeyed: what may decide a price, and what may not."""

from __future__ import annotations

import ast
import copy
import hashlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tables
from benchmarks.tables import cases
from benchmarks.tables.architectures import cells
from benchmarks.tables.figures import PAPER, TITLES, figure
from benchmarks.tables.model import Problem, solve
from benchmarks.tables.protocol import ProtocolError, checked, protocol, terms
from benchmarks.tables.scores import layout_effects
from boards import load_cpu

HERE = Path(tables.__file__).parent
TESTS = Path(__file__).parents[2]
ROWS = {row.name: row for table in TITLES for row in figure(table)}
SEVERAL_PARTS = {"fig11.page_fault": 256}
"""Rows of which an operation does many at once: pages of the mapping."""
PER_BYTES = re.compile(r"^bw_")


def data() -> dict[str, Any]:
    return tomllib.loads((HERE / "protocol.toml").read_text())


def test_every_table_of_the_survey_has_its_rows_and_a_source() -> None:
    count = {table: len(figure(table)) for table in TITLES if figure(table)}
    assert count == {
        "fig11": 19,
        "fig12": 12,
        "fig16": 18,
        "fig17": 14,
        "fig19": 16,
        "fig20": 6,
        "fig21": 8,
        "fig22": 4,
        "fig23": 3,
    }
    assert all(re.match(r"# Fig\. \d+ \[\d+\]", (PAPER / f"{table}.csv").read_text()) for table in count)


def test_every_cell_of_the_surveys_tables_is_as_it_was_transcribed() -> None:
    lines = [line.split() for line in (PAPER / "SHA256SUMS").read_text().splitlines() if not line.startswith("#")]
    kept = {name: digest for digest, name in lines}
    assert kept == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PAPER.glob("*.csv")}


def test_a_rate_is_the_time_of_one_and_back() -> None:
    row = ROWS["bw_pipe"]
    assert row.native_us == pytest.approx(1e6 / 42.79)
    assert row.from_us(row.native_us) == pytest.approx(row.native)
    assert row.virtualized_us > row.native_us


def test_no_fit_has_more_prices_than_rows_or_than_six() -> None:
    rules = protocol()
    for fit in rules.fits.values():
        assert len(fit.terms) <= rules.most_parameters == 6
        assert len(fit.terms) <= len(fit.calibration or rules.rows(fit)), fit.name


def test_calibration_rows_are_a_part_of_their_table() -> None:
    rules = protocol()
    shares = {fit.name: len(fit.calibration) / len(rules.rows(fit)) for fit in rules.fits.values() if fit.virtualized}
    assert all(0 < share < 0.5 for share in shares.values()), shares


def test_what_is_only_predicted_is_in_no_fit() -> None:
    rules = protocol()
    fitted = {row.key for fit in rules.fits.values() for row in rules.rows(fit)}
    for one in rules.predicted.values():
        hidden = {row.key for row in figure(one.table) if not one.rows or row.name in one.rows}
        assert not hidden & fitted, one.table


def test_a_price_that_a_board_says_is_not_fitted_and_is_of_every_answer() -> None:
    rules = protocol()
    fit = rules.fits["native-arm926"]
    line = load_cpu("arm926").memory["line_fill"].cycles / 266
    assert fit.known_prices == pytest.approx({"data_miss": line})
    made = [cases.Case(row, counts(place)) for place, row in enumerate(rules.rows(fit), 3)]
    found = solve(Problem(fit, rules, made, {case.row.key: 0.0 for case in made}))
    assert found.prices["data_miss"] == pytest.approx(line) and found.parameters == len(found.prices) - 1
    apart = {case.row.key: case.amount("data_miss") * line for case in made}
    without = replace(fit, known={})
    assert Problem(without, rules, made, apart).calibrated() == pytest.approx(
        {term: price for term, price in found.prices.items() if term != "data_miss"}
    )


WRONG = [
    (("fits", "native-arm926", "known"), {"data_miss": "arm9"}, "known: .*arm9"),
    (("fits", "native-arm926", "known"), {"magic": "arm926"}, "no such terms: magic"),
    (("predicted", "fig22", "stated"), ["nothing"], "stated: no such rows: nothing"),
    (("fits", "xen", "terms"), ["entry", "magic"], "no such terms: magic"),
    (("fits", "xen", "calibration"), ["fig17.nothing"] * 4, "no such rows: fig17.nothing"),
    (("fits", "xen", "calibration"), ["fig17.pipe"], "4 prices from 1 rows"),
    (("most_parameters",), 3, "prices, 3 are allowed"),
    (("fits", "xen", "column"), "both", "no such thing"),
    (("predicted", "fig16", "fit"), "none", "there is no fit 'none'"),
]


@pytest.mark.parametrize(("path", "value", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_a_protocol_that_cannot_be_done_is_refused(path: tuple[str, ...], value: object, said: str) -> None:
    wrong = copy.deepcopy(data())
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ProtocolError, match=said):
        checked(wrong)


def test_a_row_that_is_predicted_decides_no_price() -> None:
    rules = protocol()
    fit = rules.fits["xen"]
    made = [cases.Case(row, counts(place)) for place, row in enumerate(rules.rows(fit), 3)]
    given = {case.row.key: case.row.native_us for case in made}
    before = Problem(fit, rules, made, given).calibrated()
    other = [
        case
        if case.row.key in fit.calibration
        else replace(case, row=replace(case.row, virtualized=case.row.virtualized * 9))
        for case in made
    ]
    assert Problem(fit, rules, other, given).calibrated() == before
    moved = [replace(case, row=replace(case.row, virtualized=case.row.virtualized * 2)) for case in made]
    assert Problem(fit, rules, moved, given).calibrated() != before


def counts(place: int) -> dict[str, float]:
    names = {name for term in terms().values() for name in term.counters}
    return {name: float(1 + (place * (7 + order)) % 11) for order, name in enumerate(sorted(names))}


# ---- no constant named after a row


def test_no_source_of_the_model_names_a_row() -> None:
    for path in sorted(HERE.glob("*.py")):
        tree = ast.parse(path.read_text())
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents
        ]
        named = [text for text in texts if text.partition(".")[2] in ROWS or text in ROWS]
        assert not named, f"{path.name}: {named}"


def test_no_number_of_the_protocol_or_of_a_term_belongs_to_a_row() -> None:
    for name in ("protocol.toml", "terms.toml"):
        keys = list(numbers(tomllib.loads((HERE / name).read_text())))
        assert keys
        assert not [
            path for path in keys if set(path) & ROWS.keys() or any(part.partition(".")[2] in ROWS for part in path)
        ]


def numbers(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Where numbers stand in a file."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from numbers(part, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def test_a_row_is_made_of_operations_by_adding_and_taking_off_alone() -> None:
    made = {key: recipe for key, recipe in cases.recipes().items() if key.partition(".")[2] in ROWS}
    assert len(made) > 60
    for key, recipe in made.items():
        if any(PER_BYTES.match(name) for name in recipe) or key.startswith(("fig16", "fig20", "fig22", "fig23")):
            continue
        assert {abs(times) * SEVERAL_PARTS.get(key, 1) for times in recipe.values()} == {1.0}, key


def test_a_row_of_applications_is_a_script_whatever_its_input() -> None:
    script = {"fork_sh_dyn", "fork_exit_dyn", "fork_execve_dyn", "fork_execve"}
    made = {key: recipe for key, recipe in cases.recipes().items() if key.startswith("fig16") and set(recipe) & script}
    assert {row.key for row in figure("fig16")} - made.keys() == {"fig16.mplayer"}  # of no suite
    for key, recipe in made.items():
        programs = recipe.keys() - script
        assert {recipe[name] for name in programs} == {1.0}, key
        assert (recipe["fork_sh_dyn"], recipe["fork_exit_dyn"], recipe["fork_execve"]) == (1, 1, -len(programs)), key
        assert recipe.get("fork_execve_dyn", 0) in (len(programs) - 1, 1), key  # a program may be run twice
        short = made[key.removesuffix(".short") + ".short"]
        assert {name: recipe.get(name) for name in script} == {name: short.get(name) for name in script}, key


def test_the_same_row_is_made_alike_in_every_table() -> None:
    by_name: dict[str, set[str]] = {}
    for key, recipe in cases.recipes().items():
        if key.startswith(("fig11", "fig17", "fig19", "fig21")):
            by_name.setdefault(key.partition(".")[2], set()).add(str(sorted(recipe.items())))
    apart = {name for name, kinds in by_name.items() if len(kinds) > 1}
    assert apart <= {"fork_execve"}  # of Fig. 17: PROTOCOL.md


# ---- files that the scores depend on


def test_layout_effects_are_rows_and_say_their_source() -> None:
    assert layout_effects().keys() <= {row.key for table in TITLES for row in figure(table)}
    assert all("survey" in why or "same sentence" in why for why in layout_effects().values())


def test_the_numbers_of_protocol_md_are_those_of_the_file() -> None:
    text = (HERE / "PROTOCOL.md").read_text()
    assert "At most six prices" in text
    assert terms()["miss"].counters["l1d_write_miss"] == 0.15
    assert "counts 0.15 of a read miss" in text


def test_every_cell_of_figure_10_names_a_test_that_there_is() -> None:
    made = cells()
    assert {(cell.row, cell.flavour) for cell in made} == {
        (cell.row, name) for cell in made for name in ("l4", "xen", "okl4")
    }
    for cell in made:
        file, _, test = cell.test.partition("::")
        assert re.search(rf"^def {test}\(", (TESTS / file).read_text(), re.MULTILINE), cell.test
