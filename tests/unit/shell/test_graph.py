"""The graph: edges, trust and sizes as gathered, and each of its three forms."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from hypervisor.core.trust import Hold
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.graph.dot import as_dot
from hypervisor.shell.graph.gather import ONCE, Picture, gather
from hypervisor.shell.graph.layout import Box, Layout, Link, lay_out, layers_of
from hypervisor.shell.graph.size import count_lines, trusted_core
from hypervisor.shell.graph.svg import as_svg
from hypervisor.shell.graph.text import as_text

GUEST = "cells.programs.counter:main"
PHONE: dict[str, Any] = {
    "name": "phone",
    "board": "beagle",
    "cells": {
        "linux": {"guest": GUEST, "pager": "vmm"},
        "brew": {"guest": GUEST},
        "vmm": {"guest": GUEST},
        "storage": {"domain": "block", "devices": ["uart1"]},
    },
    "channels": [
        {"between": ["linux", "storage"], "class": "block"},
        {"between": ["linux", "brew"], "class": "message"},
    ],
    "shared": [{"name": "frames", "size": "8KiB", "cells": {"linux": "rw", "brew": "r"}}],
}
SHARING = [name for name, flavour in FLAVOURS.items() if flavour.most_cells is None]


@pytest.fixture(scope="module", params=SHARING)
def picture(request: pytest.FixtureRequest) -> Picture:
    return gather(PHONE, flavour=request.param)


def holds(picture: Picture, cell: str) -> dict[str, tuple[Hold, tuple[str, ...]]]:
    found = picture.trust[picture.flavour]
    assert not isinstance(found, str)
    return {trust.on: (trust.hold, trust.through) for trust in found[cell]}


def test_whatever_the_topology_connects_is_an_edge_both_ways_under_every_flavour(picture: Picture) -> None:
    pairs = {(edge.cell, edge.target) for edge in picture.edges}
    assert {("linux", "storage"), ("storage", "linux"), ("linux", "brew"), ("brew", "linux")} <= pairs
    assert ("brew", "storage") not in pairs
    assert ("storage", "brew") not in pairs


def test_devices_and_shared_memory_are_reached_by_their_owners_with_their_rights(picture: Picture) -> None:
    rights = {(edge.cell, edge.target.removeprefix("shared ")): edge.rights for edge in picture.edges}
    assert any("write" in edge.rights for edge in picture.edges if edge[:2] == ("storage", "uart1"))
    assert rights["linux", "frames"] == "read+write"
    assert rights["brew", "frames"] == "read"
    assert ("storage", "frames") not in rights


def test_a_driver_is_trusted_with_data_at_least_and_trusts_no_client(picture: Picture) -> None:
    assert holds(picture, "linux")["storage"][0] >= Hold.DATA
    assert "linux" not in holds(picture, "storage")


def test_who_can_write_shared_memory_is_trusted_with_data(picture: Picture) -> None:
    assert holds(picture, "brew")["linux"][0] == Hold.DATA


def test_a_pager_is_trusted_where_there_are_pagers_only() -> None:
    with_pagers = [name for name in SHARING if "vmm" in holds(gather(PHONE, flavour=name), "linux")]
    assert len(with_pagers) == 1
    (name,) = with_pagers
    assert holds(gather(PHONE, flavour=name), "linux")["vmm"] == (Hold.WHOLE, ())
    assert holds(gather(PHONE, flavour=name), "brew")["vmm"] == (Hold.DATA, ("linux",)), "linux writes what brew reads"


def test_where_one_domain_builds_the_others_all_trust_it_wholly() -> None:
    wholly = {
        name: [cell for cell in PHONE["cells"] if holds(gather(PHONE, flavour=name), cell).get("storage", (0,))[0] == 3]
        for name in SHARING
    }
    assert sorted(map(len, wholly.values())) == [0, 0, 3], "three trust the fourth, under one flavour"


def test_a_flavour_that_cannot_carry_the_topology_says_why() -> None:
    trust = gather(PHONE).trust
    alone = [reason for reason in trust.values() if isinstance(reason, str)]
    assert len(alone) == 1
    assert "here are 4" in alone[0]


def test_a_channel_that_is_made_while_cells_run_is_marked(picture: Picture) -> None:
    for edge in picture.edges:
        if ONCE in edge.by:
            assert edge.by.startswith(("block channel linux-storage-block", "message channel linux-brew"))


def test_a_lonely_cell_reaches_nobody_and_trusts_nobody() -> None:
    picture = gather("hello")
    assert picture.edges == ()
    assert all(found == {"hello": []} for found in picture.trust.values())
    assert "nobody" in as_text(picture)


# ---- forms


def test_the_text_has_every_edge_every_reason_and_every_size(picture: Picture) -> None:
    text = as_text(picture)
    for edge in picture.edges:
        assert re.search(rf"^{edge.cell} +{re.escape(edge.target)} .*{re.escape(edge.by)}$", text, re.M)
    for found in picture.trust.values():
        for trust in [] if isinstance(found, str) else [trust for trusts in found.values() for trust in trusts]:
            assert trust.why in text
    for flavour in FLAVOURS.values():
        size = trusted_core(flavour)
        row = rf"^{flavour.name} +{size.monitor:,} +{size.mechanism:,} +{re.escape(flavour.survey_size or 'gives no')}"
        assert re.search(row, text, re.M)


def test_the_surveys_sizes_have_a_column_of_their_own() -> None:
    text = as_text(gather("hello"))
    assert "8.6 kLOC of C" in text
    assert "40 kLOC in 2.0, 20 kLOC in 3.0" in text
    head = next(line for line in text.splitlines() if "the survey, of the real kernel" in line)
    ours, survey = head.index("this model"), head.index("the survey")
    for line in text.splitlines():
        if "kLOC" in line:
            assert "kLOC" not in line[ours:survey]
            assert re.search(r"\d", line[ours:survey])


def test_the_graphviz_form_is_a_digraph_of_all_nodes_and_edges(picture: Picture) -> None:
    dot = as_dot(picture)
    assert dot.startswith('digraph "phone" {\n')
    assert dot.endswith("}\n")
    assert dot.count("shape=") == len(picture.nodes)
    rights = [line for line in dot.splitlines() if "->" in line and "dashed" not in line]
    assert len(rights) == len(picture.edges)


def test_quotes_in_names_do_not_end_a_string_of_graphviz() -> None:
    assert as_dot(gather({**PHONE, "name": 'a "b" \\'})).startswith('digraph "a \\"b\\" \\\\" {')


def test_the_drawing_is_well_formed_and_shows_every_node_and_every_right(picture: Picture) -> None:
    texts = [element.text or "" for element in ElementTree.fromstring(as_svg(picture)).iter() if element.text]
    for node in picture.nodes:
        assert node.name in texts
    words = " ".join(texts)
    for edge in picture.edges:
        assert all(word in words for word in edge.by.split())


def test_the_drawing_is_the_same_each_time(picture: Picture) -> None:
    assert as_svg(picture) == as_svg(gather(PHONE, flavour=picture.flavour))


# ---- places


def overlaps(layout: Layout, boxes: dict[str, Box], labels: list[Box]) -> list[tuple[int, int]]:
    placed = [(layout.places[name], box) for name, box in boxes.items()]
    placed += list(zip(layout.labels, labels, strict=True))
    return [
        (one, other)
        for one, (at, box) in enumerate(placed)
        for other, (there, room) in enumerate(placed[:one])
        if abs(at.x - there.x) < (box.width + room.width) / 2 and abs(at.y - there.y) < (box.height + room.height) / 2
    ]


def test_nothing_is_drawn_over_anything_else() -> None:
    names = [f"n{number}" for number in range(9)]
    boxes = {name: Box(80 + 10 * number, 40) for number, name in enumerate(names)}
    pairs = [
        ("n0", "n3"),
        ("n1", "n3"),
        ("n2", "n4"),
        ("n0", "n8"),
        ("n3", "n8"),
        ("n4", "n5"),
        ("n5", "n2"),
        ("n6", "n3"),
    ]
    labels = [Box(60 + 20 * number, 30) for number in range(len(pairs))]
    layout = lay_out(boxes, [Link(a, b, label) for (a, b), label in zip(pairs, labels, strict=True)])
    assert overlaps(layout, boxes, labels) == []
    for name, box in boxes.items():
        x, y = layout.places[name]
        assert box.width / 2 <= x <= layout.size.width - box.width / 2
        assert box.height / 2 <= y <= layout.size.height - box.height / 2


def test_a_route_goes_from_box_to_box_and_always_down() -> None:
    boxes = {name: Box(80, 40) for name in "abc"}
    layout = lay_out(boxes, [Link("a", "b", Box(50, 20)), Link("b", "c", Box(50, 20)), Link("a", "c", Box(50, 20))])
    for route, (upper, lower) in zip(layout.routes, [("a", "b"), ("b", "c"), ("a", "c")], strict=True):
        assert route[0].y == layout.places[upper].y + 20
        assert route[-1].y == layout.places[lower].y - 20
        assert [point.y for point in route] == sorted(point.y for point in route)


def test_lines_that_need_not_cross_do_not() -> None:
    """The client's memory and the driver's: one order of the middle has a crossing, the other has none."""
    boxes = {name: Box(100, 40) for name in ("client", "driver", "memory", "flash")}
    pairs = [("client", "driver"), ("client", "memory"), ("driver", "memory"), ("driver", "flash")]
    layout = lay_out(boxes, [Link(a, b, Box(80, 30)) for a, b in pairs])
    long_way = layout.routes[1][3].x
    assert (long_way < layout.places["driver"].x) == (layout.places["memory"].x < layout.places["flash"].x)


def test_layers_follow_who_is_above_whom_and_a_ring_is_cut() -> None:
    assert layers_of("abc", [("a", "b"), ("b", "c"), ("a", "c")]) == {"a": 0, "b": 1, "c": 2}
    assert layers_of("abc", [("a", "b"), ("b", "c"), ("c", "a")]) == {"a": 0, "b": 1, "c": 2}


# ---- sizes


def test_only_lines_with_code_count() -> None:
    head = '"""A module.\n\nOf words.\n"""\n\n# why\nx = 1  # here\n\n\n'
    body = 'def f(a,\n      b):\n    """Does it."""\n    return """\na text\n"""\n'
    assert count_lines(head) == 1
    assert count_lines(head + body) == 6


def test_each_flavour_has_the_same_monitor_and_a_mechanism_of_its_own() -> None:
    sizes = [trusted_core(flavour) for flavour in FLAVOURS.values()]
    assert len({size.monitor for size in sizes}) == 1
    assert sizes[0].monitor > 1_000
    assert sorted(size.mechanism for size in sizes)[0] == 0, "alone on the board there is none"
    assert all(size.mechanism > 100 for name, size in zip(FLAVOURS, sizes, strict=True) if name in SHARING)
