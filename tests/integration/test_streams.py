"""Streams of an unmodified kernel to another machine, directly and through a second kernel that has the device."""

from __future__ import annotations

import pytest

from benchmarks.guest_session import Counting
from benchmarks.operations import streams
from benchmarks.streams import BUSYBOX, DRIVERS, KERNEL, Network
from hypervisor.shell.guests import available

TIMES = 4
AHEAD = 2
"""Blocks that the program sends before its first mark, of so few."""

pytestmark = [
    pytest.mark.guests,
    pytest.mark.long,
    pytest.mark.skipif(not all(map(available, (KERNEL, DRIVERS, BUSYBOX[0]))), reason="run scripts/fetch_guests first"),
]


def test_every_byte_arrives_and_the_driver_domain_works_for_each_of_them() -> None:
    stream = streams()["udp_stream"]
    with Network("direct", Counting()) as network:
        network.counted(streams()["tcp_stream"])  # who is who on the network is known then
        alone = network.window(stream, TIMES)
    assert alone["direct_bytes"] == (TIMES + AHEAD) * stream.bytes
    assert alone["direct_svc"] >= (TIMES + AHEAD) * 45


def test_a_driver_domain_costs_the_same_over_both_links() -> None:
    stream, found = streams()["tcp_stream"], []
    for link in ("shm", "zmq"):
        with Network("split", Counting(), link=link) as network:
            found.append((network.window(stream, TIMES), network.run.trace_hash))
    assert found[0] == found[1]
    window = found[0][0]
    assert window["split_bytes"] == (TIMES + AHEAD) * stream.bytes
    packets = window["split_bytes"] / 1460
    assert window["driver_instructions"] > 1000 * packets, "each goes through the bridge"
    assert window["xen_map"] > 0 and window["xen_switches"] > 0
