"""Flavours: a value each. The word for a flavour appears here and in users' files only."""

from __future__ import annotations

from hypervisor.flavours.flavour import Flavour
from hypervisor.flavours.l4 import L4
from hypervisor.flavours.native import NATIVE
from hypervisor.flavours.okl4 import OKL4
from hypervisor.flavours.xen import XEN

FLAVOURS: dict[str, Flavour] = {flavour.name: flavour for flavour in (NATIVE, L4, XEN, OKL4)}

__all__ = ["FLAVOURS", "Flavour"]
