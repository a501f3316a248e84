"""An unmodified kernel without a CPU: its page tables in its memory, its registers in a record, calls at the front door `arm`.

lab, guest = arm_lab()
guest.put(0x0, STRUCT.pack(...))              # at virtual BASE_VA + 0, which is a page of its own
guest.hvc(32, EvtchnOp.ALLOC_UNBOUND, BASE_VA)  # r0 as the kernel sees it, signed
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from hypervisor.abi.hypercalls import XEN_CALLS
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.xen import Call
from hypervisor.abi.xen_arm import CALL, TRAP_HVC
from hypervisor.core.wiring import ChannelParams
from tests.support.xen import BASE, RawGuest, XenLab

EVENTS, GRANTS, MEMORY, HVM = (
    call - XEN_CALLS for call in (Call.EVENT_CHANNEL, Call.GRANT_TABLE, Call.MEMORY, Call.HVM)
)
VERSION, VCPU, SCHED = (call - XEN_CALLS for call in (Call.VERSION, Call.VCPU, Call.SCHED))
"""Families of calls, as an HVC numbers them."""
KERNEL_VA = 0xC000_0000
"""A section over all of its memory, writable."""
SMALL_VA = 0xD000_0000
"""Small pages, one after another: writable, read-only, for nobody, in a domain without access, and then nothing."""
WRITABLE, READ_ONLY, NO_ACCESS, MISSING = (SMALL_VA + n * PAGE for n in (0, 1, 2, 4))
LAST = SMALL_VA + 3 * PAGE
"""A writable page with nothing behind it."""
LARGE_VA = 0xE000_0000
"""A large page over the first 64 KiB of its memory."""
L1, L2, LARGE_L2 = 16, 20, 21
"""Pages of the tables."""
DATA = 24
"""The page that all small pages lead to."""
CLIENT_OF_0 = 0b01


class ArmGuest:
    """A domain whose kernel has a CPU to itself."""

    def __init__(self, raw: RawGuest) -> None:
        self.raw = raw
        self.sctlr, self.ttbcr, self.dacr = 1, 0, CLIENT_OF_0
        self.ttbr0 = self.ttbr1 = raw.page(L1)
        self._tables()

    def _tables(self) -> None:
        raw = self.raw
        raw.poke(raw.page(L1), bytes(4 * PAGE))
        raw.poke(raw.page(L2), bytes(2 * PAGE))
        self.first(KERNEL_VA, BASE | 0b01 << 10 | 0b10)
        self.first(KERNEL_VA + (1 << 20), BASE | 0b01 << 10 | 3 << 5 | 0b10)
        self.first(SMALL_VA, raw.page(L2) | 0b01)
        self.first(LARGE_VA, raw.page(LARGE_L2) | 0b01)
        for number, access in enumerate((0b001, 0b101, 0b000, 0b001)):
            descriptor = raw.page(DATA) | (access & 3) << 4 | (access & 4) << 7 | 0b10
            raw.poke(raw.page(L2) + 4 * number, descriptor.to_bytes(4, "little"))
        raw.poke(raw.page(LARGE_L2), (BASE | 0b01 << 4 | 0b01).to_bytes(4, "little") * 16)

    def first(self, address: int, descriptor: int) -> None:
        """A word of the first-level table."""
        self.raw.poke(self.raw.page(L1) + (address >> 20) * 4, descriptor.to_bytes(4, "little"))

    def put(self, data: bytes, at: int = 0) -> int:
        """Bytes into the page DATA; their virtual address."""
        self.raw.poke(self.raw.page(DATA) + at, data)
        return WRITABLE + at

    def got(self, layout: Struct, at: int = 0) -> tuple[Any, ...]:
        """A structure in the page DATA."""
        return layout.unpack(self.raw.peek(self.raw.page(DATA) + at, layout.size))

    def hvc(self, number: int, *words: int) -> int:
        """A call; r0, signed."""
        r = [word & 0xFFFF_FFFF for word in (*words, 0, 0, 0, 0, 0)][:5]
        data = CALL.pack(*r, number, self.sctlr, self.ttbcr, self.ttbr0, self.ttbr1, self.dacr)
        record = Exit(0, ExitKind.EXCEPTION, 0, 0, 0, TRAP_HVC, 0, number, r[0], data=data)
        value = self.raw.lab.xen.exception(self.raw.cell, record)
        self.raw.lab.settle()
        return value - (1 << 32) if value >> 31 else value

    def call(self, family: int, operation: int, layout: Struct, *values: int) -> int:
        """A call with a structure in the page DATA; its value."""
        return self.hvc(family - XEN_CALLS, operation, self.put(layout.pack(*values)))


def arm_lab(**more: Any) -> tuple[XenLab, ArmGuest]:
    """An unmodified kernel `linux` (domain 1), a driver domain `back` (domain 0), and a witness (domain 2)."""
    channels = (ChannelParams("disk", "block", 0, 1), ChannelParams("net", "net", 0, 1))
    lab = XenLab("linux", "back", "witness", channels=channels, wiring={"hvc_kernels": {0: True}}, **more)
    return lab, ArmGuest(lab["linux"])
