"""What a topology's script says happens at its time, is recorded like a person's doing, and can be replayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cells.port import Port
from hypervisor import launch
from hypervisor.shell.rerun import rerun


def listener(port: Port) -> None:
    """Says when it heard what."""
    while True:
        port.wait()
        port.print(port.now // port.cycles("1ms"), port.read().decode())


SCRIPT = [
    {"at": "300ms", "cell": "a", "order": "kill"},
    {"at": "100ms", "cell": "a", "type": "one"},
    {"at": "200ms", "cell": "a", "type": "two"},
]


def topology(**more: Any) -> dict[str, Any]:
    return {"name": "script", "board": "arm926", "cells": {"a": {"guest": "python"}}, "inputs": SCRIPT, **more}


def test_a_script_happens_at_its_times_however_the_run_is_driven() -> None:
    hashes = set()
    for stops in (["1s"], ["100ms", "150ms", "1s"]):
        with launch(topology(), guests={"a": listener}) as run:
            for stop in stops:
                run.until(stop)
            assert run.console("a") == b"100 one\n200 two\n"
            assert run.state("a").name == "FAILED"
            hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_a_script_is_recorded_and_a_replay_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "listens.py").write_text(
        "def listener(port):\n    while True:\n        port.wait()\n        port.print(port.now, port.read())\n"
    )
    source = tmp_path / "script.toml"
    source.write_text(
        'name = "script"\nboard = "arm926"\nfor = "400ms"\ncells.a = { guest = "listens:listener" }\n'
        '[[inputs]]\nat = "100ms"\ncell = "a"\ntype = "one"\n[[inputs]]\nat = "200ms"\ncell = "a"\norder = "restart"\n'
    )
    with launch(source, out=tmp_path / "run") as run:
        run.run()
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "run" / "inputs.jsonl").read_text().splitlines()]

    assert kinds == ["until", "console", "until", "restart", "until"]
    assert rerun(tmp_path / "run", files=tmp_path).difference is None


def test_a_person_with_the_pen_gets_all_of_the_script_but_its_touches() -> None:
    cells = {"a": {"guest": "python"}, "touch": {"domain": "input", "devices": ["touch0"]}}
    with launch(
        topology(cells=cells, inputs=[*SCRIPT, {"at": "150ms", "touch": [9, 9]}]), guests={"a": listener}
    ) as run:
        run.touch_by_hand()
        run.until("250ms")
        assert run.console("a") == b"100 one\n200 two\n"
        assert run.monitor.cells[1].account.exits["read"] == 0, "nobody has touched it"


def test_a_run_may_leave_its_script_out() -> None:
    with launch(topology(), guests={"a": listener}, overrides=["inputs=[]"]) as run:
        run.until("1s")
        assert run.console("a") == b""
