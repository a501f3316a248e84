"""Which software a result is of: one hash over the sources that decide what happens in a run.

The version's number alone would call the results of yesterday's checkout today's. What only shows, starts or judges runs has no
part in it.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from pathlib import Path

PACKAGES = ("hypervisor", "cells", "devices", "boards")
KINDS = frozenset({".py", ".c", ".h"})
WITHOUT = tuple(
    f"hypervisor/{part}"
    for part in (
        "cli.py",
        "commands/",
        *(
            f"shell/{name}/"
            for name in ("campaigns", "sweeps", "runs", "web", "screen", "graph", "explain", "sensitive")
        ),
    )
)


@functools.cache
def code_digest() -> str:
    """SHA-256 over names and contents."""
    found = hashlib.sha256()
    for package in PACKAGES:
        top = Path(str(files(package)))
        for path in sorted(path for path in top.rglob("*") if path.suffix in KINDS):
            name = f"{package}/{path.relative_to(top).as_posix()}"
            if not name.startswith(WITHOUT):
                found.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
