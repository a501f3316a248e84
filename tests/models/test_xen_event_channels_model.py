"""Event channels against a model: ports are never lost or leaked, and what is pending is pending exactly once."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from hypervisor.abi.xen import (
    ALLOC_UNBOUND,
    BIND_INTERDOMAIN,
    BIND_IPI,
    DOMID_SELF,
    EVTCHN_MASK,
    EVTCHN_PENDING,
    PENDING_SEL,
    PORT,
    RESET,
    UPCALL_PENDING,
    Call,
    EvtchnOp,
)
from tests.support.xen import RawGuest, XenLab

NAMES = ("a", "b", "c")
OP = Call.EVENT_CHANNEL
End = tuple[str, int]


class EventChannels(RuleBasedStateMachine):
    """Domains that bind, send, look, close and die. The model: ends by (domain, port), and the set of pending ones."""

    ports: Bundle[End] = Bundle("ports")

    def __init__(self) -> None:
        super().__init__()
        self.lab = XenLab(*NAMES)
        self.open: dict[End, End | str | None] = {}  # the other end, or for whom it waits, or None for an IPI
        self.pending: set[End] = set()
        self.masked: set[End] = set()
        for name in NAMES:
            self.lab[name].set_up_events()

    @rule(target=ports, name=st.sampled_from(NAMES), remote=st.sampled_from(NAMES))
    def leave_open(self, name: str, remote: str) -> End:
        guest = self.lab[name]
        place = (DOMID_SELF, self.lab[remote].domid, 0)
        end = name, guest.call(OP, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, *place)[2]
        assert end not in self.open
        self.open[end] = remote
        return end

    @rule(target=ports, name=st.sampled_from(NAMES))
    def make_ipi(self, name: str) -> End:
        end = name, self.lab[name].call(OP, EvtchnOp.BIND_IPI, BIND_IPI, 0, 0)[1]
        assert end not in self.open
        self.open[end] = None
        return end

    @rule(target=ports, name=st.sampled_from(NAMES), there=ports)
    def bind(self, name: str, there: End):
        guest, remote = self.lab[name], self.lab[there[0]].domid
        fits = self.open.get(there, "nobody") == name
        answer = guest.attempt(OP, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, remote, there[1], 0)
        assert (answer == 0) == fits
        if not fits:
            return multiple()
        end = name, BIND_INTERDOMAIN.unpack(guest.peek(guest.page(0), BIND_INTERDOMAIN.size))[2]
        assert end not in self.open
        self.open[end], self.open[there] = there, end
        self.pending.add(end)
        return end

    @rule(end=ports)
    def send(self, end: End) -> None:
        answer = self.lab[end[0]].send(end[1])
        assert (answer == 0) == (end in self.open)
        other = self.open.get(end, "gone")
        if other is None:
            self.pending.add(end)
        elif isinstance(other, tuple):
            self.pending.add(other)

    @rule(end=consumes(ports))
    def close(self, end: End) -> None:
        answer = self.lab[end[0]].attempt(OP, EvtchnOp.CLOSE, PORT, end[1])
        assert (answer == 0) == (end in self.open)
        self._forget(end)

    @rule(end=ports)
    def mask(self, end: End) -> None:
        guest = self.lab[end[0]]
        guest.set_word(EVTCHN_MASK, guest.word(EVTCHN_MASK) | 1 << end[1])
        self.masked.add(end)

    @rule(end=ports)
    def unmask(self, end: End) -> None:
        answer = self.lab[end[0]].attempt(OP, EvtchnOp.UNMASK, PORT, end[1])
        assert (answer == 0) == (end in self.open)
        if not answer:
            self.masked.discard(end)

    @rule(name=st.sampled_from(NAMES))
    def look(self, name: str) -> None:
        """The upcall finds what is pending and not masked: each once, and nothing else."""
        found = upcall(self.lab[name])
        assert len(found) == len(set(found))
        expected = {port for owner, port in self.pending if owner == name and (owner, port) not in self.masked}
        assert set(found) == expected
        self.pending -= {(name, port) for port in found}

    @rule(name=st.sampled_from(NAMES))
    def reset(self, name: str) -> None:
        self.lab[name].call(OP, EvtchnOp.RESET, RESET, DOMID_SELF)
        for end in [end for end in self.open if end[0] == name]:
            self._forget(end)

    @rule(name=st.sampled_from(NAMES))
    def die(self, name: str) -> None:
        self.lab.restart(name).set_up_events()
        for end in [end for end in self.open if end[0] == name]:
            self._forget(end)
        self.masked = {end for end in self.masked if end[0] != name}

    def _forget(self, end: End) -> None:
        other = self.open.pop(end, None)
        self.pending.discard(end)
        if isinstance(other, tuple) and other in self.open:
            self.open[other] = end[0]

    @invariant()
    def the_accounts_hold(self) -> None:
        self.lab.monitor.check_invariants()
        for name in NAMES:
            domain = self.lab.xen.domains.of(self.lab[name].cell)
            ours = {port for port, what in domain.ports.items() if what.handler is None}
            assert ours == {port for owner, port in self.open if owner == name}


def upcall(guest: RawGuest) -> list[int]:
    """What a kernel does: flag, selector, words."""
    found = []
    while guest.peek(guest.page(1) + UPCALL_PENDING, 1) != b"\0":
        guest.poke(guest.page(1) + UPCALL_PENDING, b"\0")
        selected = guest.word(PENDING_SEL)
        guest.set_word(PENDING_SEL, 0)
        for word in (bit for bit in range(64) if selected >> bit & 1):
            at = EVTCHN_PENDING + 8 * word
            ready = guest.word(at) & ~guest.word(EVTCHN_MASK + 8 * word)
            guest.set_word(at, guest.word(at) & ~ready)
            found += [word * 64 + bit for bit in range(64) if ready >> bit & 1]
    return found


TestEventChannels = EventChannels.TestCase
TestEventChannels.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
