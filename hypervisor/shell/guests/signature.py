"""Who signed the archive's index: OpenPGP, by Sequoia.

Debian signs one file per suite, `InRelease`; it holds the hashes of the package lists, which hold the hashes of the
packages: one signature vouches for everything below it. Trusted are the keys in a keyring that the user names, or else
those that the package carries together with the machine's own copy of Debian's keyring (which may know of revocations).

Only the text that comes out of the check is used: what stands before or after the signed part of the file is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pysequoia
from debian.deb822 import Deb822

from .catalog import DATA
from .errors import FetchError, UsageError
from .lock import UNCHECKED

SHIPPED = DATA / "debian-bookworm-keys.asc"
# Where Debian's package debian-archive-keyring puts it; the second name is newer.
MACHINE = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)


@dataclass(frozen=True)
class Keyring:
    """The certificates that may sign."""

    certificates: tuple[pysequoia.Cert, ...]

    def open(self, signed: bytes) -> tuple[str, str]:
        """The text that was signed, and the fingerprint of a certificate that signed it. Raises FetchError."""
        try:
            result = pysequoia.verify(signed, lambda _wanted: list(self.certificates))
        except RuntimeError as error:  # its text goes on with a native backtrace
            reason = str(error).partition("\n")[0].rstrip(".")
            raise FetchError(f"its InRelease is not signed by a trusted key: {reason}") from None
        if not result.valid_sigs or result.bytes is None:
            raise FetchError("its InRelease is not signed by a trusted key")
        return result.bytes.decode("utf-8", "replace"), str(result.valid_sigs[0].certificate)


class NoCheck:
    """In place of a keyring when the user has said `--no-check-signature`."""

    def open(self, signed: bytes) -> tuple[str, str]:
        """The text without its signature, which is not looked at."""
        _, text, _ = Deb822.split_gpg_and_payload(iter(signed.splitlines()))
        return b"\n".join(text).decode("utf-8", "replace"), UNCHECKED


def keyring(named: Path | None = None, *, machine: Iterable[Path] = MACHINE) -> Keyring:
    """The keys to trust. Raises UsageError when they cannot be read."""
    if named is not None:
        return Keyring(tuple(_certificates(named.read_bytes, str(named))))
    trusted = {key.fingerprint: key for key in _certificates(SHIPPED.read_bytes, "the package's own keyring")}
    for path in machine:
        for key in _certificates(path.read_bytes, str(path)) if path.is_file() else ():
            known = trusted.get(key.fingerprint)
            trusted[key.fingerprint] = known.merge(key) if known else key
    return Keyring(tuple(trusted.values()))


def _certificates(read: Callable[[], bytes], name: str) -> list[pysequoia.Cert]:
    try:
        found = pysequoia.Cert.split_bytes(read())
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"cannot read the keyring {name}: {reason}; pass another with --keyring FILE") from None
    if not found:
        raise UsageError(f"the keyring {name} holds no keys; pass another with --keyring FILE")
    return found
