"""Who is connected to whom: channels, shared memory, pagers, and what of them belongs to a topology's identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from hypervisor.shell.plans import build_monitor, is_connected, plan_cells, shares_memory
from hypervisor.shell.topology import Topology, check, load

GUEST: dict[str, Any] = {"guest": "cells.programs.counter:main"}
BOTH = frozenset({"send", "receive"})


def topology(cells: str | dict[str, Any] = "abc", **keys: Any) -> dict[str, Any]:
    table = dict.fromkeys(cells, GUEST) if isinstance(cells, str) else cells
    return {"board": "arm926", "cells": table, **keys}


def channel(first: str, second: str, class_: str = "message", **keys: Any) -> dict[str, Any]:
    return {"between": [first, second], "class": class_, **keys}


def wired(*args: Any, **keys: Any) -> Wiring:
    return load(topology(*args, **keys)).wiring


def test_a_topology_without_connections_has_none() -> None:
    assert wired() == Wiring()


def test_a_message_channel_leads_both_ways_from_the_first_named_to_the_second() -> None:
    assert wired(channels=[channel("b", "a")]).channels == (ChannelParams("b-a", "message", 1, 0, "zmq", BOTH, BOTH),)


def test_the_rights_of_a_message_channel_are_each_ends_own() -> None:
    (only,) = wired(channels=[channel("a", "b", rights={"b": "receive"}, transport="shm")]).channels
    assert (only.front_rights, only.back_rights, only.transport) == (BOTH, frozenset({"receive"}), "shm")


def test_of_a_class_with_drivers_the_second_named_is_the_back_end() -> None:
    (only,) = wired(channels=[channel("a", "b", "block")]).channels
    assert (only.name, only.front, only.back) == ("a-b-block", 0, 1)


def test_of_a_class_with_drivers_rights_say_who_serves() -> None:
    (only,) = wired(channels=[channel("a", "b", "net", rights={"a": "receive", "b": "send"})]).channels
    assert (only.name, only.front, only.back) == ("b-a-net", 1, 0)
    assert only.front_rights == only.back_rights == BOTH


def test_every_copy_of_a_cell_gets_a_channel_of_its_own() -> None:
    cells = {"client": {**GUEST, "count": 2}, "server": GUEST}
    found = wired(cells, channels=[channel("client", "server"), channel("client", "server", name="second")]).channels
    assert [(each.name, each.front, each.back) for each in found] == [
        ("client0-server", 0, 2),
        ("client1-server", 1, 2),
        ("second-client0-server", 0, 2),
        ("second-client1-server", 1, 2),
    ]


def test_one_copy_can_be_named() -> None:
    cells = {"a": {**GUEST, "count": 2}}
    (only,) = wired(cells, channels=[channel("a0", "a1")]).channels
    assert (only.name, only.front, only.back) == ("a0-a1", 0, 1)


def test_two_channels_between_two_cells_need_names() -> None:
    found = wired(channels=[channel("a", "b", name="there"), channel("b", "a", name="back")]).channels
    assert [each.name for each in found] == ["there", "back"]


def test_shared_memory_is_whole_pages() -> None:
    cells = {"a": {**GUEST, "count": 2}, "b": GUEST}
    shared = [{"name": "picture", "size": "150KiB", "cells": {"a": "r", "b": "rw"}}]
    assert wired(cells, shared=shared).shared == (SharedParams("picture", 38 * 4096, {0: False, 1: False, 2: True}),)


def test_a_pager_may_have_a_pager() -> None:
    cells = {"a": {**GUEST, "pager": "b"}, "b": {**GUEST, "pager": "c"}, "c": GUEST}
    assert wired(cells).pagers == {0: 1, 1: 2}


@pytest.mark.parametrize(
    "change",
    [
        {"channels": [channel("a", "b", name="x")]},
        {"channels": [channel("b", "a", name="a-b")]},
        {"channels": [channel("a", "b", transport="shm")]},
        {"channels": [channel("a", "b", rights={"a": "send"})]},
        {"channels": []},
        {"shared": [{"name": "m", "size": "8KiB", "cells": {"a": "rw", "b": "r"}}]},
        {"shared": [{"name": "m", "size": "4KiB", "cells": {"a": "rw", "b": "rw"}}]},
        {"cells": {"a": GUEST, "b": {**GUEST, "pager": "c"}, "c": GUEST}},
        {"cells": {"a": GUEST, "b": {**GUEST, "label": "system_t"}, "c": GUEST}},
    ],
    ids=str,
)
def test_the_digest_covers_connections(change: dict[str, Any]) -> None:
    plain: dict[str, Any] = {
        "channels": [channel("a", "b")],
        "shared": [{"name": "m", "size": "4KiB", "cells": {"a": "rw", "b": "r"}}],
    }
    cells = change.get("cells", "abc")
    changed = plain | {key: value for key, value in change.items() if key != "cells"}
    assert load(topology(cells, **changed)).digest != load(topology(**plain)).digest


def test_what_stands_for_the_same_connections_has_the_same_digest() -> None:
    plain, spelt = channel("a", "b"), channel("a", "b", name="a-b", transport="zmq", rights={"a": "both"})
    assert load(topology(channels=[plain])).digest == load(topology(channels=[spelt])).digest


def test_a_cell_that_was_dropped_is_not_missed_a_second_time() -> None:
    cells = {"a": GUEST, "b": "nonsense"}
    found = check(topology(cells, channels=[channel("a", "b")]))
    assert [problem.key for problem in found] == ["cells.b"]


def launched(**keys: Any) -> tuple[Topology, list[dict[str, Any]]]:
    loaded = load(topology(**keys))
    plans = plan_cells(loaded, build_monitor(loaded), link="shm", sandbox=True, measure=False)
    return loaded, [plan.settings for plan in plans]


def test_a_connected_cell_is_told_of_its_flavour_and_the_others_of_nothing() -> None:
    _, settings = launched(channels=[channel("a", "b")])
    assert [cell.get("boot", {}).get("flavour") for cell in settings] == ["okl4", "okl4", None]


def test_the_monitor_knows_the_wiring() -> None:
    loaded = load(topology(channels=[channel("a", "b")]))
    wiring = build_monitor(loaded).mechanism.wiring
    of_the_board = {"hz": loaded.board.clock_hz, "fass": wiring.fass, "vtlb": wiring.vtlb}
    assert wiring == replace(loaded.wiring, **of_the_board)
    assert wiring.channels


def test_the_monitor_knows_labels_and_who_is_far_away() -> None:
    loaded = load(topology({"a": {**GUEST, "label": "system_t"}, "b": GUEST}))
    params = [cell.params for cell in build_monitor(loaded, ["b"]).cells]
    assert [(one.label, one.pages) for one in params] == [("system_t", True), ("", False)]


def test_who_pages_and_who_shares_is_connected_too() -> None:
    wiring = Wiring(shared=(SharedParams("m", 4096, {2: True}),), pagers={0: 1})
    assert [is_connected(wiring, index) for index in range(4)] == [True, True, True, False]
    assert [shares_memory(wiring, index) for index in range(4)] == [False, False, True, False]
    linked = Wiring((ChannelParams("l", "block", 0, 1), ChannelParams("m", "message", 2, 3)))
    assert [shares_memory(linked, index) for index in range(4)] == [True, True, False, False]


def test_a_driver_domain_is_a_guest_of_ours_and_the_back_end_wherever_it_is_named() -> None:
    cells = {"disk": {"domain": "block", "args": [1], "preload": ["json"]}, "a": GUEST}
    loaded = load(topology(cells, channels=[channel("disk", "a", "block")]))
    disk = loaded.cell("disk")
    assert (disk.kind, disk.domain, disk.source, disk.args) == ("guest", "block", "cells.domains.block:main", (1,))
    assert "cells.disk.domain" in loaded.hashes
    (only,) = loaded.wiring.channels
    assert (only.name, only.front, only.back) == ("a-disk-block", 1, 0)


def test_a_driver_domain_may_ask_another_one() -> None:
    cells = {"disk": {"domain": "block"}, "tty": {"domain": "console"}}
    (only,) = wired(cells, channels=[channel("tty", "disk", "console")]).channels
    assert (only.front, only.back) == (0, 1)
