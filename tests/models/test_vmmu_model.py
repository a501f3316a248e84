"""The virtual MMU against a plain walk of the guest's tables: whatever it keeps and forgets, no process sees a difference.

The guest keeps the rule of the door: what it takes away it flushes, what it adds it does not mention.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hypervisor.abi.memory import PAGE
from hypervisor.abi.okl4_door import DoorCall, Why
from hypervisor.abi.pv import TableFormat, Trap
from hypervisor.core.okl4.door import RESERVED
from tests.support.okl4_door import BASE, FAULT, FRAME, RAM, RO, ROOT, RW, VIRTUAL, DoorLab

ROOTS = [ROOT + n * 0x3000 for n in range(3)]
VIRTUALS = [mebibyte << 20 | page << 12 for mebibyte in (0, 1, 700, 0xBFF) for page in (0, 8, 255)]
OWN = [FRAME + n * PAGE for n in range(6)]
FOREIGN = [0, BASE - PAGE, BASE + RAM - RESERVED, BASE + RAM, 0xC000_0000, 0x3F00_0000]
WHICH, WHERE = st.sampled_from(range(3)), st.sampled_from(VIRTUALS)
PAGES = st.sampled_from([*OWN, *OWN, *FOREIGN])
Plain = dict[int, tuple[int, bool]]


def table_of(which: int, virtual: int) -> int:
    """Where its second-level table lies: one for each mebibyte in use."""
    return BASE + 0x2_0000 + (which * 4 + [0, 1, 700, 0xBFF].index(virtual >> 20)) * 0x400


class VmmuMachine(RuleBasedStateMachine):
    """Three spaces, few pages, and fewer entries."""

    layout = TableFormat.MODERN

    @initialize(entries=st.sampled_from([0, 4, 6, 64]), fass=st.sampled_from([0, 2, 15]))
    def begin(self, entries: int, fass: int) -> None:
        self.lab = DoorLab(self.layout, vtlb=entries, fass=fass)
        self.kernel = self.lab.kernel.boot()
        self.entries = entries
        self.plain: list[Plain] = [{} for _ in ROOTS]
        self.in_process: int | None = None

    def stop(self) -> None:
        """Into the kernel, if a process runs."""
        if self.in_process is not None:
            self.kernel.trap(Trap.SWI)
            self.in_process = None

    @rule(which=WHICH, virtual=WHERE, page=PAGES, writable=st.booleans())
    def store(self, which: int, virtual: int, page: int, writable: bool) -> None:
        self.stop()
        before = self.plain[which].get(virtual)
        self.plain[which][virtual] = (page, writable)
        self.kernel.map(ROOTS[which], virtual, page, RW if writable else RO, table_of(which, virtual))
        if before and (before[0] != page or (before[1] and not writable)):
            assert self.kernel.call(DoorCall.FLUSH_PAGE, ROOTS[which], virtual) == 0

    @rule(which=WHICH, virtual=WHERE)
    def take_away(self, which: int, virtual: int) -> None:
        self.stop()
        if self.plain[which].pop(virtual, None):
            self.kernel.map(ROOTS[which], virtual, 0, 0, table_of(which, virtual))
            assert self.kernel.call(DoorCall.FLUSH_PAGE, ROOTS[which], virtual) == 0

    @rule(which=WHICH)
    def take_all_away(self, which: int) -> None:
        self.stop()
        self.plain[which].clear()
        self.kernel.poke(ROOTS[which], bytes(0x3000))
        for virtual in VIRTUALS:
            self.kernel.poke(table_of(which, virtual), bytes(0x400))
        assert self.kernel.call(DoorCall.FLUSH_SPACE, ROOTS[which]) == 0

    @rule(which=WHICH)
    def run(self, which: int) -> None:
        self.stop()
        assert self.kernel.run(ROOTS[which]) == 0
        self.in_process = which

    @rule(virtual=WHERE, store=st.booleans(), offset=st.sampled_from([0, 4, 0xFFC]))
    def touch(self, virtual: int, store: bool, offset: int) -> None:
        if self.in_process is None:
            self.run(0)
        assert self.in_process is not None
        page, writable = self.plain[self.in_process].get(virtual, (0, False))
        seen = self.kernel.touch(virtual + offset, store=store)
        if seen == "miss":
            seen = self.kernel.touch(virtual + offset, store=store)
        if isinstance(seen, tuple):
            assert seen[:2] == (FAULT, virtual + offset)
            assert page not in OWN or (store and not writable)
            self.in_process = None
        else:
            found = self.kernel.see(virtual + offset)
            assert seen == "hit" and page in OWN and (writable or not store)
            assert found is not None and found.address == page + offset and found.writable == writable

    @rule()
    def interrupt(self) -> None:
        if self.in_process is not None:
            self.kernel.trap(Trap.IRQ)
            assert self.kernel.told()[0] is Why.INTERRUPT
            self.in_process = None

    @invariant()
    def holds_together(self) -> None:
        self.lab.monitor.check_invariants()
        assert len(self.lab.mmu) <= (self.entries or 99)
        in_kernel = self.in_process is None
        assert (self.kernel.see(VIRTUAL) is not None) == in_kernel == self.kernel.state.in_kernel

    @invariant()
    def real_tables_know_only_what_the_guest_has(self) -> None:
        if self.in_process is not None:
            plain = self.plain[self.in_process]
            for virtual in VIRTUALS:
                found = self.kernel.see(virtual)
                known = plain.get(virtual)
                assert found is None or (known is not None and found.address == known[0])
                assert found is None or not found.writable or (known is not None and known[1])


class LegacyVmmuMachine(VmmuMachine):
    """The same, with the older format of tables and a CPU that does not tell loads from stores."""

    layout = TableFormat.LEGACY


@pytest.mark.slow
@pytest.mark.parametrize("machine", [VmmuMachine, LegacyVmmuMachine])
def test_the_virtual_mmu_agrees_with_a_plain_walk(machine: type[VmmuMachine]) -> None:
    model = settings(max_examples=30, stateful_step_count=50, deadline=None, derandomize=True)
    run_state_machine_as_test(machine, settings=model)
