"""Grants against a model: the flags in the entries are what is mapped, and pages are shared as long as somebody has them."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hypervisor.abi.xen import GrantStatus, Gtf, MapFlag
from tests.support.xen import FREE, XenLab

NAMES = ("a", "b", "c")
REFS = range(8, 12)
names, refs, flags = st.sampled_from(NAMES), st.sampled_from(REFS), st.booleans()
Held = tuple[str, int, str, int, bool]  # user, handle, granter, reference, writable


class Grants(RuleBasedStateMachine):
    """Domains that grant, map, give back and die. The model: entries as they were written, mappings by handle."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = XenLab(*NAMES)
        self.entries: dict[tuple[str, int], tuple[str, bool, int]] = {}
        self.held: dict[tuple[str, int], tuple[str | None, int, bool, int, int]] = {}
        for name in NAMES:
            self.lab[name].set_up_grants()

    @rule(granter=names, reference=refs, user=names, read_only=flags, page=st.integers(0, 3))
    def grant(self, granter: str, reference: int, user: str, read_only: bool, page: int) -> None:
        """An honest granter: it changes no entry that is in use."""
        guest = self.lab[granter]
        if guest.grant_flags(reference) & (Gtf.READING | Gtf.WRITING):
            return
        kind = Gtf.PERMIT_ACCESS | (Gtf.READONLY if read_only else 0)
        guest.grant(reference, kind, self.lab[user].domid, guest.frame(FREE + page))
        self.entries[granter, reference] = (user, read_only, page)

    @rule(user=names, granter=names, reference=refs, read_only=flags)
    def map(self, user: str, granter: str, reference: int, read_only: bool) -> None:
        kind = MapFlag.HOST_MAP | (MapFlag.READONLY if read_only else 0)
        status, handle, host = self.lab[user].map(self.lab[granter].domid, reference, flags=kind)
        entry = self.entries.get((granter, reference))
        allowed = entry is not None and entry[0] == user and (read_only or not entry[1])
        assert (status == GrantStatus.OKAY) == allowed
        if entry is not None and allowed:
            assert (user, handle) not in self.held
            self.held[user, handle] = (granter, reference, not read_only, host, entry[2])

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if not self.held:
            return
        key = data.draw(st.sampled_from(sorted(self.held)))
        host = self.held.pop(key)[3]
        assert self.lab[key[0]].unmap(key[1], host) == 0
        assert self.lab[key[0]].unmap(key[1], host) == GrantStatus.BAD_HANDLE

    @rule(name=names)
    def die(self, name: str) -> None:
        self.lab.restart(name).set_up_grants()
        self.entries = {key: entry for key, entry in self.entries.items() if key[0] != name}
        self.held = {
            key: (None if granter == name else granter, *rest)
            for key, (granter, *rest) in self.held.items()
            if key[0] != name
        }  # type: ignore[misc]

    @rule(data=st.data(), byte=st.binary(min_size=1, max_size=1))
    def write(self, data: st.DataObject, byte: bytes) -> None:
        """What one end writes the other one reads."""
        mapped = sorted(key for key, held in self.held.items() if held[0] is not None and held[2])
        if mapped:
            key = data.draw(st.sampled_from(mapped))
            granter, _, _, host, page = self.held[key]
            self.lab[key[0]].poke(host, byte)
            assert granter is not None
            owner = self.lab[granter]
            assert owner.peek(owner.page(FREE + page), 1) == byte

    @invariant()
    def what_shows_is_what_is_mapped(self) -> None:
        for granter, reference in self.entries:
            held = [h for h in self.held.values() if h[:2] == (granter, reference)]
            shown = self.lab[granter].grant_flags(reference)
            assert bool(shown & Gtf.READING) == bool(held)
            assert bool(shown & Gtf.WRITING) == any(h[2] for h in held)

    @invariant()
    def the_accounts_hold(self) -> None:
        self.lab.monitor.check_invariants()
        for name in NAMES:
            cell = self.lab[name].cell
            used = {h[4] for h in self.held.values() if h[0] == name}
            for page in range(4):
                shared = self.lab.monitor.memory.segment_at(cell, self.lab[name].page(FREE + page)) is not None
                assert shared == (page in used)


TestGrants = Grants.TestCase
TestGrants.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
