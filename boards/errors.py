"""What is said to somebody who wrote a board file: the file, the key in it, and why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BoardError(Exception):
    """A board or CPU file is not right. `more` holds what else is wrong with it, if anything."""

    def __init__(self, file: str, key: str, why: str, more: tuple[BoardError, ...] = ()) -> None:
        super().__init__(file, key, why)
        self.file, self.key, self.why, self.more = file, key, why, more

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.why}" if self.key else f"{self.file}: {self.why}"


class Complaint(ValueError):  # noqa: N818  a finding; what users see is BoardError
    """One broken rule inside a board, on the way to becoming a `BoardError`."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key, self.why = key, why


class Complaints(ValueError):  # noqa: N818  see above
    """All broken rules of one board."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("; ".join(complaint.why for complaint in complaints))
        self.complaints = complaints


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a sentence, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
