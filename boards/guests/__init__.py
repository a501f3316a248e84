"""The unmodified guests as data: which Debian packages make them, the pinned versions, their `/init`, Debian's keys."""
