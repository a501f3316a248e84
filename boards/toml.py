"""TOML as users write it, with two bounds that the standard library's reader leaves to its caller.

Theory: that reader follows nested arrays by recursion and hands numbers to `int`, so a file may end it by other errors than its
own. Here a document is refused as any other wrong one: nested deeper than `DEPTH`, or with a number that is too long.

>>> loads("a = [1, 2]")
{'a': [1, 2]}
"""

from __future__ import annotations

import tomllib
from typing import Any

DEPTH = 32
"""Levels of tables and arrays; the deepest key of ours has five."""
TomlError = tomllib.TOMLDecodeError
"""The text ends with the place in parentheses, as "(at line 3, column 5)"."""


def loads(text: str) -> dict[str, Any]:
    """The tables of a document.

    Raises:
        TomlError: it is no TOML, is nested too deep, or has a number that is too long.
    """
    try:
        tables = tomllib.loads(text)
    except TomlError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # of `int`, which takes 4300 digits
        raise TomlError("Number with too many digits (at the whole file)") from None
    if _is_deeper(tables):
        raise _too_deep()
    return tables


def _too_deep() -> TomlError:
    return TomlError(f"Nested deeper than {DEPTH} (at the whole file)")


def _is_deeper(tables: dict[str, Any]) -> bool:
    """Level by level: what is too deep for this is too deep for recursion."""
    level: list[Any] = [tables]
    for _ in range(DEPTH):
        inside = (value.values() if isinstance(value, dict) else value for value in level)
        level = [item for values in inside for item in values if isinstance(item, dict | list)]
        if not level:
            return False
    return True
