"""Images of tasks for the real-time personality: the C library, and the images that come with the project."""

from __future__ import annotations

NAMES = ("example",)
"""Each is one C file, linked with `start.S` and `library.c`."""
