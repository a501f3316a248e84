"""`python -m benchmarks.marks`: counts between two marks of a run, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.marks import main, marked


def mark(number: int, times: int, **counts: int) -> dict[str, object]:
    return {"t": 5, "k": "mark", "cell": "a", "id": number, "times": times, **counts}


TRACE = [
    mark(1, 0, svc=3, instructions=100),
    {"t": 6, "k": "exit", "cell": "a", "why": "mark"},
    mark(2, 0, svc=3, instructions=120),
    mark(1, 10, svc=13, instructions=600),
    mark(2, 4, svc=15, instructions=640),
]


def test_counts_of_an_operation_are_those_between_its_marks_divided_by_the_turns() -> None:
    found = marked(TRACE)
    assert [(one.id, one.times, dict(one.counts)) for one in found] == [
        (1, 10, {"svc": 1.0, "instructions": 50.0}),
        (2, 4, {"svc": 3.0, "instructions": 130.0}),
    ]


def test_an_end_without_its_begin_is_nothing() -> None:
    assert marked([mark(1, 10, svc=13)]) == []


def test_a_run_directory_is_shown_as_a_table_or_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(line) + "\n" for line in TRACE))
    assert main([str(tmp_path)]) == 0
    assert "a: 1 (x10)" in capsys.readouterr().out
    assert main([str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["counts"]["instructions"] == 130


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ('{"k": "mark"}\n', "is no trace of a run"),
        ('["mark"]\n', "is no trace of a run"),
        ("{}\n", "no operation between marks"),
    ],
)
def test_what_has_no_marks_is_one_line(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "trace.jsonl").write_text(text)
    assert main([str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
