"""The topology's board: found, changed by `--set board.KEY=VALUE`, and checked against the models that there are.

The rules inside a board are `boards`' own. What it finds is told with the board's file and key, or with the option that
brought the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boards
from boards import Board, BoardError
from devices import MODELS
from hypervisor.shell.topology import sources
from hypervisor.shell.topology.overrides import Override, unknown
from hypervisor.shell.topology.problems import Report, nearest

_CPU_MODEL = "UC_CPU_ARM_"
"""How Unicorn's constants for CPU models begin."""


def find_board(text: str | None, changes: Sequence[Override], directory: Path | None, report: Report) -> Board | None:
    """The board that the file names, with its changes; None, and problems in the report, if there is no such board."""
    if text is None:
        if not report.spoiled("board"):
            report.add("board", f"missing (name a board, such as {boards.names()[0]}, or a board's file)")
        return None
    is_path = "/" in text or text.endswith(".toml")
    try:
        path = str(sources.find_file(text, directory)) if is_path else text
        board = boards.load_board(path)
    except BoardError as error:
        _tell(error, text, report)
        return None
    except ValueError as error:
        report.add("board", str(error))
        return None
    label = path if is_path else f"boards/{text}.toml"
    board = _changed(board, changes, report)
    _check_models(board, label, report)
    return board


def _changed(board: Board, changes: Sequence[Override], report: Report) -> Board:
    """The board with its own changes, checked again by its own rules."""
    content = board.model_dump()
    good = {}
    for change in changes:
        path = change.path[1:]
        if why := _stray(path, content, change.value):
            report.add(change.key, why)
        else:
            good[".".join(path)] = _fitting(path, content, change.value)
    try:
        return board.with_(**good) if good else board
    except BoardError as error:
        for each in (error, *error.more):
            report.add(f"board.{each.key}".rstrip("."), each.why)
        return board


def _fitting(path: tuple[str, ...], content: Any, value: Any) -> Any:
    """`cpu.unicorn_model=926` means the text "926"."""
    for part in path:
        content = _table(content)[part]
    return str(value) if isinstance(content, str) else value


def _table(content: Any) -> Any:
    """A list of named entries as a table by their names; anything else as it is."""
    if isinstance(content, list | tuple):
        return {item["name"]: item for item in content if isinstance(item, dict) and "name" in item}
    return content


def _stray(path: tuple[str, ...], content: Any, value: Any) -> str:
    """Why the path leads to no single value of the board, or nothing if it does."""
    for part in path:
        content = _table(content)
        if not isinstance(content, dict):
            return "leads into a key that has no parts that can be set"
        if part not in content:
            return unknown(part, list(content))
        content = content[part]
    if isinstance(content, dict | list | tuple) and not (path == ("cpu",) and isinstance(value, str)):
        return "is a whole table; name a key in it"
    return ""


def _tell(error: BoardError, text: str, report: Report) -> None:
    """A board that could not be loaded: because of its file, or because the topology names none that exists."""
    for each in (error, *error.more):
        if each.file == text:
            report.add("board", f'"{text}": {each.why}')
        else:
            report.add(each.key, each.why, file=each.file)


def _check_models(board: Board, label: str, report: Report) -> None:
    """The devices' models are ours, the CPU's is Unicorn's."""
    known = cpu_models()
    if board.cpu.unicorn_model not in known:
        why = f'there is no CPU model "{board.cpu.unicorn_model}"; {nearest(board.cpu.unicorn_model, known)}'
        _blame("cpu.unicorn_model", why, label, report)
    try:
        boards.check_models(board, MODELS)
    except BoardError as error:
        _blame(error.key, error.why, label, report)


def _blame(key: str, why: str, label: str, report: Report) -> None:
    """A problem of the board's file, unless an option brought the value."""
    if f"board.{key}" in report.options:
        report.add(f"board.{key}", why)
    else:
        report.add(key, why, file=label)


def cpu_models() -> list[str]:
    """The ARM CPU models of the engine, read from its table of constants: importing it would load the whole engine."""
    spec = sources.find_module("unicorn.arm_const", None)
    if spec is None or spec.origin is None:
        return []
    words = (line.partition("=")[0].strip() for line in Path(spec.origin).read_text(encoding="utf-8").splitlines())
    return [word.removeprefix(_CPU_MODEL) for word in words if word.startswith(_CPU_MODEL)]
