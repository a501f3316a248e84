"""Reads a file's content: a key that is wrong in itself (unknown, of a wrong type, not a time, out of range) is reported here
and dropped; the rest has the shape of `File` (schema.py).

    report = Report("demo.toml")
    file = parse(toml.loads(text), report)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import NESTED, SECTIONS, File, keys_of


def parse(data: Mapping[str, Any], report: Report) -> File:
    """The file's content; what is wrong in it goes to the report and is left out."""
    rest = _copy(dict(data))
    while True:
        try:
            return File.model_validate(rest)
        except ValidationError as error:
            for detail in error.errors():
                _note(detail, report)
                _drop(rest, detail)


def _copy(value: Any) -> Any:
    """Tables and lists copied, so that dropping a bad key leaves the caller's data alone."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _note(detail: ErrorDetails, report: Report) -> None:
    key = place(detail["loc"])
    report.add(key, explain(detail))
    report.spoil(key)


def place(loc: tuple[int | str, ...]) -> str:
    """`cells.a.cores[0]` from the parts of a place."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return text.removeprefix(".")


_FORMS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


def explain(detail: ErrorDetails) -> str:
    """A problem of form in our words."""
    kind, loc, value = detail["type"], detail["loc"], detail["input"]
    if kind == "extra_forbidden":
        section = File if len(loc) == 1 else NESTED[str(loc[2])] if len(loc) == 4 else SECTIONS[str(loc[0])]
        return f"unknown key; {nearest(str(loc[-1]), keys_of(section))}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind in ("too_long", "too_short") or (kind == "missing" and isinstance(loc[-1], int)):
        return 'must be a pair, for example ["rt", "2ms"]'
    if kind == "missing":
        return "missing; it has to be given"
    return f"{_FORMS.get(kind, detail['msg'])}, not {value!r}"


def _drop(data: Any, detail: ErrorDetails) -> None:
    """Take the bad value out: the key of a table, but the whole of a list (a shortened list means something else)."""
    path = list(detail["loc"])
    if detail["type"] == "missing":
        path.pop()
    cut = next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))
    for part in path[: cut - 1]:
        if part not in data:
            return
        data = data[part]
    data.pop(path[cut - 1], None)
