"""qemu-arm, which others emulate ARM programs with: the host's own, else Debian's package `qemu-user-static`, fetched and cached.

    path = qemu_arm(print)                 # None, and why in a line, where it is not to be had

The package is taken as guests are (hypervisor/shell/guests): from the host's Debian mirror, the index's signature checked, the
package by its SHA-256. Nothing of it is installed, and nothing run but the one static program, which lies in the user's cache.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from rich.console import Console

from hypervisor.shell.guests import GuestError
from hypervisor.shell.guests.cache import Cache, default_root
from hypervisor.shell.guests.catalog import Guest, catalog
from hypervisor.shell.guests.lock import Locked

NAMES = ("qemu-arm", "qemu-arm-static")
PACKAGE, FILE = "qemu-user-static", "qemu-arm"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The host's machine -> Debian's word for it."""


def qemu_arm(say: Callable[[str], None]) -> str | None:
    """Its path. `say` gets a line when there is none."""
    here = next((found for name in NAMES if (found := shutil.which(name))), None)
    if here is not None:
        return here
    path, why = fetched()
    if path is None:
        say(f"no qemu-arm here (apt install qemu-user), and none fetched ({why}): left out")
    return path


@cache
def fetched(root: Path | None = None) -> tuple[str | None, str]:
    """The program of the package in the cache, fetched if it is not there; or None and why. `root`: another cache."""
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        return None, f"Debian's package is not looked for on {platform.machine()}"
    guest = Guest(PACKAGE, "qemu-arm", architecture, PACKAGE, {FILE: f"usr/bin/{NAMES[1]}"}, FILE)
    place = Cache(root or default_root().parent / "tools")
    try:
        (entry,) = _fetch(guest, place)
        path = place.path(entry, FILE)
        path.chmod(0o755)
    except (GuestError, OSError) as error:
        return None, str(error)
    return str(path), ""


def _fetch(guest: Guest, place: Cache) -> list[Locked]:
    """Through the fetch machinery of the guests; what is there and whole costs no network."""
    from hypervisor.shell.guests.fetch import Fetcher
    from hypervisor.shell.guests.mirrors import mirrors
    from hypervisor.shell.guests.progress import Bars
    from hypervisor.shell.guests.signature import keyring

    book = catalog()
    with Bars(Console(stderr=True)) as bars:
        return Fetcher(book, {}, place, lambda: mirrors(None, book.suite), keyring(None), bars).fetch([guest])
