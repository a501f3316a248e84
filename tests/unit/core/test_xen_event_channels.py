"""Event channels through the raw calls: who may bind what, and when a port is pending."""

from __future__ import annotations

import pytest

from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ALLOC_UNBOUND,
    BIND_INTERDOMAIN,
    BIND_IPI,
    BIND_VCPU,
    BIND_VIRQ,
    DOMID_SELF,
    EVTCHN_MASK,
    EVTCHN_PENDING,
    PENDING_SEL,
    POLL,
    PORT,
    REGISTER_VCPU_INFO,
    RESET,
    STATUS,
    UPCALL_PENDING,
    Call,
    Errno,
    EvtchnOp,
    MemoryOp,
    Param,
    PortState,
    SchedOp,
    VcpuOp,
    Virq,
)
from hypervisor.core.xen.hypervisor import XenHypervisor
from tests.support.invariants import Watch
from tests.support.scripted import Bench, ScriptedVcpu
from tests.support.xen import ARGUMENTS, FREE, RawGuest, XenLab

OP = Call.EVENT_CHANNEL
SHARED = Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, DOMID_SELF, 0, 0, 0


@pytest.fixture
def lab(watch: Watch) -> XenLab:
    lab = XenLab("a", "b", "c")
    watch(lab.monitor)
    for guest in lab.guests.values():
        guest.set_up_events()
    return lab


def joined(one: RawGuest, two: RawGuest) -> tuple[int, int]:
    """Ports of both."""
    port = one.call(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, two.domid, 0)[2]
    other = two.call(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, one.domid, port, 0)[2]
    look(two)
    return port, other


def look(guest: RawGuest) -> list[int]:
    """What a kernel does in its upcall: the pending ports, cleared."""
    found = []
    while guest.peek(guest.page(1) + UPCALL_PENDING, 1) != b"\0":
        guest.poke(guest.page(1) + UPCALL_PENDING, b"\0")
        selected = guest.word(PENDING_SEL)
        guest.set_word(PENDING_SEL, 0)
        for word in range(16):
            if selected >> word & 1:
                ready = guest.word(EVTCHN_PENDING + 8 * word) & ~guest.word(EVTCHN_MASK + 8 * word)
                guest.set_word(EVTCHN_PENDING + 8 * word, guest.word(EVTCHN_PENDING + 8 * word) & ~ready)
                found += [word * 64 + bit for bit in range(64) if ready >> bit & 1]
    guest.notices()
    return found


def test_a_send_makes_the_other_end_pending_and_tells_its_vcpu(lab):
    a, b = lab["a"], lab["b"]
    port, other = joined(a, b)
    assert a.send(port) == 0
    assert b.notices() == [other]
    assert look(b) == [other]
    assert look(a) == []


def test_a_second_send_before_the_receiver_has_looked_is_one_event(lab):
    a, b = lab["a"], lab["b"]
    port, other = joined(a, b)
    for _ in range(5):
        a.send(port)
    assert b.notices() == [other]
    assert look(b) == [other]
    a.send(port)
    assert look(b) == [other]


def test_a_port_whose_bit_the_receiver_has_left_standing_does_not_raise_the_upcall_again(lab):
    a, b = lab["a"], lab["b"]
    port, other = joined(a, b)
    a.send(port)
    b.poke(b.page(1), bytes(16))  # the flag and the selector, but not the port
    b.notices()
    a.send(port)
    assert b.notices() == []
    b.set_word(EVTCHN_PENDING, 0)
    a.send(port)
    assert b.notices() == [other]


def test_a_masked_port_is_pending_in_silence_until_it_is_unmasked(lab):
    a, b = lab["a"], lab["b"]
    port, other = joined(a, b)
    b.set_word(EVTCHN_MASK, 1 << other)
    a.send(port)
    assert b.notices() == []
    assert b.word(EVTCHN_PENDING) >> other & 1
    assert b.attempt(OP, EvtchnOp.UNMASK, PORT, other) == 0
    assert b.notices() == [other]
    assert look(b) == [other]


def test_a_send_to_a_port_that_nobody_has_bound_is_swallowed(lab):
    a, b = lab["a"], lab["b"]
    port = a.call(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, b.domid, 0)[2]
    assert a.send(port) == 0
    assert b.notices() == []


