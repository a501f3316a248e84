"""How large the monitor's trusted core is, in lines of code: neither blank, nor comment, nor documentation.

```python
for flavour in FLAVOURS.values():
    trusted_core(flavour)     # Size(monitor=3_400, mechanism=310)
```

What everybody trusts under a flavour is the shared core with the interface to cells, and the one mechanism that is in use. A
mechanism has a package of its own below the core, and modules of its name in the interface; all of the rest is shared.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from hypervisor.flavours import FLAVOURS, Flavour

CORE = "hypervisor.core"
TRUSTED = ("hypervisor.abi", CORE)
"""Packages that make up the monitor. The shell around them moves bytes and starts processes at its word."""
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


class Size(NamedTuple):
    """Lines of code of the monitor without any mechanism, and of the mechanism."""

    monitor: int
    mechanism: int


def trusted_core(flavour: Flavour) -> Size:
    """What a cell trusts under this flavour besides other cells."""
    mechanisms = {_mechanism(other) for other in FLAVOURS.values()}
    lines = _lines_by_part()
    monitor = sum(count for part, count in lines.items() if part not in mechanisms)
    return Size(monitor, lines.get(_mechanism(flavour), 0))


def count_lines(source: str) -> int:
    """Lines of Python with code on them."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(code - set(_documentation(ast.parse(source))))


def _documentation(tree: ast.AST) -> Iterator[int]:
    """Lines of strings that stand alone: they do nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _mechanism(flavour: Flavour) -> str:
    """The package below the core that a flavour's mechanism lives in; "" if it has none of its own."""
    module = flavour.mechanism.partition(":")[0].removeprefix(f"{CORE}.")
    part = module.partition(".")[0]
    return part if files(CORE).joinpath(part).is_dir() else ""


@cache
def _lines_by_part() -> dict[str, int]:
    """Lines by the modules and packages directly in the trusted folders; those of one name together."""
    lines: Counter[str] = Counter()
    for folder in TRUSTED:
        for entry in files(folder).iterdir():
            lines[entry.name.removesuffix(".py")] += sum(map(_lines_of, _sources(entry)))
    return dict(lines)


def _lines_of(source: Traversable) -> int:
    return count_lines(source.read_text(encoding="utf-8"))


def _sources(entry: Traversable) -> Iterator[Traversable]:
    if entry.is_dir():
        for inner in entry.iterdir():
            yield from _sources(inner)
    elif entry.name.endswith(".py"):
        yield entry
