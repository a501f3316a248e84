"""The wheel alone: installed elsewhere and run from an empty directory, it finds its boards, topologies and images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]

TRY_IT = """
import pathlib, sys
import boards, hypervisor
from hypervisor import launch
from hypervisor.shell import topology
assert pathlib.Path(hypervisor.__file__).is_relative_to(sys.argv[1]), hypervisor.__file__
assert set(boards.names()) == {"arm926", "arm1176", "beagle", "pxa255", "evoke_qa4"}
assert {"hello", "ticker", "rtos_and_linux", "two_linux", "many", "ping", "storage", "two_boards"} <= set(topology.names())
for name, cell in (("hello", "hello"), ("ticker", "ticker"), ("ping", "ping"), ("phone", "linux"), ("worm", "linux")):
    with launch(name) as run:
        run.until("80ms")
        print(run.console(cell).decode())
"""


def tree_copy(there: Path) -> Path:
    """The sources as a release would have them: a build in the checkout itself would leave things behind."""
    source = there / "source"
    left_out = ("tests", "tmp*", ".*", "build", "dist", "*.so", "_native.c", "__pycache__", "*.egg-info", "runs")
    ignored = shutil.ignore_patterns(*left_out)
    shutil.copytree(ROOT, source, ignore=ignored)
    return source


def test_the_wheel_runs_from_an_empty_directory(tmp_path: Path):
    wheels, target, empty = (tmp_path / name for name in ("wheels", "target", "empty"))
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(tree_copy(tmp_path))]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = wheels.iterdir()
    install = [*pip, "install", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    shown = subprocess.run(
        [sys.executable, "-c", TRY_IT, str(target)],
        cwd=empty,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "hello from a bare-metal guest" in shown
    assert "ticker: started" in shown
    assert shown.count("ui: menu at ") == 2
    assert list(empty.iterdir()) == []


def test_an_installation_without_a_compiler_says_so_in_one_sentence(tmp_path: Path):
    source = tree_copy(tmp_path)
    environment = {**os.environ, "CC": "/nonexistent/cc"}
    build = [sys.executable, "cells/engines/native/build.py"]
    done = subprocess.run(build, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "cellvisor needs a C compiler" in done.stderr
    assert "Traceback" not in done.stderr
