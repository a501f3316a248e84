"""Trace hashes from a process of its own: `python -m tests.support.hashes JSON` prints a JSON list.

JSON: [{"topology": NAME or a table, "time": "200ms" or null, "link": "shm", "overrides": [KEY=VALUE, ...]}, ...]. The runs are
made one after another.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from hypervisor import launch


def hash_of(wanted: Mapping[str, Any]) -> str:
    """The hash of one run."""
    with launch(wanted["topology"], link=wanted["link"], overrides=wanted["overrides"]) as run:
        run.until(wanted["time"]) if wanted["time"] else run.run()
        run.monitor.check_invariants()
        return run.trace_hash


if __name__ == "__main__":
    print(json.dumps([hash_of(wanted) for wanted in json.loads(sys.argv[1])]))
