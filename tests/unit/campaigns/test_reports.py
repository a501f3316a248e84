"""What a campaign's results become: counts, matrices, a table that fits, a drawing and a page that are well-formed."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns.account import count, matrices, spans
from hypervisor.shell.campaigns.campaign import Campaign, load_campaign
from hypervisor.shell.campaigns.report_files import write_report
from hypervisor.shell.campaigns.report_text import show
from hypervisor.shell.campaigns.runner import Directory, Result


def result(number: int, verdict: Verdict, **changes: object) -> Result:
    fields: dict[str, object] = {
        "id": f"{number:016x}",
        "topology": "storage",
        "flavour": "l4",
        "seed": 1,
        "fault": 0,
        "action": "kill",
        "cell": "storage",
        "at": 600_000,
        "verdict": str(verdict),
        "why": 'client: said "<b>&"',
        "cells": {"client": (str(verdict), ""), "storage": ("contained", "killed")},
        "detection": 600,
        "run": f"runs/{number:016x}",
    }
    return Result(**{**fields, **changes})  # type: ignore[arg-type]


RESULTS = [
    result(1, Verdict.CONTAINED),
    result(2, Verdict.ESCAPED),
    result(3, Verdict.MONITOR_FAILURE, flavour="xen", cells={}, detection=None),
    result(4, Verdict.NOT_ACTIVATED, flavour="xen", at=None, run="", detection=None),
]


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return load_campaign("storage_kills")


def shown(campaign: Campaign, width: int) -> str:
    out = io.StringIO()
    show(campaign, RESULTS, Path("out"), Console(file=out, width=width))
    return out.getvalue()


def test_counts_are_of_all_and_tell_of_what_is_to_be_feared_even_if_it_never_came() -> None:
    told = {each.verdict: each.times for each in count(RESULTS[:1])}
    assert told == {Verdict.CONTAINED: 1, Verdict.HANG: 0, Verdict.ESCAPED: 0, Verdict.MONITOR_FAILURE: 0}
    assert all(each.low <= each.times / each.of <= each.high for each in count(RESULTS))


def test_a_square_shows_the_worst_and_how_often() -> None:
    [l4, xen] = matrices(RESULTS)
    [row] = l4.rows
    assert row.whole.text == "escaped 1 of 2"
    assert [square and square.text for square in row.cells] == ["escaped 1 of 2", "contained 2"]
    assert xen.rows[0].whole.text == "monitor-failure 1 of 2"


def test_a_matrix_fits_the_terminal_and_the_worst_line_says_how_to_replay_it(campaign: Campaign) -> None:
    assert "escaped 1 of 2" in shown(campaign, 100)
    assert "esca*" in shown(campaign, 50)
    assert "cellvisor replay out/runs/0000000000000002" in shown(campaign, 100)


def test_the_page_and_the_drawings_are_well_formed_and_lead_to_each_other(campaign: Campaign, tmp_path: Path) -> None:
    written = write_report(campaign, RESULTS, tmp_path)
    assert [path.name for path in written] == ["matrix-storage-l4.svg", "matrix-storage-xen.svg", "report.html"]
    drawing = ElementTree.fromstring(written[0].read_text())
    links = {link.get("href") for link in drawing.iter("{http://www.w3.org/2000/svg}a")}
    page = written[2].read_text()
    assert links == {"report.html#storage-l4-kill-storage"}
    assert 'id="storage-l4-kill-storage"' in page
    assert "<b>&" not in page
    assert f"cellvisor replay {tmp_path}/runs/0000000000000002" in page


def test_results_go_through_their_file_and_broken_lines_are_left_out(campaign: Campaign, tmp_path: Path) -> None:
    directory = Directory(tmp_path / "c", campaign)
    known = [result(0, Verdict.MASKED, id=injection.id) for injection in campaign.injections[:2]]
    for each in (*known, result(9, Verdict.MASKED)):
        directory.add(each)
    with (tmp_path / "c" / "results.jsonl").open("a") as file:
        file.write('{"id": "' + known[0].id + '"}\n[]\n{"id"')
    assert directory.finished(campaign.injections) == known
    assert len((tmp_path / "c" / "results.jsonl").read_text().splitlines()) == 2


def test_spans_leave_out_what_does_not_apply() -> None:
    assert spans([None, 5, 1, None, 3]) == (3, 1, 3, 5)
    assert spans([None]) is None
