"""Crimes by native code: the image `crook` speaks the raw protocol, by hypercalls and stores of its own.

Each runs in real processes beside two that talk (cells/programs/ping.py), or, where the victim is a driver domain, beside another
client of that: their console, checksum and status are those of a run without a crook.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hypervisor import launch
from hypervisor.api import Run
from hypervisor.core.l4.mapping import DEPTH
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = ("okl4", "l4", "xen")
STILL_HERE = "crook: still here"
DATA_ABORT = "status 132"
"""How an image of ours ends that did not expect the abort: 0x80 + its vector."""
UNKNOWN, BAD, NOT_YOURS, NO_ROOM, STATE, NO_SLOT, RIGHTS, TIMEOUT, FULL = -1, -2, -3, -4, -5, -6, -7, -8, -9
DENIED, TOO_LONG = -12, -13
ESRCH, E2BIG, EFAULT, EINVAL, ENOSPC, ENOSYS = -3, -7, -14, -22, -28, -38
GENERAL, BAD_DOMAIN, BAD_REF, BAD_HANDLE, BAD_ADDRESS, BAD_PAGE = -1, -2, -3, -4, -5, -9

PAIR = {
    "ping": {"guest": "cells.programs.ping:ping", "args": ["pong", 10, 32]},
    "pong": {"guest": "cells.programs.ping:pong"},
}
CLIENT = {
    "client": {"guest": "cells.programs.copy_file:main", "args": [1], "ram": "1MiB", "priority": 5},
    "storage": {"domain": "block", "devices": ["flash0"], "ram": "1MiB", "priority": 4},
}
DISK = {"between": ["client", "storage"], "class": "block"}
PIPE = {"between": ["ping", "pong"], "class": "message"}


def image(crime: str, peer: str) -> dict[str, Any]:
    return {"image": "crook", "args": f"crime={crime} peer={peer}", "ram": "1MiB", "priority": 5}


def topology(cells: dict[str, Any], *channels: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "crimes", "board": "arm926", "cells": cells, "channels": list(channels), **more}


def witnessed(run: Run, *names: str) -> list[tuple[bytes, str, Any]]:
    """What can be seen of these cells."""
    cells = [run.cell(name) for name in names]
    return [(run.console(cell.name), cell.why, cell.account.metrics.get("checksum")) for cell in cells]


@cache
def undisturbed(flavour: str, kind: str) -> list[tuple[bytes, str, Any]]:
    """The same of a run without a crook."""
    alone, names = (topology(PAIR, PIPE), ("ping", "pong")) if kind == "pair" else (topology(CLIENT, DISK), ("client",))
    with launch(alone, flavour=flavour) as run:
        run.until("2s")
        return witnessed(run, *names)


class Scene:
    """Where crimes are committed. Each method answers with the lines that the crook wrote."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def against_a_cell(self, flavour: str, crime: str, accomplice: str = "listen", **more: Any) -> list[str]:
        """The crook has a message channel to its accomplice, and memory that it may only read."""
        cells = {**PAIR, "mate": image(accomplice, "crook"), "crook": image(crime, "mate")}
        channel = {"between": ["crook", "mate"], "class": "message", **more.pop("channel", {})}
        shared = [{"name": "board", "size": "4KiB", "cells": {"mate": "rw", "crook": "r"}}]
        self.run = self.live(topology(cells, channel, PIPE, shared=shared), flavour=flavour, **more)
        self.run.until("200ms")
        assert witnessed(self.run, "ping", "pong") == undisturbed(flavour, "pair")
        return self.lines("crook")

    def against_a_driver(self, flavour: str, crime: str) -> list[str]:
        """The crook is a client of the driver domain of a disk."""
        channel = {"between": ["crook", "storage"], "class": "block"}
        cells = {**CLIENT, "crook": image(crime, "storage")}
        self.run = self.live(topology(cells, DISK, channel), flavour=flavour)
        self.run.until("2s")
        assert witnessed(self.run, "client") == undisturbed(flavour, "disk")
        assert self.run.state("storage").value == "blocked", "it waits for more"
        assert self.run.cell("storage").account.restarts == 0
        return self.lines("crook")

    def lines(self, cell: str) -> list[str]:
        """Of a console; one that ran to its end says so last, and has status 0."""
        found = self.run.console(cell).decode().splitlines()
        if found[-1:] == [STILL_HERE]:
            assert self.run.cell(cell).why == "status 0"
            return found[:-1]
        return found


