"""From a cell's table to what its personality starts with: a Linux root and its program, applets, tasks.

`find(key, finder, text)` is `cells.found` for the topology at hand: the file behind a text, or None and a problem in the report.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cells.personalities.rtos.spec import is_python
from hypervisor.shell.topology import applets, roots, sources
from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.schema import Cell

Find = Callable[..., Path | None]
PYTHON = ("rtos",)
"""Personalities whose cell may preload modules of a Python program, as guests do."""


def resolve(at: str, cell: Cell, report: Report, find: Find) -> dict[str, Any]:
    """What becomes of the keys. Requires: the cell has a personality."""
    if cell.modules and cell.personality != "brew":
        report.add(f"{at}.modules", "means nothing beside this personality; applets are brew's (remove it)")
    if cell.args and cell.personality == "linux":
        why = "means nothing beside this personality; what a program is given stands in run (remove it)"
        report.add(f"{at}.args", why)
    if cell.personality == "rtos":
        return _rtos(at, cell, report, find)
    if cell.personality == "brew":
        return applets.resolve(at, cell, report, find)
    if not cell.run and not report.spoiled(f"{at}.run"):
        report.add(f"{at}.run", 'missing; say what to start, for example ["/bin/sh"]')
    root = cell.root or sources.KERNEL
    parts = {f"{at}.files.{name}": text for name, text in cell.files.items()}
    paths = {key: find(key, roots.find_part, text, digest=roots.digest_of_part) for key, text in parts.items()}
    present = {name: path for name, path in zip(cell.files, paths.values(), strict=True) if path is not None}
    return {
        "run": cell.run,
        "env": cell.env,
        "root": root,
        "root_path": find(f"{at}.root", roots.find_root, root, digest=roots.digest_of),
        "terminal": cell.terminal,
        "files": tuple(present),
        "file_paths": tuple(present.values()),
    }


def _rtos(at: str, cell: Cell, report: Report, find: Find) -> dict[str, Any]:
    """What makes the tasks of a real-time kernel: functions in Python, and images of ARM code, whose files are `files`."""
    if not cell.run and not report.spoiled(f"{at}.run"):
        report.add(f"{at}.run", 'missing; say what makes tasks, for example ["mine:main"] or ["example"]')
    for key in ("root", "env", "files", "terminal"):
        if key in cell.model_fields_set:
            report.add(f"{at}.{key}", "means nothing for a real-time kernel, which has no files (remove it)")
    images: dict[str, Path] = {}
    for index, text in enumerate(cell.run):
        look = sources.check_guest if is_python(text) else sources.find_task_image
        path = find(f"{at}.run[{index}]", look, text)
        if path is not None and not is_python(text):
            images[text] = path
    return {"run": cell.run, "files": tuple(images), "file_paths": tuple(images.values())}
