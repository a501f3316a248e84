"""The unmodified Debian guests: fetched from Debian's packages as a plain user, checked, cached, and found by name.

    from hypervisor.shell.guests import resolve
    kernel = resolve("debian:marvell")            # a GuestFile: path, sha256, package, version, architecture
    initrd = resolve("debian:busybox", "armel")   # the initramfs for that board's architecture

`resolve` needs no network, nor the libraries that fetching needs: `python -m hypervisor.shell.guests` imports those.
"""

from __future__ import annotations

from .errors import FetchError, GuestError, GuestMissing, UsageError
from .guest_file import GuestFile, available, names, resolve

__all__ = ["FetchError", "GuestError", "GuestFile", "GuestMissing", "UsageError", "available", "names", "resolve"]