@pytest.fixture
def scene(live: Live) -> Scene:
    return Scene(live)


def told(lines: list[str]) -> list[int]:
    """The numbers that it was told."""
    return [int(line.rpartition(": ")[2]) for line in lines]


def by_name(lines: list[str]) -> dict[str, int]:
    return {line.rpartition(": ")[0]: int(line.rpartition(": ")[2]) for line in lines}


def everywhere(*names: str) -> Callable[[Any], Any]:
    return pytest.mark.parametrize("flavour", names or FLAVOURS)


# ---- slots, ports, references


def test_a_forged_slot_names_nothing_under_okl4(scene: Scene) -> None:
    assert set(told(scene.against_a_cell("okl4", "forged_slot"))) == {NO_SLOT}


def test_a_forged_slot_names_nothing_under_l4(scene: Scene) -> None:
    found = told(scene.against_a_cell("l4", "forged_slot"))
    assert found == [NO_SLOT] * 9 + [BAD], "the last is no cell that the crook hosts"


def test_a_forged_port_or_reference_names_nothing_under_xen(scene: Scene) -> None:
    found = by_name(scene.against_a_cell("xen", "forged_slot"))
    assert [status for what, status in found.items() if "port" in what] == [EINVAL] * 4
    assert (found["bind what is not open"], found["bind the store's"]) == (EINVAL, EINVAL)
    assert (found["bind in no domain"], found["map of no domain"]) == (ESRCH, BAD_DOMAIN)
    assert (found["map no reference"], found["map a huge reference"]) == (GENERAL, BAD_REF)
    assert found["unmap no handle"] == BAD_HANDLE


def test_a_slot_cannot_be_deleted_or_moved_under_okl4_and_goes_on_working(scene: Scene) -> None:
    assert told(scene.against_a_cell("okl4", "stale_slot")) == [DENIED, DENIED, NO_SLOT, 0]
    assert scene.lines("mate") == ["heard: 1"]


def test_a_slot_that_was_deleted_names_nothing_under_l4(scene: Scene) -> None:
    assert told(scene.against_a_cell("l4", "stale_slot")) == [0, NO_SLOT, NO_SLOT]


def test_a_port_that_was_closed_and_a_handle_that_was_given_back_name_nothing_under_xen(scene: Scene) -> None:
    assert told(scene.against_a_cell("xen", "stale_slot")) == [0, EINVAL, EINVAL, BAD_ADDRESS, 0, BAD_HANDLE]


def test_nothing_can_be_minted_or_revoked_after_boot_under_okl4(scene: Scene) -> None:
    assert told(scene.against_a_cell("okl4", "revoked_slot")) == [DENIED, DENIED, 0]


def test_a_revoked_slot_is_gone_with_all_that_came_of_it_under_l4(scene: Scene) -> None:
    assert told(scene.against_a_cell("l4", "revoked_slot")) == [2, NO_SLOT, NO_SLOT]


def test_a_grant_that_was_ended_or_is_for_another_maps_nothing_under_xen(scene: Scene) -> None:
    assert told(scene.against_a_cell("xen", "revoked_slot")) == [GENERAL, GENERAL]


# ---- rights


@everywhere()
def test_who_may_only_receive_cannot_send(scene: Scene, flavour: str) -> None:
    lines = scene.against_a_cell(flavour, "rights_send", channel={"rights": {"crook": "receive"}})
    assert told(lines) == [RIGHTS]
    assert scene.lines("mate") == [], "it has heard nothing"


@everywhere()
def test_a_store_into_what_may_only_be_read_ends_the_crook(scene: Scene, flavour: str) -> None:
    lines = scene.against_a_cell(flavour, "rights_store")
    assert lines[0] == "it reads 00000000"
    assert re.match(r"guest fault: data abort at [0-9a-f]{8}", lines[1])
    assert scene.run.cell("crook").why == DATA_ABORT


def test_what_may_only_be_read_cannot_be_mapped_writable_under_okl4(scene: Scene) -> None:
    assert told(scene.against_a_cell("okl4", "rights_map")) == [RIGHTS, 0]


def test_a_read_only_grant_cannot_be_mapped_writable_nor_written_under_xen(scene: Scene) -> None:
    lines = scene.against_a_cell("xen", "rights_map")
    assert told(lines[:2]) == [GENERAL, 42]
    assert scene.run.cell("crook").why == DATA_ABORT
    assert "it could be written" not in lines


def test_a_minted_slot_has_no_more_rights_than_its_origin_under_l4(scene: Scene) -> None:
    assert told(scene.against_a_cell("l4", "rights_mint")) == [RIGHTS] * 4


