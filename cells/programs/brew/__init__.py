"""Applets that come with the project: modules in C (`images/*.mod`) and in Python."""

from collections.abc import Mapping

NAMES = ("bounce", "film", "rogue")
"""Modules in C."""
PYTHON: Mapping[str, str] = {"clock": "cells.programs.brew.clock:Clock"}
"""Modules in Python: name -> class."""
