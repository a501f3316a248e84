"""Domains: who is which number, what they ask about themselves, how they sleep and end, and what a policy denies them."""

from __future__ import annotations

import pytest

from hypervisor.abi.time import NEVER
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ALLOC_UNBOUND,
    BIND_INTERDOMAIN,
    DOMID_SELF,
    FEATURE_INFO,
    HVM_PARAM,
    POLL,
    PORT,
    RUNSTATE,
    SHUTDOWN,
    Call,
    ConsoleOp,
    Errno,
    EvtchnOp,
    GrantStatus,
    Gtf,
    HvmOp,
    MapSpace,
    MemoryOp,
    Param,
    SchedOp,
    VcpuOp,
    VersionOp,
)
from hypervisor.core.cell import CellState
from hypervisor.core.effects import ShowOutput
from hypervisor.core.wiring import ChannelParams, SharedParams
from tests.support.scripted import Bench, ScriptedVcpu
from tests.support.xen import ARGUMENTS, BASE, FREE, PAGES, XenLab

BLOCK = ChannelParams("disk", "block", 0, 1)
TALK = ChannelParams("talk", "message", 0, 2)


def domids(lab: XenLab) -> dict[str, int]:
    return {name: guest.domid for name, guest in lab.guests.items()}


# Who is who


def test_dom0_is_the_first_cell_that_serves_and_never_asks():
    net = ChannelParams("net", "net", 1, 2)
    assert domids(XenLab("a", "b", "c", channels=[BLOCK, net])) == {"c": 0, "a": 1, "b": 2}


def test_a_cell_called_dom0_is_dom0():
    assert domids(XenLab("a", "b", "dom0", channels=[BLOCK])) == {"dom0": 0, "a": 1, "b": 2}


def test_without_drivers_the_first_cell_is_dom0():
    assert domids(XenLab("a", "b", "c", channels=[TALK])) == {"a": 0, "b": 1, "c": 2}


def test_a_domain_keeps_its_number_in_its_next_life():
    lab = XenLab("a", "b")
    assert lab.restart("b").domid == 1


def test_a_cell_is_told_its_devices_by_their_paths_in_the_store():
    lab = XenLab("a", "b", "c", channels=[BLOCK, TALK])
    told = lab.xen.boot_info(lab["a"].cell)
    (link,), (channel,) = told["links"], told["channels"]
    assert (link["role"], link["peer"], link["domid"]) == ("front", "b", 0)
    assert link["node"] == "/local/domain/1/device/block/0"
    assert link["other"] == "/local/domain/0/backend/block/1/0"
    assert (channel["role"], channel["rights"]) == ("front", ["receive", "send"])
    alone = XenLab("a", "b")
    assert alone.xen.boot_info(alone["a"].cell) == {}


def test_shared_memory_is_at_the_same_bytes_for_all_and_read_only_for_some():
    lab = XenLab("a", "b", shared=[SharedParams("board", 8192, {0: True, 1: False})])
    (one,), (two,) = (lab.xen.boot_info(lab[name].cell)["shared"] for name in "ab")
    assert (one["writable"], two["writable"], two["size"]) == (True, False, 8192)
    lab["a"].poke(one["address"] + 5000, b"chalk")
    assert lab["b"].peek(two["address"] + 5000, 5) == b"chalk"


# What they ask


def test_the_version_is_the_one_that_unmodified_kernels_are_told():
    a = XenLab("a", "b")["a"]
    assert a.status(Call.VERSION, VersionOp.VERSION) == 4 << 16 | 17
    assert a.call(Call.VERSION, VersionOp.GET_FEATURES, FEATURE_INFO, 0, 0)[1] == 1 << 0 | 1 << 2 | 1 << 11 | 1 << 13
    assert a.attempt(Call.VERSION, VersionOp.GET_FEATURES, FEATURE_INFO, 1, 0) == -Errno.EINVAL
    assert a.status(Call.VERSION, VersionOp.EXTRAVERSION, a.page(FREE)) == 0
    assert a.peek(a.page(FREE), 3) == b".0\0"
    assert a.status(Call.VERSION, VersionOp.PAGESIZE) == 4096


