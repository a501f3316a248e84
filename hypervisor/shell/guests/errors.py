"""What can go wrong with guests. Every message is one line that says what to do about it."""

from __future__ import annotations


class GuestError(Exception):
    """The base of them all: show its text, no traceback."""


class UsageError(GuestError):
    """Something the user named is wrong or missing: a guest, a mirror, a keyring."""


class GuestMissing(GuestError):  # noqa: N818 - reads better where it is caught
    """A guest is not in the cache, or what is there is damaged."""


class FetchError(GuestError):
    """A mirror did not give what was asked, or gave what must not be used."""


class NotThereError(FetchError):
    """The mirror answers, but has no such file."""