def test_a_port_is_bound_by_the_domain_it_was_left_for_and_by_no_other(lab):
    a, b, c = lab["a"], lab["b"], lab["c"]
    port = a.call(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, b.domid, 0)[2]
    assert c.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0) == -Errno.EINVAL
    assert b.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0) == 0
    assert b.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0) == -Errno.EINVAL


def test_a_bound_port_is_pending_at_once_in_case_that_a_send_was_missed(lab):
    a, b = lab["a"], lab["b"]
    port = a.call(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, b.domid, 0)[2]
    other = b.call(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0)[2]
    assert look(b) == [other]


def test_closing_one_end_leaves_the_other_unbound_for_the_same_domain(lab):
    a, b = lab["a"], lab["b"]
    port, other = joined(a, b)
    assert b.attempt(OP, EvtchnOp.CLOSE, PORT, other) == 0
    state = a.call(OP, EvtchnOp.STATUS, STATUS, DOMID_SELF, port, 0, 0, 0, 0)
    assert (state[2], state[4]) == (PortState.UNBOUND, b.domid)
    assert b.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0) == 0


def test_the_ports_of_a_dead_domain_are_free_and_its_partner_can_meet_the_next_one(lab):
    a, b = lab["a"], lab["b"]
    port, _ = joined(a, b)
    lab.restart("b")
    b.set_up_events()
    assert a.send(port) == 0
    assert b.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0) == 0
    assert b.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, lab["c"].domid, port, 0) == -Errno.EINVAL


def test_what_became_pending_before_there_was_a_page_is_in_the_page_when_it_comes(watch):
    lab = XenLab("a", "b")
    watch(lab.monitor)
    a, b = lab["a"], lab["b"]
    a.set_up_events()
    port = a.call(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, b.domid, 0)[2]
    other = b.call(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0)[2]
    assert b.notices() == []
    b.set_up_events()
    assert look(b) == [other]


def test_vcpu_info_moves_once_and_everything_is_marked_then(lab):
    a = lab["a"]
    place = (a.frame(FREE), 64)
    assert a.attempt(Call.VCPU, VcpuOp.REGISTER_VCPU_INFO, REGISTER_VCPU_INFO, *place) == -Errno.ENOENT
    at = a.page(ARGUMENTS)
    a.poke(at, REGISTER_VCPU_INFO.pack(*place))
    assert a.status(Call.VCPU, VcpuOp.REGISTER_VCPU_INFO, 0, at) == 0
    assert a.peek(a.page(FREE) + 64 + UPCALL_PENDING, 1) == b"\1"
    assert a.peek(a.page(FREE) + 64 + PENDING_SEL, 8) == b"\xff" * 8
    assert a.status(Call.VCPU, VcpuOp.REGISTER_VCPU_INFO, 0, at) == -Errno.EINVAL
    b = lab["b"]
    port, other = joined(b, a)
    a.poke(a.page(FREE) + 64, bytes(16))
    a.set_word(EVTCHN_PENDING, 0)
    b.send(port)
    assert a.peek(a.page(FREE) + 64 + UPCALL_PENDING, 1) == b"\1"
    assert a.word(EVTCHN_PENDING) >> other & 1


def test_an_ipi_reaches_the_domain_itself(lab):
    a = lab["a"]
    port = a.call(OP, EvtchnOp.BIND_IPI, BIND_IPI, 0, 0)[1]
    a.send(port)
    assert look(a) == [port]
    assert a.attempt(OP, EvtchnOp.BIND_IPI, BIND_IPI, 1, 0) == -Errno.ENOENT


def test_dom0_hears_of_a_domain_that_died_and_nobody_else_may(lab):
    dom0, c = lab["a"], lab["c"]
    assert dom0.domid == 0
    assert c.attempt(OP, EvtchnOp.BIND_VIRQ, BIND_VIRQ, Virq.DOM_EXC, 0, 0) == -Errno.EPERM
    port = dom0.call(OP, EvtchnOp.BIND_VIRQ, BIND_VIRQ, Virq.DOM_EXC, 0, 0)[2]
    assert dom0.attempt(OP, EvtchnOp.BIND_VIRQ, BIND_VIRQ, Virq.DOM_EXC, 0, 0) == -Errno.EEXIST
    assert dom0.send(port) == -Errno.EINVAL
    lab.die("b")
    assert look(dom0) == [port]


