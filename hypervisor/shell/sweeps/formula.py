"""Figures that are computed from others: sums and ratios of metrics, at the same point or at points that differ in an axis.

>>> overhead = Formula("this / base - 1", {"this": ("time", {}), "base": ("time", {"rounds": 1})})
>>> overhead.fault(), overhead.value({"this": 30.0, "base": 20.0})
('', 0.5)
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_PAIRS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
CONSTANT = frozenset({"hz"})
"""Metrics that are facts of the board."""
DEPTH = 50
"""Of a formula: what is deeper is no formula of a person."""


@dataclass(frozen=True)
class Formula:
    """`text` over `terms`: name -> (metric, the values of axes where it is taken, those of the point itself left out)."""

    text: str
    terms: Mapping[str, tuple[str, Mapping[str, Any]]]

    @property
    def folded(self) -> frozenset[str]:
        """Axes of which all its terms say the value: it is the same all along them."""
        said = [set(where) for metric, where in self.terms.values() if metric not in CONSTANT]
        return frozenset(set.intersection(*said)) if said else frozenset()

    def fault(self) -> str:
        """What is wrong with the text; "" if nothing."""
        try:
            names = _names(ast.parse(self.text, mode="eval").body, DEPTH)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return f'"{self.text}" is no sum, difference, product or quotient of names and numbers'
        for name in sorted(names - set(self.terms)):
            return f'"{name}" is not said; write {name} = "METRIC" beside it'
        return ""

    def value(self, values: Mapping[str, float]) -> float | None:
        """With these values of its terms; None if it divides by zero or comes to no number."""
        try:
            found = _value(ast.parse(self.text, mode="eval").body, values)
            return found if math.isfinite(found) else None
        except (ZeroDivisionError, OverflowError):
            return None


def _names(node: ast.AST, depth: int) -> set[str]:
    """Of what the formula is made.

    Raises:
        ValueError: of something else than names, numbers and the four operations.
    """
    if depth and isinstance(node, ast.BinOp) and type(node.op) in _PAIRS:
        return _names(node.left, depth - 1) | _names(node.right, depth - 1)
    if depth and isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _names(node.operand, depth - 1)
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return set()
    raise ValueError(ast.dump(node))


def _value(node: ast.AST, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.BinOp):
        return _PAIRS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand, values)
    if isinstance(node, ast.Name):
        return values[node.id]
    assert isinstance(node, ast.Constant)
    return float(node.value)  # type: ignore[arg-type]
