"""Flavours: a value each. The word for a flavour appears here and in users' files only."""

from __future__ import annotations

from hypervisor.flavours.flavour import Flavour
from hypervisor.flavours.native import NATIVE
from hypervisor.flavours.okl4 import OKL4

FLAVOURS: dict[str, Flavour] = {flavour.name: flavour for flavour in (NATIVE, OKL4)}

__all__ = ["FLAVOURS", "Flavour"]
