"""The monitor's end of the world switch: one link per vCPU, two transports behind one interface.

```python
link.resume(record)                       # the vCPU runs
exit_ = link.wait(timeout_ns=20_000_000)  # None: still running
```

A link matches every exit with the resume that it answers and raises `PeerDied` as soon as the host tells.
"""

from __future__ import annotations

from typing import Protocol

from hypervisor.abi.records import Exit, Resume


class PeerDied(Exception):  # noqa: N818  a fact about the peer, not an error of ours
    """The cell's process is gone."""


class Link(Protocol):
    """One vCPU's world switch."""

    def resume(self, record: Resume) -> None:
        """Let the vCPU run."""
        ...

    def wait(self, timeout_ns: int) -> Exit | None:
        """The next exit, None after the timeout.

        Raises:
            PeerDied: the process ended.
            BadRecord: what came is no exit.
        """
        ...

    def close(self) -> None:
        """Give back what the link holds."""
        ...
