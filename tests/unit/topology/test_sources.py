"""Where topologies, programs and guest modules are found."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from hypervisor.shell.topology import TopologyError, check, load, names
from hypervisor.shell.topology.sources import check_guest, find_image, find_module, images, read_topology


def guest_in(tmp_path: Path, guest: str) -> list[str]:
    (tmp_path / "t.toml").write_text(f'board = "arm926"\n[cells.a]\nguest = "{guest}"\n')
    return [str(problem) for problem in check(tmp_path / "t.toml")]


def test_the_built_in_topologies_have_names() -> None:
    assert {"hello", "ticker", "rtos_and_linux", "two_linux", "many"} <= set(names())


def test_a_built_in_topology_is_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_topology("hello").stem == "hello"
    assert find_image("hog", tmp_path) == images() / "hog.elf"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("helo", "helo: no built-in topology has this name, and no file (did you mean hello?)"),
        ("./helo.toml", "./helo.toml: no such file (did you mean hello?)"),
        ("/", "/: cannot be read: Is a directory (give a TOML file)"),
    ],
)
def test_a_missing_topology_is_one_clear_line(name: str, line: str) -> None:
    assert [str(problem) for problem in check(name)] == [line]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(b"name = \xff")
    assert [str(problem) for problem in check(path)] == [f"{path}: byte 7: is not UTF-8 text (give a TOML file)"]


def test_relative_paths_begin_where_the_topology_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.elf").write_bytes((images() / "hog.elf").read_bytes())
    (tmp_path / "t.toml").write_text('board = "arm926"\n[cells.a]\nimage = "mine.elf"\n')
    monkeypatch.chdir(tmp_path.parent)

    topology = load(str(tmp_path / "t.toml"))

    assert topology.cell("a").path == tmp_path / "mine.elf"
    assert topology.directory == tmp_path


def test_a_copied_topology_keeps_its_old_directory_when_told(tmp_path: Path) -> None:
    (tmp_path / "mine.elf").write_bytes((images() / "hog.elf").read_bytes())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "topology.toml").write_text('board = "arm926"\n[cells.a]\nimage = "mine.elf"\n')

    assert check(tmp_path / "run" / "topology.toml") != []
    assert check(tmp_path / "run" / "topology.toml", directory=tmp_path) == []


def test_guests_beside_the_topology_are_found_without_being_imported(tmp_path: Path) -> None:
    (tmp_path / "bomb.py").write_text("import os\ndef main(port): ...\nos.abort()\n")
    assert guest_in(tmp_path, "bomb:main") == []
    assert "bomb" not in sys.modules


def test_the_packages_of_a_guest_are_not_imported_either(tmp_path: Path) -> None:
    (tmp_path / "bombs").mkdir()
    (tmp_path / "bombs" / "__init__.py").write_text("raise SystemExit\n")
    (tmp_path / "bombs" / "inner.py").write_text("def main(port): ...\n")
    assert guest_in(tmp_path, "bombs.inner:main") == []
    assert not any(name.startswith("bombs") for name in sys.modules)


def test_a_package_of_an_editable_installation_is_found_though_it_is_on_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            here = tmp_path / "elsewhere" / name / "__init__.py"
            return spec_from_file_location(name, here) if name == "mapped" else None

    package = tmp_path / "elsewhere" / "mapped"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit\n")
    (package / "inner.py").write_text("def main(port): ...\n")
    assert len(guest_in(tmp_path, "mapped.inner:main")) == 1
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert guest_in(tmp_path, "mapped.inner:main") == []
    assert "mapped" not in sys.modules


def test_an_installed_module_is_not_shadowed_by_a_file_beside_the_topology(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("")
    spec = find_module("json", tmp_path)
    assert spec is not None
    assert spec.origin is not None
    assert not spec.origin.startswith(str(tmp_path))


@pytest.mark.parametrize(
    "source",
    [
        "def main(port): ...",
        "main = print",
        "main: object = print",
        "from os import getcwd as main",
        "if True:\n    def main(port): ...",
        "try:\n    import main\nexcept ImportError:\n    main = None",
        "from os.path import *",
        "class main: ...",
    ],
)
def test_every_way_to_bind_the_function_counts(tmp_path: Path, source: str) -> None:
    (tmp_path / "some_guest.py").write_text(source + "\n")
    assert check_guest("some_guest:main", tmp_path) == tmp_path / "some_guest.py"


def test_a_name_inside_a_function_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "some_guest.py").write_text("if True:\n    def other():\n        main = 3\n")
    with pytest.raises(ValueError, match=r'^module "some_guest" has no function "main"; known: other$'):
        check_guest("some_guest:main", tmp_path)


def test_a_guest_that_is_not_python_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("\ndef main(:\n")
    assert guest_in(tmp_path, "broken:main") == [
        f'{tmp_path / "t.toml"}: cells.a.guest: "broken.py" is not Python (line 2)'
    ]


@pytest.mark.parametrize("guest", ["a b:main", "..:main", ":main", "os:", "os:a.b", "os"])
def test_texts_that_name_no_function_are_refused(tmp_path: Path, guest: str) -> None:
    assert len(guest_in(tmp_path, guest)) == 1


def test_a_dict_becomes_a_topology_with_its_text() -> None:
    data: dict[str, Any] = {"board": "arm926", "cells": {"a": {"image": "hog"}}}
    topology = load(data)
    assert topology.name == "python"
    assert topology.directory is None
    assert topology.source_text == 'board = "arm926"\n\n[cells.a]\nimage = "hog"\n'


def test_problems_of_a_dict_name_python_as_the_file() -> None:
    assert [str(problem) for problem in check({"board": "arm926"})] == [
        "<python>: cells: there is none (a topology needs at least one cell)"
    ]


def test_a_missing_fetched_guest_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLVISOR_GUESTS", str(tmp_path))
    with pytest.raises(TopologyError) as caught:
        load("two_linux")
    assert [problem.key for problem in caught.value.problems] == ["cells.linux.kernel", "cells.linux.initrd"]
    assert all("run scripts/fetch_guests" in problem.why for problem in caught.value.problems)