def test_a_structure_can_come_with_the_call_and_its_answer_goes_with_the_answer():
    a = XenLab("a", "b")["a"]
    assert a.status(Call.HVM, HvmOp.GET_PARAM, data=HVM_PARAM.pack(DOMID_SELF, Param.STORE_EVTCHN, 0)) == 0
    payload = a.cell.vcpu.events[0].payload
    assert HVM_PARAM.unpack(payload) == (DOMID_SELF, Param.STORE_EVTCHN, 1)


def test_memory_questions_are_answered_in_pages():
    a = XenLab("a", "b")["a"]
    assert a.status(Call.MEMORY, MemoryOp.MAXIMUM_RESERVATION) == PAGES
    assert a.status(Call.MEMORY, MemoryOp.MAXIMUM_GPFN) == BASE // 4096 + PAGES - 1
    place = (DOMID_SELF, 0, 9, 0, a.frame(FREE))
    assert a.attempt(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place) == -Errno.ENOSYS


def test_shared_info_that_moves_takes_its_content_along():
    a = XenLab("a", "b")["a"]
    a.set_up_events()
    a.set_word(48, 0b1010)
    place = (DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, a.frame(FREE))
    a.call(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place)
    assert a.peek(a.page(FREE) + 48, 1) == b"\x0a"


def test_the_runstate_says_how_the_time_was_spent():
    a = XenLab("a", "b")["a"]
    a.cell.vcpu.time, a.cell.account.ran = 5_000, 3_000
    assert a.status(Call.VCPU, VcpuOp.REGISTER_RUNSTATE, 0, a.page(ARGUMENTS)) == -Errno.EFAULT
    a.poke(a.page(ARGUMENTS), a.page(FREE).to_bytes(8, "little"))
    assert a.status(Call.VCPU, VcpuOp.REGISTER_RUNSTATE, 0, a.page(ARGUMENTS)) == 0
    assert RUNSTATE.unpack(a.peek(a.page(FREE), RUNSTATE.size)) == (0, 5_000, 3_000, 0, 2_000, 0)


def test_console_bytes_are_shown_and_typed_ones_are_read():
    lab = XenLab("a", "b")
    a = lab["a"]
    a.poke(a.page(FREE), b"hello\n")
    record_at = a.page(FREE)
    lab.settle()
    before = len(lab.monitor._effects)
    value = lab.monitor.calls[Call.CONSOLE_IO](
        lab.monitor, a.cell, _record(Call.CONSOLE_IO, ConsoleOp.WRITE, 6, record_at)
    )
    assert value == 0
    assert ShowOutput(0, b"hello\n") in lab.monitor._effects[before:]
    lab.monitor.post(a.cell, 1, b"typed")  # type: ignore[arg-type]
    assert a.status(Call.CONSOLE_IO, ConsoleOp.READ, 3, a.page(FREE)) == 3
    assert a.peek(a.page(FREE), 3) == b"typ"
    assert a.status(Call.CONSOLE_IO, ConsoleOp.READ, 9, a.page(FREE)) == 2
    assert a.status(Call.CONSOLE_IO, ConsoleOp.READ, 9, a.page(FREE)) == 0


def _record(call: int, operation: int, second: int, third: int):
    from hypervisor.abi.records import Exit, ExitKind

    return Exit(0, ExitKind.HYPERCALL, 0, 0, 0, call, operation, second, third)


@pytest.mark.parametrize(
    ("reason", "state"),
    [(0, CellState.SHUT_DOWN), (1, CellState.STARTING), (3, CellState.FAILED), (4, CellState.FAILED)],
)
def test_a_domain_ends_for_the_reason_that_it_gives(reason, state):
    lab = XenLab("a", "b", params={"b": {"on_crash": "destroy"}})
    b = lab["b"]
    b.poke(b.page(ARGUMENTS), SHUTDOWN.pack(reason))
    b.status(Call.SCHED, SchedOp.SHUTDOWN, b.page(ARGUMENTS))
    assert b.cell.state is state
    lab.monitor.check_invariants()


def test_a_domain_cannot_be_suspended_yet():
    b = XenLab("a", "b")["b"]
    assert b.attempt(Call.SCHED, SchedOp.SHUTDOWN, SHUTDOWN, 2) == -Errno.EINVAL


# Sleep