def test_calls_of_other_flavours_do_not_exist_under_okl4(scene: Scene) -> None:
    assert told(scene.against_a_cell("okl4", "foreign_calls")) == [UNKNOWN] * 5


# ---- buffers


def test_an_unaligned_foreign_or_huge_place_for_pages_is_refused_under_okl4(scene: Scene) -> None:
    assert by_name(scene.against_a_cell("okl4", "bad_buffer")) == {
        "unaligned": BAD,
        "not in the window": BAD,
        "where something is": STATE,
        "at the end of all": BAD,
        "unmap what boot gave": DENIED,
        "unmap nothing": NOT_YOURS,
        "unmap everything": DENIED,
    }


def test_an_unaligned_unmapped_foreign_or_huge_item_is_refused_under_l4(scene: Scene) -> None:
    found = by_name(scene.against_a_cell("l4", "bad_items", "accept"))
    assert found.pop("right") == 0
    assert found.pop("more than there is room for") == NO_ROOM
    assert found.pop("capability that we lack") == NO_SLOT
    assert found == dict.fromkeys(
        ("unaligned", "unmapped", "foreign", "half ours", "huge", "none", "of no right", "of no kind"), BAD
    )


def test_a_pointer_that_leads_nowhere_is_a_fault_of_the_call_under_xen(scene: Scene) -> None:
    *nowhere, unaligned, huge, unknown = told(scene.against_a_cell("xen", "bad_pointers"))
    assert nowhere == [EFAULT] * 15
    assert (unaligned, huge, unknown) == (0, E2BIG, ENOSYS), "words may lie anywhere"


def test_memory_that_is_mapped_in_its_owner_can_be_lent_and_not_given_away_under_l4(scene: Scene) -> None:
    lines = scene.against_a_cell("l4", "mapped_elsewhere", "accept")
    assert told(lines) == [STATE, 0, STATE, 42, 1]


def test_a_frame_that_is_mapped_from_elsewhere_or_is_the_hypervisors_cannot_be_granted_under_xen(scene: Scene) -> None:
    assert told(scene.against_a_cell("xen", "mapped_elsewhere")) == [BAD_PAGE, BAD_PAGE, BAD_PAGE, BAD_REF, BAD_PAGE]


# ---- messages


@everywhere("okl4", "l4")
def test_a_message_longer_than_the_page_is_refused_whole(scene: Scene, flavour: str) -> None:
    assert told(scene.against_a_cell(flavour, "too_long")) == [TOO_LONG, TOO_LONG]
    assert told(scene.lines("mate")) == []


def test_a_message_too_long_for_the_ring_is_not_sent_under_xen(scene: Scene) -> None:
    assert told(scene.against_a_cell("xen", "too_long")) == [TOO_LONG]


def test_more_words_than_there_are_registers_are_refused_under_l4(scene: Scene) -> None:
    assert told(scene.against_a_cell("l4", "too_many_words")) == [TOO_LONG]


def test_a_page_goes_through_so_many_hands_and_no_more_under_l4(scene: Scene) -> None:
    mine, last = scene.against_a_cell("l4", "too_deep", "pass_on")
    its, its_last = scene.lines("mate")
    hands = [int(line.split()[2]) for line in (mine, its)]
    assert sum(hands) == DEPTH
    assert sorted(told([last, its_last])) == [TOO_LONG, 0]


def test_a_message_that_was_announced_and_does_not_come_is_none_under_l4(scene: Scene) -> None:
    assert told(scene.against_a_cell("l4", "announced")) == [BAD] * 6
    assert scene.lines("mate") == []


def test_a_bell_cannot_be_rung_for_a_message_under_okl4(scene: Scene) -> None:
    assert told(scene.against_a_cell("okl4", "announced")) == [BAD, BAD]


def test_a_request_that_was_announced_and_does_not_come_keeps_its_own_ring_waiting_under_xen(scene: Scene) -> None:
    assert told(scene.against_a_cell("xen", "announced")) == [0, 0]


def test_an_impossible_length_in_a_ring_of_messages_ends_that_connection_and_a_new_one_works_under_xen(
    scene: Scene,
) -> None:
    assert told(scene.against_a_cell("xen", "message_ring")) == [0, 0, 0]
    assert scene.lines("mate") == ["heard: 6", "heard: 12"]


