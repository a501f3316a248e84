"""Device models: UARTs, timers, interrupt controllers, flash, display, touch and network, as pure functions of virtual time.

`MODELS` maps the names used in board files to classes. Each is built as `Model(wiring, state=None, **params)`; see
`devices.device` for what the wiring is, and the README for how to write one.
"""

from __future__ import annotations

from devices.bcm2835_intc import Bcm2835Intc
from devices.bus import Bus, assemble, problem
from devices.cable import Cable
from devices.device import NEVER, Device, DmaError, InterruptController, State, Uart, Wiring
from devices.framebuffer import Framebuffer
from devices.gic import Gic
from devices.models import MODELS
from devices.nand_flash import NandFlash
from devices.nic import Nic
from devices.nor_flash import NorFlash
from devices.orion_intc import OrionBridge, OrionIntc
from devices.orion_timer import OrionTimer
from devices.pl011 import Pl011
from devices.pl190 import Pl190
from devices.pxa_icp import PxaIcp
from devices.pxa_ost import PxaOst
from devices.registers import Field, Reg, RegisterBank
from devices.sp804 import Sp804
from devices.sysclock import SysClock
from devices.touch import Touch
from devices.uart8250 import PxaUart, Uart8250

__all__ = [
    "MODELS",
    "NEVER",
    "Bcm2835Intc",
    "Bus",
    "Cable",
    "Device",
    "DmaError",
    "Field",
    "Framebuffer",
    "Gic",
    "InterruptController",
    "NandFlash",
    "Nic",
    "NorFlash",
    "OrionBridge",
    "OrionIntc",
    "OrionTimer",
    "Pl011",
    "Pl190",
    "PxaIcp",
    "PxaOst",
    "PxaUart",
    "Reg",
    "RegisterBank",
    "Sp804",
    "State",
    "SysClock",
    "Touch",
    "Uart",
    "Uart8250",
    "Wiring",
    "assemble",
    "problem",
]
