"""Whom a cell must trust: one test per rule, and how a hold goes on from one to the next."""

from __future__ import annotations

from hypervisor.core import trust
from hypervisor.core.mechanism import Reach
from hypervisor.core.trust import Ground, Hold, Trust, closure, judge
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring

NAMES = ("client", "storage", "pager", "other")
CLIENT, STORAGE, PAGER, OTHER = range(4)
DISK = ChannelParams("disk", "block", CLIENT, STORAGE)
TALK = ChannelParams("talk", "message", CLIENT, OTHER)


def held(ground: Ground, cell: int, *rules: trust.Rule) -> dict[str, Hold]:
    return {found.on: found.hold for found in judge(ground, cell, rules)}


def test_a_front_end_trusts_its_back_end_with_its_data_and_not_the_other_way_round() -> None:
    ground = Ground(NAMES, Wiring((DISK,)))
    (found,) = judge(ground, CLIENT, [trust.drivers])
    assert found[:3] == ("client", "storage", Hold.DATA)
    assert "block device is behind it" in found.why
    assert "disk" in found.why
    assert held(ground, STORAGE, trust.drivers) == {}


def test_a_partner_in_a_conversation_can_do_no_more_than_be_silent() -> None:
    ground = Ground(NAMES, Wiring((TALK, DISK)))
    rule = trust.partners("waits on {channel}")
    assert judge(ground, CLIENT, [rule]) == [Trust("client", "other", Hold.SERVICE, "waits on talk")]
    assert held(ground, OTHER, rule) == {"client": Hold.SERVICE}
    assert held(ground, STORAGE, rule) == {}


def test_who_may_write_shared_memory_holds_its_readers_data_and_readers_hold_nothing() -> None:
    ground = Ground(NAMES, Wiring(shared=(SharedParams("frame", 4096, {CLIENT: True, OTHER: False}),)))
    assert held(ground, OTHER, trust.sharers) == {"client": Hold.DATA}
    assert held(ground, CLIENT, trust.sharers) == {}
    assert held(ground, STORAGE, trust.sharers) == {}


def test_a_right_to_control_a_cell_holds_all_of_it_and_one_to_control_a_device_does_not() -> None:
    reach = [Reach("pager", "client", "cell", "control"), Reach("storage", "flash0", "device", "read+control")]
    ground = Ground(NAMES, Wiring(), reach)
    assert held(ground, CLIENT, trust.controllers) == {"pager": Hold.WHOLE}
    assert held(ground, STORAGE, trust.controllers) == {}


def test_a_right_whose_name_only_begins_like_control_is_none() -> None:
    ground = Ground(NAMES, Wiring(), [Reach("pager", "client", "cell", "controlled")])
    assert held(ground, CLIENT, trust.controllers) == {}


def test_everyone_means_all_but_itself() -> None:
    rule = trust.everyone("pager", Hold.WHOLE, "it builds them")
    ground = Ground(NAMES, Wiring())
    assert [held(ground, cell, rule) for cell in range(4)] == [{"pager": 3}, {"pager": 3}, {}, {"pager": 3}]


def test_of_several_holds_the_widest_counts_and_equal_ones_give_all_their_reasons() -> None:
    ground = Ground(NAMES, Wiring((DISK, ChannelParams("log", "console", CLIENT, STORAGE))))
    (found,) = judge(ground, CLIENT, [trust.drivers, trust.everyone("storage", Hold.SERVICE, "it is slow")])
    assert found.hold is Hold.DATA
    assert "disk" in found.why
    assert "log" in found.why
    assert "slow" not in found.why
    (found,) = judge(ground, CLIENT, [trust.drivers, trust.everyone("storage", Hold.WHOLE, "it built us")])
    assert (found.hold, found.why) == (Hold.WHOLE, "it built us")


def test_a_chain_of_pagers_is_trusted_as_a_whole() -> None:
    ground = Ground(NAMES, Wiring(pagers={CLIENT: PAGER, PAGER: OTHER}))
    rule = trust.pagers("it answers its faults")
    whole = closure({name: judge(ground, cell, [rule]) for cell, name in enumerate(NAMES)})
    assert [(t.on, t.hold, t.through) for t in whole["client"]] == [
        ("pager", Hold.WHOLE, ()),
        ("other", Hold.WHOLE, ("pager",)),
    ]
    assert whole["storage"] == whole["other"] == []


def test_who_holds_all_of_my_driver_holds_my_data_and_no_more() -> None:
    ground = Ground(NAMES, Wiring((DISK,), pagers={STORAGE: PAGER}))
    rules = [trust.drivers, trust.pagers("it answers its faults")]
    whole = closure({name: judge(ground, cell, rules) for cell, name in enumerate(NAMES)})
    assert [(t.on, t.hold, t.through) for t in whole["client"]] == [
        ("storage", Hold.DATA, ()),
        ("pager", Hold.DATA, ("storage",)),
    ]


def test_who_can_only_keep_me_waiting_hands_nothing_on() -> None:
    ground = Ground(NAMES, Wiring((TALK,), pagers={OTHER: PAGER}))
    rules = [trust.partners("waits on {channel}"), trust.pagers("it answers its faults")]
    whole = closure({name: judge(ground, cell, rules) for cell, name in enumerate(NAMES)})
    assert [t.on for t in whole["client"]] == ["other"]


def test_a_ring_of_drivers_ends() -> None:
    ring = Wiring((ChannelParams("one", "net", CLIENT, STORAGE), ChannelParams("two", "block", STORAGE, CLIENT)))
    ground = Ground(NAMES, ring)
    whole = closure({name: judge(ground, cell, [trust.drivers]) for cell, name in enumerate(NAMES)})
    assert [t.on for t in whole["client"]] == ["storage"]
    assert [t.on for t in whole["storage"]] == ["client"]


def test_a_wider_hold_by_a_longer_way_wins_over_a_smaller_one_by_a_shorter() -> None:
    ground = Ground(NAMES, Wiring((TALK, DISK), pagers={STORAGE: OTHER}))
    rules = [trust.partners("waits on {channel}"), trust.drivers, trust.pagers("it answers its faults")]
    whole = closure({name: judge(ground, cell, rules) for cell, name in enumerate(NAMES)})
    assert [(t.on, t.hold, t.through) for t in whole["client"]] == [
        ("storage", Hold.DATA, ()),
        ("other", Hold.DATA, ("storage",)),
    ]