def sleeping(operation: SchedOp, timeout: int = 0):
    """Two scripted domains: `b` sleeps in a call, `a` rings it after 1000 cycles. What b's call answered, and when."""
    woken = []

    def calls(vcpu: ScriptedVcpu, call: int, operation: int, layout, *values: int):
        return (yield from vcpu.call(call, operation, data=layout.pack(*values)))

    def a(vcpu: ScriptedVcpu):
        yield from calls(vcpu, Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, DOMID_SELF, 0, 0, 0, 1)
        yield from calls(vcpu, Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, 1, 0)
        yield from vcpu.work(1000)
        yield from calls(vcpu, Call.EVENT_CHANNEL, EvtchnOp.SEND, PORT, 3)
        yield from vcpu.work(5000)

    def b(vcpu: ScriptedVcpu):
        yield from calls(vcpu, Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, DOMID_SELF, 0, 0, 0, 1)
        yield from vcpu.work(300)
        yield from calls(vcpu, Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, 0, 3, 0)
        memory.write(1, 0, 4096 + 48, bytes(8))  # it has looked
        memory.write(1, 0, 4096, bytes(16))
        memory.write(1, 0, 2 * 4096, PORT.pack(3))
        if operation is SchedOp.POLL:
            answer = yield from calls(vcpu, Call.SCHED, operation, POLL, 2 * 4096, 1, timeout)
        else:
            answer = yield from vcpu.call(Call.SCHED, operation)
        woken.append((answer, vcpu.time))

    from hypervisor.core.xen import XenHypervisor

    params = {name: {"ram": 1 << 14} for name in "ab"}
    bench = Bench({"a": a, "b": b}, mechanism=XenHypervisor, cores=2, quantum=100, latency=10, params=params)
    memory = bench.monitor.memory.host
    assert memory is not None
    assert bench.until(NEVER) == "finished"
    return woken[0]


def test_a_blocked_domain_sleeps_until_an_event_comes():
    answer, time = sleeping(SchedOp.BLOCK)
    assert answer == 0
    assert 1000 <= time <= 1300


def test_a_poll_sleeps_until_its_port_is_pending():
    answer, time = sleeping(SchedOp.POLL)
    assert answer == 0
    assert 1000 <= time <= 1300


def test_a_poll_with_a_time_ends_at_that_time():
    assert sleeping(SchedOp.POLL, timeout=600) == (0, 600)


# The policy

POLICY = """
[labels.red]
types = ["red"]
[labels.blue]
types = ["blue"]
[labels.both]
types = ["red", "blue"]
"""


@pytest.fixture
def guarded(watch) -> XenLab:
    labels = {"dom0": "both", "red": "red", "blue": "blue"}
    lab = XenLab(*labels, policy=POLICY, params={name: {"label": label} for name, label in labels.items()})
    watch(lab.monitor)
    for guest in lab.guests.values():
        guest.set_up_events()
        guest.set_up_grants()
    return lab


def test_domains_without_a_type_in_common_get_no_event_channel(guarded):
    red, blue, dom0 = guarded["red"], guarded["blue"], guarded["dom0"]
    open_for = (Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF)
    assert red.attempt(*open_for, blue.domid, 0) == -Errno.EACCES
    assert red.attempt(*open_for, dom0.domid, 0) == 0
    denial = guarded.kinds("denied")[-1]
    assert (denial.fields["subject"], denial.fields["object"], denial.fields["operation"]) == (
        "red",
        "blue",
        "event_channel",
    )


def test_domains_without_a_type_in_common_map_no_grants(guarded):
    red, blue, dom0 = guarded["red"], guarded["blue"], guarded["dom0"]
    for reference, user in ((8, blue), (9, dom0)):
        red.grant(reference, Gtf.PERMIT_ACCESS, user.domid, red.frame(FREE))
    assert blue.map(red.domid, 8)[0] == GrantStatus.PERMISSION_DENIED
    assert dom0.map(red.domid, 9)[0] == GrantStatus.OKAY


def test_what_is_connected_shows_in_the_graph():
    lab = XenLab("a", "b")
    a, b = lab["a"], lab["b"]
    for guest in (a, b):
        guest.set_up_events()
        guest.set_up_grants()
    port = a.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, b.domid, 0)[2]
    assert lab.xen.reach() == []
    b.call(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, a.domid, port, 0)
    a.grant(8, Gtf.PERMIT_ACCESS, b.domid, a.frame(FREE))
    b.map(a.domid, 8)
    edges = {(edge.cell, edge.target, edge.by.split()[0], edge.rights) for edge in lab.xen.reach()}
    assert edges == {("a", "b", "port", "send"), ("b", "a", "port", "send"), ("b", "a", "grant", "read+write")}
