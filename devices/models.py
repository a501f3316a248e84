"""The table of all device models, by the names that board files use."""

from __future__ import annotations

from typing import Any

from devices.bcm2835_intc import Bcm2835Intc
from devices.framebuffer import Framebuffer
from devices.gic import Gic
from devices.nand_flash import NandFlash
from devices.nic import Nic
from devices.nor_flash import NorFlash
from devices.orion_intc import OrionBridge, OrionIntc
from devices.orion_mbus import OrionDdrWindows, OrionMbus
from devices.orion_timer import OrionTimer
from devices.pl011 import Pl011
from devices.pl190 import Pl190
from devices.pxa_icp import PxaIcp
from devices.pxa_ost import PxaOst
from devices.sp804 import Sp804
from devices.sysclock import SysClock
from devices.touch import Touch
from devices.uart8250 import PxaUart, Uart8250

MODELS: dict[str, type[Any]] = {
    "bcm2835_intc": Bcm2835Intc,
    "framebuffer": Framebuffer,
    "gic": Gic,
    "nand_flash": NandFlash,
    "nic": Nic,
    "nor_flash": NorFlash,
    "orion_bridge": OrionBridge,
    "orion_ddr_windows": OrionDdrWindows,
    "orion_intc": OrionIntc,
    "orion_mbus": OrionMbus,
    "orion_timer": OrionTimer,
    "pl011": Pl011,
    "pl190": Pl190,
    "pxa_icp": PxaIcp,
    "pxa_ost": PxaOst,
    "pxa_uart": PxaUart,
    "sp804": Sp804,
    "sysclock": SysClock,
    "touch": Touch,
    "uart8250": Uart8250,
}
"""Model name in a board file -> class."""
