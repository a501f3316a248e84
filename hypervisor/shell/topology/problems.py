"""What is wrong with a topology: every problem, each with its file, its key and what to do.

A `Report` goes through the whole loading and collects; nothing stops at the first mistake. A value that had to be
dropped *spoils* its key, so that a mistyped `budgett` is not followed by a second complaint about a missing `budget`.

>>> report = Report("demo.toml", options={"seed": "--seed"})
>>> report.add("board", "missing"); report.add("seed", "must not be negative")
>>> [str(problem) for problem in report.problems]
['demo.toml: board: missing', '--seed: must not be negative']
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake. `option` names the command-line option that brought the value, if it did not come from the file."""

    file: str
    key: str
    why: str
    option: str = ""

    def __str__(self) -> str:
        places = [self.option] if self.option else [self.file, self.key]
        return ": ".join(part for part in [*places, self.why] if part)


class TopologyError(Exception):
    """A topology that cannot be run; `problems` holds all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class Report:
    """The problems of one file. `options` maps a key to the command-line option that set it."""

    def __init__(self, file: str, options: Mapping[str, str] | None = None) -> None:
        self.file = file
        self.options = dict(options or {})
        self.problems: list[Problem] = []
        self._spoiled: set[str] = set()

    def add(self, key: str, why: str, *, file: str | None = None) -> None:
        """Note a problem with `key`, once."""
        option = "" if file else self._option(key)
        problem = Problem(file or self.file, key, why, option)
        if problem not in self.problems:
            self.problems.append(problem)

    def spoil(self, key: str) -> None:
        """Remember that the value of `key` was dropped, so that what depends on it is not judged."""
        self._spoiled.add(key)

    def spoiled(self, key: str) -> bool:
        """Whether a value was dropped at `key`, under it, or around it."""
        return any(_within(lost, key) or _within(key, lost) for lost in self._spoiled)

    def _option(self, key: str) -> str:
        return next((option for path, option in self.options.items() if _within(key, path)), "")


def _within(key: str, outer: str) -> bool:
    """Whether `key` is `outer` or a part of it."""
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice about a word that is not known: the nearest known one, else all of them."""
    names = list(known)
    begun = [name for name in names if len(word) > 2 and name.startswith(word)]
    near = begun or difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(names)}" if names else "none is known here"
