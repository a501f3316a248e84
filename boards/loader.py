"""Boards from files: the built-in ones by name, anybody's own by path.

    board = load_board("beagle")
    board = load_board("my_board.toml").with_(cores=2)

A board file names its CPU, built-in (`cpu = "arm926"`) or as a file beside it (`cpu = "my_cpu.toml"`). Whatever is
wrong comes out as one `BoardError`; what else is wrong is in its `more`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from boards import toml
from boards.errors import BoardError, Complaint, Complaints, did_you_mean
from boards.schema import Board, Cpu, Strict

_Table = TypeVar("_Table", bound=Strict)


def data(*parts: str) -> Traversable:
    """A file that is shipped with this package."""
    return files("boards").joinpath(*parts)


def names() -> list[str]:
    """The built-in boards."""
    return _names_in(data())


def cpu_names() -> list[str]:
    """The built-in CPUs."""
    return _names_in(data("cpu"))


def load_board(name_or_path: str) -> Board:
    """A board, by built-in name or by the path of a TOML file.

    Raises:
        BoardError: it does not exist, cannot be read, or breaks a rule.
    """
    if name_or_path in names():
        return _board(data(f"{name_or_path}.toml"), f"boards/{name_or_path}.toml", None)
    path = Path(name_or_path)
    if path.suffix == ".toml" and path.is_file():
        return _board(path, name_or_path, path.parent)
    if path.suffix == ".toml":
        raise BoardError(name_or_path, "", "there is no such file")
    hint = did_you_mean(name_or_path, names())
    raise BoardError(name_or_path, "board", f"there is no such board{hint} (boards: {', '.join(names())})")


def load_cpu(name_or_path: str, beside: Path | None = None) -> Cpu:
    """A CPU, by built-in name or by the path of a TOML file, looked for in the folder `beside`.

    Raises:
        BoardError: it does not exist, cannot be read, or breaks a rule.
    """
    if name_or_path in cpu_names():
        file = f"boards/cpu/{name_or_path}.toml"
        return _checked(Cpu, _read(data("cpu", f"{name_or_path}.toml"), file), file)
    path = (beside or Path()) / name_or_path
    if path.suffix == ".toml" and path.is_file():
        return _checked(Cpu, _read(path, str(path)), str(path))
    hint = did_you_mean(name_or_path, cpu_names())
    raise BoardError(name_or_path, "cpu", f"there is no such CPU{hint} (CPUs: {', '.join(cpu_names())})")


def override(board: Board, overrides: Mapping[str, Any]) -> Board:
    """A changed board, checked again; see `Board.with_`.

    Raises:
        BoardError: a key does not exist, or a rule is broken.
    """
    table = board.model_dump()
    for key, value in overrides.items():
        changed = load_cpu(value).model_dump() if key == "cpu" and isinstance(value, str) else value
        _assign(table, key, changed, board.name)
    return _checked(Board, table, board.name)


def check_models(board: Board, known: Collection[str]) -> None:
    """Check that the models which a board's devices name are known.

    Raises:
        BoardError: one is not.
    """
    for group in ("private", "physical"):
        for spec in getattr(board, group):
            if spec.model not in known:
                why = f'there is no device model "{spec.model}"{did_you_mean(spec.model, known)}'
                raise BoardError(board.name, f"{group}.{spec.name}.model", why)


def _names_in(folder: Traversable) -> list[str]:
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read(source: Traversable | Path, file: str) -> dict[str, Any]:
    try:
        return toml.loads(source.read_text(encoding="utf-8"))
    except (toml.TomlError, UnicodeDecodeError, OSError) as error:
        raise BoardError(file, "", str(error)) from None


def _board(source: Traversable | Path, file: str, folder: Path | None) -> Board:
    table = _read(source, file)
    cpu = table.get("cpu")
    if not isinstance(cpu, str):
        raise BoardError(file, "cpu", "missing: the name of a CPU")
    try:
        table["cpu"] = load_cpu(cpu, folder)
    except BoardError as error:
        raise error if error.file != cpu else BoardError(file, error.key, f'"{cpu}": {error.why}') from None
    table.setdefault("clock_hz", table["cpu"].clock_hz)
    linux = table.get("linux")
    if folder is not None and isinstance(linux, dict) and (folder / str(linux.get("device_tree"))).is_file():
        linux["device_tree"] = str((folder / linux["device_tree"]).resolve())
    return _checked(Board, table, file)


def _checked(kind: type[_Table], table: dict[str, Any], file: str) -> _Table:
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        found = [BoardError(file, key, why) for key, why in _problems(error, table)]
        raise BoardError(file, found[0].key, found[0].why, tuple(found[1:])) from None


def _problems(error: ValidationError, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, why) of each problem that pydantic found."""
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Complaints):
            for complaint in cause.complaints:
                yield _named([*place, *complaint.key.split(".")], table), complaint.why
        elif isinstance(cause, Complaint):
            yield _named([*place, *cause.key.split(".")], table), cause.why
        elif item["type"] == "missing":
            yield _named(place, table), "missing"
        else:
            yield _named(place, table), item["msg"].removeprefix("Value error, ")


def _named(place: list[str], table: Any) -> str:
    """A key for people: an entry of a list is called by its name."""
    words: list[str] = []
    for part in place:
        if isinstance(table, list | tuple) and part.isdigit() and int(part) < len(table):
            table = table[int(part)]
            words.append(str(table.get("name", part)) if isinstance(table, dict) else part)
        else:
            table = table.get(part) if isinstance(table, dict) else None
            words.append(part)
    return ".".join(words)


def _assign(table: Any, key: str, value: Any, file: str) -> None:
    """Set one dotted key in a nested table; entries of lists are found by their name."""
    *path, last = key.split(".")
    for part in path:
        if isinstance(table, list | tuple):
            table = {entry["name"]: entry for entry in table if isinstance(entry, dict) and "name" in entry}
        if not isinstance(table, dict) or part not in table:
            raise BoardError(
                file, key, f'there is no "{part}"{did_you_mean(part, table if isinstance(table, dict) else ())}'
            )
        table = table[part]
    if not isinstance(table, dict):
        raise BoardError(file, key, f'"{last}" cannot be set there')
    table[last] = value
