"""The leak account of a run: what it holds on the host before and after, and what the monitor's books still have at the end.

```python
host = Held()                      # before the launch
...                                # the run, to its end
leaks = [*host.left(), *books(run.monitor)]      # "leak: 2 descriptors of memfd", "leak: 1 grants in use"
```

All is zero or has a name. Of this process: descriptors by kind (segments, sockets, pidfds, eventfds, files), mappings of segments
and of named shared memory, threads (a zmq context that was not ended has some), child processes; of the host: files in the
directory for temporary ones and in the one for sockets, which a run of a campaign has for itself.
"""

from __future__ import annotations

import os
import time as host_time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from hypervisor.core.inventory import inventory

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

DESCRIPTORS = {
    "/memfd:": "descriptors of memfd segments",
    "socket:": "sockets",
    "anon_inode:[pidfd]": "pidfds",
    "anon_inode:[eventfd]": "eventfds",
    "anon_inode:[eventpoll]": "epoll descriptors",
    "pipe:": "pipe ends",
    "/": "open files",
}
"""What a descriptor leads to, by its beginning -> what that is; the first that fits."""
MAPPINGS = {"/memfd:": "mappings of memfd segments", "/dev/shm/": "mappings of named shared memory"}
SETTLE_S = 2.0
"""How long what a run leaves behind may take to go."""


class Held:
    """What this process and its directories hold now, to be compared later. `places`: directories that only this run uses."""

    def __init__(self, places: tuple[Path, ...] = ()) -> None:
        self._places = places
        self._before = self._count()

    def left(self) -> list[str]:
        """What there is more than before, once it has had its time to go."""
        end = host_time.monotonic() + SETTLE_S
        while True:
            more = self._count() - self._before
            if not more or host_time.monotonic() > end:
                return [f"leak: {count} {what}" for what, count in sorted(more.items())]
            host_time.sleep(0.01)  # of the host: the run is over

    def _count(self) -> Counter[str]:
        found = Counter(_descriptors())
        found.update(_mappings())
        found["threads"] = len(os.listdir("/proc/self/task"))  # noqa: PTH208
        found["processes"] = len(psutil.Process().children(recursive=True))
        found["temporary files"] = sum(1 for place in self._places if place.exists() for _ in place.rglob("*"))
        return found


def books(monitor: Monitor) -> list[str]:
    """What the monitor's books have when every cell has ended. The monitor is of no use afterwards."""
    return [f"leak: {count} {what}" for what, count in sorted(inventory(monitor).items())]


def _descriptors() -> Iterator[str]:
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 (a Path would open one more)
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{entry}")  # noqa: PTH115
            kind = next((what for start, what in DESCRIPTORS.items() if target.startswith(start)), "")
            if kind and not target.startswith("/proc/"):
                yield kind


def _mappings() -> Iterator[str]:
    with Path("/proc/self/maps").open() as lines:
        for line in lines:
            path = line.rstrip("\n").partition("/")[1:]
            for start, what in MAPPINGS.items():
                if "".join(path).startswith(start):
                    yield what
