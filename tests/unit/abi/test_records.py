"""The records of the world switch: packing, and what of a hostile cell is let through."""

from __future__ import annotations

import re
from pathlib import Path

import msgpack
import pytest
from cells.engines.native._native import lib
from hypothesis import given
from hypothesis import strategies as st

from cells.engines import native
from hypervisor.abi import records
from hypervisor.abi.records import (
    BadRecord,
    Event,
    Exit,
    ExitKind,
    Resume,
    checked_exit,
    exit_from_message,
    exit_to_message,
    pack_events,
    unpack_events,
)
from hypervisor.abi.time import NEVER

RESUME = Resume(seq=7, start=100, end=200, horizon=150, value=0)
HONEST = Exit(seq=7, kind=ExitKind.BUDGET, time=205, cycles=105, deadline=NEVER)
words = st.integers(0, (1 << 64) - 1)


@given(st.lists(st.tuples(words, st.integers(0, 9), st.binary(max_size=64)), max_size=8))
def test_events_come_out_as_they_went_in(raw):
    events = tuple(Event(*event) for event in raw)
    assert unpack_events(pack_events(events)) == events


def test_an_honest_exit_passes_unchanged():
    assert checked_exit(HONEST, RESUME) is HONEST


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"seq": 6}, "answers resume 6, not 7"),
        ({"seq": 8}, "answers resume 8, not 7"),
        ({"kind": 11}, "unknown kind 11"),
        ({"time": 99}, "stopped at 99, outside 100..200"),
        ({"time": 200 + records.OVERSHOOT + 1}, "outside 100..200"),
        ({"deadline": NEVER + 1}, "a count out of range"),
        ({"cycles": NEVER + 1}, "a count out of range"),
        ({"output": bytes(records.OUTPUT_LIMIT + 1)}, "more bytes than a record carries"),
        ({"data": bytes(records.DATA_LIMIT + 1)}, "more bytes than a record carries"),
    ],
)
def test_a_lie_in_an_exit_is_refused(lie, reason):
    with pytest.raises(BadRecord, match=re.escape(reason)):
        checked_exit(HONEST._replace(**lie), RESUME)


@given(words, st.integers(0, 9), words, st.binary(max_size=20))
def test_an_exit_survives_the_message_form(seq, kind, time, output):
    record = Exit(seq, kind, time, 1, 2, 3, 4, 5, 6, 7, 8, output, b"data")
    assert exit_from_message(msgpack.unpackb(msgpack.packb(exit_to_message(record)))) == record


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.binary(), st.lists, max_leaves=20))
def test_whatever_a_peer_sends_is_an_exit_or_a_bad_record(message):
    try:
        record = exit_from_message(message)
    except BadRecord:
        return
    assert isinstance(record, Exit)


def test_the_c_side_has_the_same_limits():
    assert max(ExitKind) == lib.LAST_KIND
    assert records.OUTPUT_LIMIT == lib.PAYLOAD_LIMIT
    assert records.EVENTS_LIMIT == lib.EVENTS_LIMIT
    assert records.OVERSHOOT == lib.OVERSHOOT
    assert records.OUTPUT_LIMIT == records.DATA_LIMIT
    assert NEVER == 1 << 62
    assert "#define NEVER (1ull << 62)\n" in (Path(native.__file__).parent / "doorbell.c").read_text()
