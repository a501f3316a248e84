"""The lock file: which package and which bytes each guest is.

The one in boards/guests says what to take, the one in the cache says what is there.

[[guest]]
name = "debian:marvell"
architecture = "armel"
package = "linux-image-6.1.0-50-marvell"
version = "6.1.176-1"
deb_sha256 = "..."
signature = "..."                # fingerprint of the key that signed the archive's index, or "unchecked"
files = { config = "...", vmlinuz = "..." }      # their SHA-256
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

from boards import toml

from .catalog import DATA

NAME = "guests.lock.toml"
UNCHECKED = "unchecked"
"""In place of a key's fingerprint: nobody checked who signed."""
HEAD = "# Written by scripts/fetch_guests: the packages that the guests are, and the SHA-256 of what is kept of them.\n"


@dataclass(frozen=True)
class Locked:
    """One guest as it was taken from Debian."""

    name: str
    architecture: str
    package: str
    version: str
    deb_sha256: str
    signature: str
    files: Mapping[str, str]
    instead_of: str = ""  # the pinned version, when this one is another

    @property
    def key(self) -> tuple[str, str]:
        """What the guest is filed under."""
        return self.name, self.architecture


Lock = dict[tuple[str, str], Locked]


def read_lock(path: Path | Traversable) -> Lock:
    """The lock in a file; empty when there is none or it is damaged (then everything is fetched again)."""
    try:
        rows = toml.loads(path.read_text(encoding="utf-8")).get("guest", [])
        return {entry.key: entry for entry in (Locked(**row) for row in rows)}
    except (OSError, UnicodeDecodeError, toml.TomlError, TypeError, AttributeError):
        return {}


@cache
def pinned() -> Lock:
    """What the package pins."""
    return read_lock(DATA / NAME)


def render(entries: Iterable[Locked]) -> str:
    """The text of a lock file."""
    return HEAD + "".join(_table(entry) for entry in sorted(entries, key=lambda entry: entry.key))


def _table(entry: Locked) -> str:
    names = ("name", "architecture", "package", "version", "deb_sha256", "signature", "instead_of")
    rows = [f"{name} = {json.dumps(getattr(entry, name))}" for name in names if getattr(entry, name)]
    files = ", ".join(f"{name} = {json.dumps(digest)}" for name, digest in sorted(entry.files.items()))
    return "\n".join(["", "[[guest]]", *rows, f"files = {{ {files} }}", ""])
