"""Trace hashes from a process of its own: `python -m tests.support.hashes JSON` prints a JSON list.

JSON: {"topology": NAME or a table, "time": "200ms" or null, "links": ["shm", "zmq"], "overrides": [KEY=VALUE, ...],
"guests": {CELL: "module:function"}}: one run per link, one after another.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from hypervisor import launch


def hashes(wanted: Mapping[str, Any]) -> list[str]:
    """The hashes of all runs that are asked for."""
    guests = {cell: _function(name) for cell, name in wanted.get("guests", {}).items()}
    found = []
    for link in wanted["links"]:
        with launch(wanted["topology"], link=link, overrides=wanted.get("overrides", ()), guests=guests) as run:
            run.until(wanted["time"]) if wanted["time"] else run.run()
            run.monitor.check_invariants()
            found.append(run.trace_hash)
    return found


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    print(json.dumps(hashes(json.loads(sys.argv[1]))))
