"""The version of all packages here: the topmost one of CHANGELOG.md. pyproject.toml reads it from this file."""

from __future__ import annotations

VERSION = "0.5.0"
