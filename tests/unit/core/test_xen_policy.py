"""Mandatory access control: what the rules allow, by which rule, and what nobody mentioned."""

from __future__ import annotations

import pytest

from hypervisor.core.xen.policy import Decision, Policy

PHONE = Policy.of(
    {
        "labels": {
            "work_t": {"types": ["work"], "walls": ["office"]},
            "play_t": {"types": ["play"], "walls": ["games"]},
            "storage_t": {"types": ["work", "play", "flash"]},
            "empty_t": {},
        },
        "conflicts": {"work_or_play": ["office", "games"]},
        "devices": {"flash0": ["flash"], "nobodys": []},
    }
)


@pytest.mark.parametrize("operation", ["event_channel", "grant"])
def test_a_common_type_allows_and_the_rule_names_it(operation: str) -> None:
    rule = "type enforcement: work_t and storage_t share work"
    assert PHONE.allow("work_t", "storage_t", operation) == Decision(True, rule)


@pytest.mark.parametrize("operation", ["event_channel", "grant"])
def test_without_a_common_type_there_is_a_denial_that_says_what_each_has(operation: str) -> None:
    rule = "type enforcement: no type in common (work_t has work, play_t has play)"
    assert PHONE.allow("work_t", "play_t", operation) == Decision(False, rule)


def test_a_label_without_types_shares_with_nobody_and_not_with_itself() -> None:
    for other in PHONE.labels:
        assert not PHONE.allow("empty_t", other, "grant").allowed


@pytest.mark.parametrize("label", ["", "stranger_t"])
def test_a_label_that_nobody_declared_is_denied_everything(label: str) -> None:
    rule = f'no such label: "{label}"'
    for operation in ("event_channel", "grant", "cell_creation"):
        assert PHONE.allow(label, "storage_t", operation) == Decision(False, rule)
        assert PHONE.allow("storage_t", label, operation) == Decision(False, rule)
    assert PHONE.allow(label, "flash0", "device_assignment") == Decision(False, rule)


def test_a_device_goes_to_who_has_one_of_its_types() -> None:
    assert PHONE.allow("storage_t", "flash0", "device_assignment").allowed
    rule = "type enforcement: no type in common (work_t has work, flash0 has flash)"
    assert PHONE.allow("work_t", "flash0", "device_assignment") == Decision(False, rule)
    assert not PHONE.allow("storage_t", "nobodys", "device_assignment").allowed
    assert PHONE.allow("storage_t", "uart1", "device_assignment").rule == 'no rule for the device "uart1"'


def test_walls_of_one_conflict_set_exclude_each_other_and_the_rule_names_both() -> None:
    rule = "Chinese wall work_or_play: games of play_t conflicts with office of work_t, which runs"
    assert PHONE.allow("play_t", "work_t", "cell_creation") == Decision(False, rule)
    assert PHONE.allow("play_t", "storage_t", "cell_creation").allowed


def test_two_cells_of_one_label_are_no_rivals() -> None:
    assert PHONE.allow("work_t", "work_t", "cell_creation").allowed


def test_an_operation_that_nobody_declared_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match=r'^no operation is called "frobnicate"; there are: event_channel, '):
        PHONE.allow("work_t", "play_t", "frobnicate")


def test_a_policy_can_be_had_from_text_and_no_text_is_no_policy() -> None:
    assert Policy.parse("") is None
    policy = Policy.parse('name = "tiny"\n[labels.a]\ntypes = ["x"]\n[devices]\nflash0 = ["x"]')
    assert policy is not None
    assert policy.name == "tiny"
    assert policy.allow("a", "flash0", "device_assignment").allowed
