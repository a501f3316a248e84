"""The builder of the C extension: what it takes in, and what it says when it cannot build."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cells.engines.native

FOLDER = Path(cells.engines.native.__file__).parent


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("native_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_c_file_and_every_public_header_is_taken(build: ModuleType, tmp_path: Path) -> None:
    for name in ("one.c", "two.c", "_native.c", "one.h", "internal.h", "two_internal.h"):
        (tmp_path / name).write_text("int f(void);\n")
    ffi = build.builder(tmp_path)
    arguments = ffi._assigned_source[3]
    assert [Path(path).name for path in arguments["sources"]] == ["one.c", "two.c"]
    assert [path.name for path in build.headers(tmp_path)] == ["one.h"]


def test_headers_lose_their_preprocessor_lines_but_keep_integer_constants(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.h").write_text(
        "#ifndef A\n#define A\n#include <stdint.h>\n#define SIX 6\n#define HEX 0x1f /* why */\n"
        "#define F(x) x\nint f(void);\n#endif\n"
    )
    assert build.declarations(tmp_path).splitlines() == ["#define SIX 6", "#define HEX 0x1f /* why */", "int f(void);"]


def test_without_a_compiler_there_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc -pthread")
    with pytest.raises(
        SystemExit, match=r"^cellvisor needs a C compiler \(/nowhere/cc\) to build its ARM engine: install gcc"
    ):
        runpy.run_path(str(FOLDER / "build.py"))


def test_without_pythons_headers_there_is_one_clear_sentence(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    with pytest.raises(SystemExit, match=r"^cellvisor needs the C headers of Python \(Python\.h\)"):
        build.require_compiler()


def test_the_extension_does_not_link_to_unicorn() -> None:
    extension = sys.modules.get("cells.engines.native._native") or importlib.import_module(
        "cells.engines.native._native"
    )
    assert b"libunicorn" not in Path(str(extension.__file__)).read_bytes()
