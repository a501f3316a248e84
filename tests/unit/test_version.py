"""One version: the changelog's, the packages', the command's, a run's."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools.config.pyprojecttoml import read_configuration
from typer.testing import CliRunner

from hypervisor.cli import app
from hypervisor.shell.provenance import versions
from hypervisor.version import VERSION

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_changelogs_topmost() -> None:
    named = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert named[0] == VERSION


def test_the_wheel_gets_its_version_from_there() -> None:
    project = read_configuration(ROOT / "pyproject.toml")["project"]
    assert project["version"] == VERSION


def test_the_command_and_each_run_tell_it() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"cellvisor {VERSION}\n"
    assert versions()["cellvisor"] == VERSION
