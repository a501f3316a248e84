"""Samples: files and tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.samples import Sample, SampleError, Spread, host_facts, read, table, write

MEASURED = Sample(
    "speed", "round_trip", "us", {"kind": "measured", "transport": "shm", "host.cpus": 2}, (5.0, 7.0, 6.0)
)
MODELLED = Sample("speed", "exits", "count", {"kind": "modelled"}, (12.0,))


def test_samples_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "s.jsonl", [MEASURED, MODELLED])
    assert read(tmp_path / "s.jsonl") == [MEASURED, MODELLED]


@pytest.mark.parametrize(
    "line", ["{", '{"benchmark": "x"}', '{"benchmark":"a","metric":"b","unit":"","dimensions":{},"values":[1]}']
)
def test_a_line_that_is_no_sample_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "s.jsonl"
    write(path, [MEASURED])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(SampleError, match=r"s\.jsonl, line 2: no sample"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="No such file"):
        read(tmp_path / "none.jsonl")


def test_a_sample_says_whether_it_is_measured_and_has_values() -> None:
    with pytest.raises(ValueError, match="measured or modelled"):
        Sample("speed", "x", "us", {}, (1.0,))
    with pytest.raises(ValueError, match="no values"):
        Sample("speed", "x", "us", {"kind": "measured"}, ())


def test_a_table_keeps_measured_and_modelled_values_apart() -> None:
    shown = table([MEASURED, MODELLED])
    cells = {column.header: list(column.cells) for column in shown.columns}
    assert cells["measured"] == ["6 [5.5 .. 6.5]", ""]
    assert cells["modelled"] == ["", "12"]
    assert cells["under"] == ["transport=shm", ""]


def test_the_spread_of_one_value_is_that_value() -> None:
    assert Spread.of((3.0,)) == (1, 3.0, 3.0, 3.0)


def test_the_host_is_described_by_plain_values() -> None:
    facts = host_facts()
    assert facts["host.cpus"] >= 1  # type: ignore[operator]
    assert all(isinstance(value, str | int | float) for value in facts.values())
