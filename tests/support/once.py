"""What several processes of one test session need, made by the first of them that asks.

transcript = once.share(("wren", flavour, args), lambda: run_it(flavour, args))
"""

from __future__ import annotations

import fcntl
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

place: Path | None = None
"""A directory that all processes of the session have: set by tests/conftest.py. Without one nothing is shared."""


def share(key: tuple[str, ...], make: Callable[[], T]) -> T:
    """The value for a key, made or taken from who made it; who comes meanwhile waits. Values must be picklable."""
    if place is None:
        return make()
    path = place / hashlib.sha256(repr(key).encode()).hexdigest()
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        value: T = pickle.loads(path.read_bytes())
        return value