def test_a_full_channel_refuses_a_flood_under_okl4(scene: Scene) -> None:
    assert scene.against_a_cell("okl4", "flood", "idle") == ["16 taken, 84 refused", f"refused: {FULL}"]


def test_nobody_takes_a_flood_who_does_not_listen_under_l4(scene: Scene) -> None:
    assert scene.against_a_cell("l4", "flood", "idle") == ["0 taken, 100 refused", f"refused: {TIMEOUT}"]


def test_a_domain_has_no_more_ports_than_there_are_under_xen(scene: Scene) -> None:
    ports, last = scene.against_a_cell("xen", "port_flood")
    assert re.fullmatch(r"10[12]\d ports", ports)
    assert told([last]) == [ENOSPC]


def test_a_reply_to_nobody_is_refused_under_l4(scene: Scene) -> None:
    assert told(scene.against_a_cell("l4", "reply_to_nobody")) == [STATE, STATE]


def test_two_that_both_send_first_are_reported_with_both_stories_under_l4(scene: Scene, tmp_path: Path) -> None:
    lines = scene.against_a_cell("l4", "deadlock", "deadlock", out=tmp_path / "run")
    assert sorted([lines, scene.lines("mate")]) == [["send: -8", "receive: 0"], ["send: 0"]]
    scene.run.close()
    trace = (tmp_path / "run" / "trace.jsonl").read_text().splitlines()
    stories = [record for line in trace if (record := json.loads(line))["k"] == "deadlock"]
    assert {record["cell"] for record in stories} == {"crook", "mate"}
    for record in stories:
        assert "crook sends to mate since" in record["cause"]
        assert "mate sends to crook since" in record["cause"]
        assert "the backstop ends the last" in record["cause"]


# ---- the store


def test_a_ring_to_the_store_with_impossible_indices_is_given_up_under_xen(scene: Scene) -> None:
    assert by_name(scene.against_a_cell("xen", "ring_index")) == {"the ring's error": 2, "send": 0}


def test_a_request_to_the_store_of_impossible_length_ends_the_ring_under_xen(scene: Scene) -> None:
    assert told(scene.against_a_cell("xen", "huge_request")) == [3]


def test_no_path_leads_out_of_what_a_domain_may_write_under_xen(scene: Scene) -> None:
    found = dict(line.split(": ") for line in scene.against_a_cell("xen", "path_escape"))
    assert found.pop("its own") == found.pop("no path") == "accepted", "an empty path is the home, which it may read"
    denied = ("another's name", "the root", "a new root", "another's device")
    assert {name: found.pop(name) for name in denied} == dict.fromkeys(denied, "EACCES")
    assert set(found.values()) == {"EINVAL"}


def test_a_domain_has_no_more_nodes_names_or_bytes_than_its_quota_under_xen(scene: Scene) -> None:
    deep, nodes, path, value = scene.against_a_cell("xen", "store_quota")
    assert re.fullmatch(r"9\d\d nodes, then ENOSPC", nodes)
    assert (deep, path, value) == ("deep: ENOSPC", "long path: EINVAL", "large value: ENOSPC")


def test_a_storm_of_watches_is_the_watchers_own_under_xen(scene: Scene) -> None:
    lines = scene.against_a_cell("xen", "watch_storm")
    assert lines == ["128 watches, then E2BIG", "they fire", "the store: accepted"]


# ---- a front end against its driver domain


@everywhere()
def test_a_storm_of_notifications_keeps_no_other_client_from_its_driver(scene: Scene, flavour: str) -> None:
    assert scene.against_a_driver(flavour, "storm") == ["rang 2000 times, 0 refused"]


@pytest.mark.parametrize(
    ("crime", "verdict", "why"),
    [
        ("ring_overrun", 1, "more requests than slots"),
        ("ring_identity", 2, "a request's identity does not follow the one before"),
        ("ring_length", 3, "a request claims more bytes than its buffer holds"),
    ],
)
@everywhere()
def test_a_driver_gives_up_a_ring_that_cannot_be_and_serves_its_other_client(
    scene: Scene, flavour: str, crime: str, verdict: int, why: str
) -> None:
    assert told(scene.against_a_driver(flavour, crime)) == [1, 1, verdict]
    assert f"crook broke its ring: {why}" in scene.run.console("storage").decode()


@everywhere()
def test_a_ring_that_is_rewritten_while_it_is_read_hurts_nobody_else(scene: Scene, flavour: str) -> None:
    assert scene.against_a_driver(flavour, "ring_scribbled") == ["attached: 1", "responses: 1", "scribbled"]
