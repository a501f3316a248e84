"""The topology's file of labels and rules: found by a built-in name or a path, read, and held against the cells.

The form of such files belongs to `hypervisor.shell.policy_file`; what is wrong in one is told with the file's own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypervisor.shell.topology import sources
from hypervisor.shell.topology.cells import Context, found
from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.spec import CellSpec

KEY = "policy"


def find_policy(text: str | None, cells: Sequence[CellSpec], context: Context) -> Path | None:
    """The policy's file; None, and problems in the report, if there is none or it cannot be used."""
    if text is None:
        return None
    path = found(KEY, sources.find_policy, text, context)
    return path if path is not None and _fits(path, cells, context.report) else None


def read(path: Path | None) -> str:
    """What the mechanism is given: the file's text, "" for none."""
    return path.read_text(encoding="utf-8") if path is not None else ""


def _fits(path: Path, cells: Sequence[CellSpec], report: Report) -> bool:
    """Whether the policy can be read and knows the cells."""
    from hypervisor.shell.policy_file import judge_cells, read_policy  # it builds on this package

    own, before = Report(str(path)), len(report.problems)
    try:
        policy = read_policy(path.read_text(encoding="utf-8"), own)
    except UnicodeDecodeError as error:
        own.add(f"byte {error.start}", "is not UTF-8 text (give a TOML file)")
        policy = None
    report.problems += own.problems
    if policy is not None:
        judge_cells(policy, [(f"cells.{cell.group}", cell.name, cell.label, cell.devices) for cell in cells], report)
    return len(report.problems) == before
