"""The power key of a kernel's cell: a virtio input device that the operator presses (`cellvisor shutdown`, `cellvisor reboot`).

Theory: nothing in virtio asks a guest to power off; what Linux has for that on a board is a key. KEY_POWER and KEY_RESTART come
from here as from any keyboard, and what becomes of them is the guest's business (systemd-logind, or acpid: boards/guests). The
monitor rings with `PRESSED`'s bits; a key that nobody has a driver for stays where it is.
"""

from __future__ import annotations

from typing import ClassVar

from cells.machine.virtio.events import BITS, IDS, NAME, Answers, Events, bits, identity
from cells.split.ends import Clock
from cells.split.input.evdev import EV_KEY, EV_SYN, SYN_REPORT
from hypervisor.abi.virtual import PRESSED

KEY_POWER, KEY_RESTART = 116, 0x198
"""Linux, include/uapi/linux/input-event-codes.h."""
KEYS = {PRESSED["shutdown"]: KEY_POWER, PRESSED["reboot"]: KEY_RESTART}


class PowerKey(Events):
    """Two keys, each pressed for no time."""

    answers: ClassVar[Answers] = {
        (NAME, 0): b"Cellvisor power key",
        (IDS, 0): identity(2),
        (BITS, EV_KEY): bits(1 << KEY_POWER | 1 << KEY_RESTART),
    }

    def begin(self, clock: Clock) -> None:
        """Time begins."""
        self._clock = clock

    def press(self, which: int) -> None:
        """The monitor rang with these bits; without a driver nobody remembers it."""
        if not self._mmio.working():
            return
        for bit, key in KEYS.items():
            if which & bit:
                self._keep([(EV_KEY, key, 1), (EV_SYN, SYN_REPORT, 0), (EV_KEY, key, 0), (EV_SYN, SYN_REPORT, 0)])
