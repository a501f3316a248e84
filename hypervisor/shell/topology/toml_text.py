"""A topology that came as a dict from Python, written as the TOML file that says the same.

A run directory holds the exact topology, so one that never was a file has to become one. Only what topologies are
made of is written: texts, numbers, truth values, lists, tables, lists of tables. A key whose value is None is left
out.

>>> print(render_toml({"seed": 1, "cells": {"a": {"cores": [0]}}}), end="")
seed = 1
<BLANKLINE>
[cells.a]
cores = [0]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def render_toml(data: Mapping[str, Any]) -> str:
    """The TOML text of a dict."""
    return "\n".join(_table(data, ())).lstrip("\n") + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """The plain keys of a table first, then the tables in it."""
    given = {str(key): value for key, value in data.items() if value is not None}
    for key, value in given.items():
        if not isinstance(value, Mapping):
            yield f"{_name(key)} = {_value(value)}"
    for key, value in given.items():
        if isinstance(value, Mapping):
            inner = (*path, key)
            if not value or any(not isinstance(item, Mapping) for item in value.values()):
                yield from ("", f"[{'.'.join(map(_name, inner))}]")
            yield from _table(value, inner)


def render_value(value: Any) -> str:
    """One value, as it stands behind a key.

    >>> render_value("1ms"), render_value([1, True])
    ('"1ms"', '[1, true]')
    """
    return _value(value)


def _name(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        items = (f"{_name(str(key))} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {', '.join(items)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _text(str(value))


def _text(text: str) -> str:
    """JSON's quoting is TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
