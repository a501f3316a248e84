"""Domains for address spaces: switching flushes nothing until there are more spaces than domains."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hypervisor.core.fass import DOMAINS, Entry, Fass


def test_as_many_spaces_as_domains_switch_for_ever_without_a_flush() -> None:
    fass = Fass()
    entries = [fass.enter(n % DOMAINS) for n in range(10 * DOMAINS)]
    assert not any(entry.cache_flush or entry.tlb_flush for entry in entries)
    assert {entry.domain for entry in entries} == set(range(1, 16))


def test_one_more_takes_the_domain_that_ran_longest_ago_and_flushes_both() -> None:
    fass = Fass(2)
    fass.enter("a"), fass.enter("b"), fass.enter("a")
    assert fass.enter("c") == Entry(2, cache_flush=True, tlb_flush=True)
    assert fass.domain_of("b") is None


def test_after_a_flush_the_others_are_clean_and_are_taken_without_another() -> None:
    fass = Fass(3)
    for space in "abc":
        fass.enter(space)
    assert fass.enter("d").cache_flush
    assert fass.enter("e") == Entry(2, cache_flush=False, tlb_flush=True)
    assert fass.enter("f") == Entry(3, cache_flush=False, tlb_flush=True)
    assert fass.enter("g").cache_flush, "all have run since"


def test_a_domain_of_the_dead_is_free_and_dirty() -> None:
    fass = Fass(2)
    fass.enter("a"), fass.enter("b")
    fass.leave("a")
    fass.leave("never there")
    assert fass.enter("c") == Entry(1, cache_flush=True, tlb_flush=True)


def test_a_fresh_domain_is_preferred_to_one_of_the_dead() -> None:
    fass = Fass(2)
    fass.enter("a")
    fass.leave("a")
    assert fass.enter("b") == Entry(2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=80), st.integers(1, 4))
def test_nobody_runs_in_a_dirty_domain_of_another(steps: list[tuple[bool, int]], domains: int) -> None:
    """The cache as it is: which spaces have lines tagged with a domain."""
    fass, lines, translations = Fass(domains), {}, {}  # type: ignore[var-annotated]
    for enter, space in steps:
        if not enter:
            fass.leave(space)
            continue
        entry = fass.enter(space)
        if entry.cache_flush:
            lines.clear()
        if entry.tlb_flush:
            translations.clear()
        for known in (lines, translations):
            assert known.setdefault(entry.domain, space) == space or not enter
        assert fass.problems() == []


def test_a_space_that_came_back_under_the_same_name_is_another_one() -> None:
    fass = Fass(1)
    fass.enter("a")
    fass.leave("a")
    assert fass.enter("a") == Entry(1, cache_flush=True, tlb_flush=True)
