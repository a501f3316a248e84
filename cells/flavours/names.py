"""Under what name a program finds its channels and links: its partner's, or the channel's own where two have one partner.

>>> by_peer([{"name": "a-b", "peer": "b"}, {"name": "bulk", "peer": "c"}, {"name": "urgent", "peer": "c"}]).keys()
dict_keys(['b', 'bulk', 'urgent'])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def by_peer(told: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The entries of a list from `port.boot`, each with "name" and "peer", by the name that programs use."""
    entries = list(told)
    partners = Counter(entry["peer"] for entry in entries)
    return {entry["peer"] if partners[entry["peer"]] == 1 else entry["name"]: entry for entry in entries}
