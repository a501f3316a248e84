"""A policy over real cells: who may not share is told no, and a rival does not start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.session import cellvisor

pytestmark = pytest.mark.slow

PHONE = """
board = "beagle"
policy = "phone"
flavour = "xen"
for = "50ms"
[cells.office]
image = "hog"
label = "work_t"
[cells.games]
image = "hog"
label = "{label}"
on_crash = "restart"
"""


def records(out: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "trace.jsonl").read_text().splitlines()]
    return [line for line in lines if line["k"] == kind]


def test_a_client_that_the_policy_keeps_from_its_driver_reaches_nothing_of_it(place: Path) -> None:
    labels = ["cells.client.label=stranger_t", "cells.storage.label=storage_t", "policy=storage"]
    options = [word for label in labels for word in ("--set", label)]
    out = place / "out"
    cellvisor("run", "storage", "--flavour", "xen", *options, "--for", "500ms", "--out", str(out), place=place)
    denied = records(out, "denied")
    assert denied
    assert {key: denied[0][key] for key in ("cell", "subject", "object", "operation")} == {
        "cell": "client",
        "subject": "stranger_t",
        "object": "storage_t",
        "operation": "event_channel",
    }
    assert denied[0]["rule"].startswith("type enforcement: no type in common (stranger_t has none")
    assert not any(decision["allowed"] for decision in records(out, "policy") if decision["cycles"])


@pytest.mark.parametrize(("label", "status"), [("work_t", 0), ("play_t", 1)])
def test_a_rival_of_a_running_cell_is_not_started_and_the_account_says_why(
    label: str, status: int, place: Path
) -> None:
    topology, out = place / "phone.toml", place / "out"
    topology.write_text(PHONE.format(label=label))
    done = cellvisor("run", str(topology), "--json", "--out", str(out), place=place)
    assert done.returncode == status, done.stderr
    games = json.loads(done.stdout)["cells"]["games"]
    assert (games["state"] == "failed") == bool(status)
    if status:
        assert "Chinese wall work_or_play: games of play_t conflicts with office of work_t" in games["why"]
        assert [record["operation"] for record in records(out, "denied")] == ["cell_creation"]
