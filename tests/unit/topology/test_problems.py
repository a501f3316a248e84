"""How problems are told."""

from __future__ import annotations

import pickle

from hypervisor.shell.topology import Problem, TopologyError
from hypervisor.shell.topology.problems import Report, nearest


def test_a_problem_reads_file_key_reason() -> None:
    assert str(Problem("demo.toml", "cells.a.ram", "is too small")) == "demo.toml: cells.a.ram: is too small"
    assert str(Problem("demo.toml", "", "is no TOML")) == "demo.toml: is no TOML"


def test_an_error_shows_all_its_problems_one_per_line() -> None:
    error = TopologyError([Problem("a", "b", "c"), Problem("d", "e", "f")])
    assert str(error) == "a: b: c\nd: e: f"


def test_an_error_survives_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(TopologyError([Problem("a", "b", "c")])))
    assert error.problems == (Problem("a", "b", "c"),)


def test_the_same_problem_is_told_once() -> None:
    report = Report("a")
    report.add("k", "why")
    report.add("k", "why")
    assert len(report.problems) == 1


def test_a_problem_inside_a_list_is_blamed_on_the_option_that_brought_the_list() -> None:
    report = Report("a", {"cells.x.cores": "--set cells.x.cores"})
    report.add("cells.x.cores[1]", "why")
    report.add("cells.x.coresandmore", "why")
    assert [problem.option for problem in report.problems] == ["--set cells.x.cores", ""]


def test_a_dropped_key_spoils_what_is_around_it_and_in_it() -> None:
    report = Report("a")
    report.spoil("cells.x.budget")
    assert report.spoiled("cells.x")
    assert report.spoiled("cells.x.budget[0]")
    assert not report.spoiled("cells.xy")


def test_advice_is_the_nearest_word_or_all_of_them() -> None:
    assert nearest("corse", ["cores", "slice"]) == "did you mean cores?"
    assert nearest("zzz", ["cores", "slice"]) == "known: cores, slice"
    assert nearest("zzz", []) == "none is known here"
