"""The rules between packages, checked on the source: who may import whom, and what pure packages keep away from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = {
    "hypervisor/abi": ("hypervisor.core", "hypervisor.flavours", "hypervisor.shell", "cells", "devices", "boards"),
    "hypervisor/core": ("hypervisor.flavours", "hypervisor.shell", "hypervisor.api", "cells", "devices", "boards"),
    "hypervisor/faults": (
        "hypervisor.core",
        "hypervisor.flavours",
        "hypervisor.shell",
        "hypervisor.api",
        "cells",
        "devices",
        "boards",
    ),
    "hypervisor/flavours": ("hypervisor.shell", "hypervisor.api", "cells", "devices", "boards"),
    "cells": ("hypervisor.core", "hypervisor.flavours", "hypervisor.shell", "hypervisor.api", "boards"),
    "devices": ("hypervisor", "cells", "boards", "benchmarks"),
    "boards": ("hypervisor", "cells", "devices", "benchmarks"),
    "hypervisor": ("benchmarks", "tests"),
}
"""Folder -> packages that nothing in it may import."""

ALLOWED = {("hypervisor/commands/bench.py", "benchmarks")}
"""A command is the door of a package that lies above the monitor; it imports it when it runs, inside its function."""

PURE = ("hypervisor/abi", "hypervisor/core", "hypervisor/faults", "hypervisor/flavours", "devices")
SCREEN = 72
"""Lines that a tall terminal shows."""
IMPURE = {
    "time",
    "random",
    "threading",
    "multiprocessing",
    "asyncio",
    "socket",
    "zmq",
    "os",
    "subprocess",
    "select",
    "psutil",
}
"""Modules through which the world would leak into pure code."""


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_run_one_way(folder):
    violations = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imports(path)
        for forbidden in FORBIDDEN[folder]
        if (name == forbidden or name.startswith(forbidden + "."))
        and (path.relative_to(ROOT).as_posix(), forbidden) not in ALLOWED
    ]
    assert sources(folder)
    assert violations == []


@pytest.mark.parametrize(("file", "package"), sorted(ALLOWED))
def test_a_door_to_a_package_above_opens_when_it_is_used(file, package):
    tree = ast.parse((ROOT / file).read_text())
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any((getattr(node, "module", "") or "").startswith(package) for node in at_once)


@pytest.mark.parametrize("folder", PURE)
def test_pure_packages_do_no_input_or_output(folder):
    violations = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imports(path)
        if name.partition(".")[0] in IMPURE
    ]
    assert violations == []


def test_only_flavours_and_the_files_of_users_know_a_flavour_by_name():
    word = re.compile(r"""["'](native|l4|xen|okl4)["']""")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("hypervisor", "cells", "devices")
        for path in sources(folder)
        if "flavours" not in path.parts and word.search(path.read_text())
    }
    assert found <= {"hypervisor/shell/topology/checks.py"}, (
        "the table of what a topology may ask for is the one exception"
    )


def test_every_directory_of_sources_has_a_readme_of_at_most_a_screen():
    folders = {
        path.parent for top in ("hypervisor", "cells", "devices", "boards", "benchmarks") for path in sources(top)
    }
    shown = {folder for folder in folders if len(list(folder.glob("*.py"))) > 1}
    missing = [str(folder.relative_to(ROOT)) for folder in sorted(shown) if not (folder / "README.md").exists()]
    assert missing == []
    long = [str(f.relative_to(ROOT)) for f in sorted(shown) if len((f / "README.md").read_text().splitlines()) > SCREEN]
    assert long == []