def test_a_reset_closes_all_ports_but_those_of_the_hypervisor(lab):
    a, b = lab["a"], lab["b"]
    joined(a, b)
    own = lab.xen.domains.of(a.cell)
    assert a.attempt(OP, EvtchnOp.RESET, RESET, DOMID_SELF) == 0
    assert sorted(own.ports) == [own.params[Param.STORE_EVTCHN], own.params[Param.CONSOLE_EVTCHN]]


def test_only_dom0_may_touch_the_ports_of_others(lab):
    dom0, b, c = lab["a"], lab["b"], lab["c"]
    assert b.attempt(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, c.domid, b.domid, 0) == -Errno.EPERM
    assert b.attempt(OP, EvtchnOp.RESET, RESET, c.domid) == -Errno.EPERM
    assert b.attempt(OP, EvtchnOp.STATUS, STATUS, c.domid, 1, 0, 0, 0, 0) == -Errno.EPERM
    assert dom0.attempt(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, c.domid, b.domid, 0) == 0


def test_the_second_vcpu_of_a_domain_does_not_exist(lab):
    a, b = lab["a"], lab["b"]
    port, _ = joined(a, b)
    assert a.attempt(OP, EvtchnOp.BIND_VCPU, BIND_VCPU, port, 0) == 0
    assert a.attempt(OP, EvtchnOp.BIND_VCPU, BIND_VCPU, port, 1) == -Errno.ENOENT


def test_fifo_events_are_not_there_so_that_kernels_take_the_2_level_ones(lab):
    assert lab["a"].status(OP, EvtchnOp.INIT_CONTROL) == -Errno.ENOSYS


def test_all_ports_can_be_taken_and_then_there_are_no_more(lab):
    a = lab["a"]
    taken = [a.attempt(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, 1, 0) for _ in range(1022)]
    assert taken[-2:] == [0, -Errno.ENOSPC]
    assert taken.count(0) == 1021


def test_a_poll_answers_at_once_when_a_port_is_pending_even_masked(lab):
    a, b = lab["a"], lab["b"]
    port, other = joined(a, b)
    b.set_word(EVTCHN_MASK, 1 << other)
    a.send(port)
    b.poke(b.page(FREE), PORT.pack(other))
    assert b.attempt(Call.SCHED, SchedOp.POLL, POLL, b.page(FREE), 1, 0) == 0
    assert b.cell.vcpu.pending is None


def test_every_send_is_a_step_of_the_trace_with_its_cause(lab):
    a, b = lab["a"], lab["b"]
    port, _ = joined(a, b)
    before = len(lab.kinds("notify"))
    a.send(port)
    (record,) = lab.kinds("notify")[before:]
    assert (record.cell, record.fields["to"], record.fields["port"]) == ("a", "b", port)


def test_an_event_for_a_poll_whose_time_is_over_comes_too_late_and_does_no_harm():
    """Its vCPU could run again, and waits for a core that somebody more urgent has: nobody may be woken twice."""

    def ask(vcpu, call, op, layout, *values):
        found = yield from vcpu.call(call, op, data=layout.pack(*values))
        vcpu.events.clear()
        return found

    def urgent(vcpu: ScriptedVcpu):
        yield from ask(vcpu, *SHARED, 1)
        yield from ask(vcpu, OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, 1, 0)
        yield from vcpu.wait(1_000)
        yield from vcpu.work(1_000)  # the poll's time ends meanwhile,
        yield from vcpu.say(b"!")  # and at this exit its vCPU is made runnable
        yield from ask(vcpu, OP, EvtchnOp.SEND, PORT, 3)
        yield from vcpu.work(100)

    def poller(vcpu: ScriptedVcpu):
        yield from ask(vcpu, *SHARED, 1)
        yield from ask(vcpu, OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, 0, 3, 0)
        memory.write(1, 0, 4096, bytes(EVTCHN_PENDING + 8))  # binding has made it pending: it was looked at
        memory.write(1, 0, 8192, PORT.pack(3))
        answers.append((yield from ask(vcpu, Call.SCHED, SchedOp.POLL, POLL, 8192, 1, 1_500)))

    answers: list[int] = []
    bench = Bench(
        {"a": urgent, "b": poller},
        mechanism=XenHypervisor,
        policy="fixed_priority",
        slice_cycles=100_000,
        params={"a": {"ram": 1 << 14, "priority": 9}, "b": {"ram": 1 << 14}},
    )
    memory = bench.monitor.memory.host
    bench.until(10_000)
    assert answers == [0]
