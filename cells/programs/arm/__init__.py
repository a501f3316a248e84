"""Bare-metal ARM images that come with the project: C sources, tool chain (`build.py`) and the built bytes."""

from __future__ import annotations

from importlib.resources import files

NAMES = ("crash", "crook", "hello", "hog", "hostile_virtio", "hostile_xen", "pinger", "pv_demo", "ticker", "walker")
"""The built-in images; what each does stands at the top of its C file."""


def built_in(name: str) -> bytes:
    """The ELF file of a built-in image.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in NAMES:
        raise KeyError(name)
    return (files(__name__) / "images" / f"{name}.elf").read_bytes()
