"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Expected:
    """What a file must be."""

    sha256: str
    size: int

    def fits(self, path: Path) -> bool:
        """Whether the file is there and right."""
        return path.is_file() and path.stat().st_size == self.size and sha256_of(path) == self.sha256
