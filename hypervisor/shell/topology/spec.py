"""What loading makes of a file: a `Topology`, everything resolved, with nothing left to look up or to refuse.

Times are cycles of the board's clock, sizes are bytes, programs are files that exist. Texts as the user wrote them stay
beside what they resolved to, because a run directory repeats them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from boards import Board

Kind = Literal["guest", "image", "kernel"]


@dataclass(frozen=True)
class CellSpec:
    """One cell.

    `source` is the text of the key `kind`; `path` the file behind it (a Python guest's module); `function` a guest that
    a Python caller passed (`source` is then "python"). `group` is the name in the file, of which `count` cells were
    made. `cores` holds the cores on which it may run. A larger `priority` is more urgent. 0 in `budget`, `period` and
    `heartbeat` means none. `args` is a text for an image, a tuple for a Python guest.
    """

    name: str
    kind: Kind
    source: str
    ram: int
    priority: int
    budget: int
    period: int
    on_crash: Literal["destroy", "restart", "preserve"]
    max_restarts: int
    heartbeat: int
    cores: tuple[int, ...]
    preload: tuple[str, ...]
    initrd: str | None
    append: str
    args: str | tuple[str | int | float, ...]
    devices: tuple[str, ...]
    label: str
    group: str
    path: Path | None = None
    initrd_path: Path | None = None
    function: Callable[..., Any] | None = None

    def identity(self) -> dict[str, Any]:
        """What decides how it behaves, beside the content of its files: everything but where these lie."""
        places = {"path", "initrd_path", "function", "initrd"} | ({"source"} if self.kind != "guest" else set())
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in places}


_DECISIVE = ("flavour", "seed", "slice", "quantum", "cross_core_latency", "policy", "windows", "duration")


@dataclass(frozen=True)
class Topology:
    """A whole device, ready to be launched.

    `windows` is empty unless the policy is "partition"; `duration` is None for a run without an end, and `until` the
    text that it came from ("" for none). `directory` is where relative paths and guest modules of the file were found
    (None for a dict). `source_text` is the exact TOML and `overrides` the changes to it (KEY=VALUE): with flavour,
    seed and until they give the same topology again. `hashes` has the SHA-256 of each program by its key
    (`cells.a.image`).
    """

    name: str
    description: str
    board: Board
    flavour: str
    seed: int
    slice: int
    quantum: int
    cross_core_latency: int
    policy: str
    windows: tuple[tuple[str, int], ...]
    cells: tuple[CellSpec, ...]
    duration: int | None
    until: str
    console: str | None
    source_text: str
    overrides: tuple[str, ...]
    hashes: dict[str, str]
    directory: Path | None

    @cached_property
    def digest(self) -> str:
        """One SHA-256 over all that decides what happens in a run; where files lie and names for people do not."""
        content = {
            **{name: getattr(self, name) for name in _DECISIVE},
            "board": self.board.model_dump(mode="json"),
            "cells": [cell.identity() for cell in self.cells],
            "hashes": sorted(self.hashes.items()),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def cell(self, name: str) -> CellSpec:
        """The cell of this name.

        Raises:
            KeyError: there is none.
        """
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise KeyError(name)
