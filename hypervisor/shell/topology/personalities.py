"""From a cell's table to what its personality starts with: a Linux root and its program, applets, tasks.

`find(key, finder, text)` is `cells.found` for the topology at hand: the file behind a text, or None and a problem in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cells.personalities.rtos.spec import is_python
from hypervisor.shell.topology import applets, roots, sources
from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.schema import Cell

Find = Callable[..., Path | None]
KERNELS = ("/dev", "/proc")
"""Directories of every Linux cell."""
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
    views = {name: path for name, path in present.items() if path.is_dir()}
    _check_views(at, views, cell, report)
    files = {name: path for name, path in present.items() if name not in views}
    return {
        "run": cell.run,
        "env": cell.env,
        "root": root,
        "root_path": find(f"{at}.root", roots.find_root, root, digest=roots.digest_of),
        "terminal": cell.terminal,
        "pipes": cell.pipes,
        "files": tuple(files),
        "file_paths": tuple(files.values()),
        "views": tuple(views),
        "view_paths": tuple(views.values()),
    }


def _check_views(at: str, views: Mapping[str, Path], cell: Cell, report: Report) -> None:
    """A directory of the host covers what is below its place, and must not cover the kernel's own."""
    for name in views:
        for taken in KERNELS:
            if name == taken or name.startswith("/proc/"):
                report.add(
                    f"{at}.files.{name}", f"is a directory, and {taken} is the kernel's own (choose another place)"
                )
        for other in cell.files:
            if other.startswith(name + "/"):
                report.add(f"{at}.files.{other}", f"lies below {name}, a directory of the host (choose another place)")


def _rtos(at: str, cell: Cell, report: Report, find: Find) -> dict[str, Any]:
    """What makes the tasks of a real-time kernel: functions in Python, and images of ARM code, whose files are `files`."""
    if not cell.run and not report.spoiled(f"{at}.run"):
        report.add(f"{at}.run", 'missing; say what makes tasks, for example ["mine:main"] or ["example"]')
    for key in ("root", "env", "files", "terminal", "pipes"):
        if key in cell.model_fields_set:
            report.add(f"{at}.{key}", "means nothing for a real-time kernel, which has no files (remove it)")
    images: dict[str, Path] = {}
    for index, text in enumerate(cell.run):
        look = sources.check_guest if is_python(text) else sources.find_task_image
        path = find(f"{at}.run[{index}]", look, text)
        if path is not None and not is_python(text):
            images[text] = path
    return {"run": cell.run, "files": tuple(images), "file_paths": tuple(images.values())}
