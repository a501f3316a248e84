"""Who counts for the tables: benchmarks/machine_runs.py, or a file of counts that a run before has written.

A file has kernel -> operation -> counter -> how
often in one of it, and says under "provenance" what counted it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.operations import operations as known
from benchmarks.operations import streams as every
from benchmarks.tables.cases import Measured
from benchmarks.tables.protocol import HERE
from hypervisor.shell.problems import InputError
from hypervisor.shell.provenance import versions

FORMAT = "cellvisor counts 1"
MOST = 1e18
"""Of anything in one operation: a second has 1e9 cycles."""


class Machines:
    """Runs them, or takes what is kept of earlier runs. What cannot run at all is a line on standard error."""

    def __call__(self, kernel: str, operations: Sequence[str], *, caches: bool) -> Measured:
        """Counts of those that ran."""
        from benchmarks import streams
        from benchmarks.guest_session import Trouble
        from benchmarks.machine_runs import counts

        asked: list[Callable[[], Measured]] = [
            lambda: counts(kernel, [name for name in operations if name in known()], caches=caches)
        ]
        if kernel == streams.KERNEL and (sent := [name for name in operations if name in every()]):
            asked.append(lambda: streams.counts(sent))
        found: dict[str, Mapping[str, float]] = {}
        for ask in asked:
            try:
                found |= ask()
            except Trouble as trouble:
                print(f"cellvisor: bench: {kernel}: {trouble}", file=sys.stderr, flush=True)
        return found

    def provenance(self, kernels: Iterable[str]) -> dict[str, str]:
        """What counts and prices depend on: software, the protocol, and the kernels by their hashes."""
        from benchmarks.machine_store import engine
        from hypervisor.shell.guests import GuestMissing, resolve

        found = {
            "engine": f"sha256 {engine()}",
            "protocol": f"sha256 {hashlib.sha256((HERE / 'protocol.toml').read_bytes()).hexdigest()}",
            **versions(),
        }
        for kernel in kernels:
            try:
                found[kernel] = f"sha256 {resolve(kernel.partition('@')[0]).sha256}"
            except GuestMissing:
                found[kernel] = "not there"
        return found


class Stored:
    """Takes them from a file.

    Raises:
        InputError: it is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no JSON"
            raise InputError(f"bench --counts {path}: {reason}") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT or not _plain(data.get("kernels")):
            raise InputError(f"bench --counts {path}: no file of counts: take counts.json of bench --out")
        self._kernels: Mapping[str, Measured] = data["kernels"]
        told = data.get("provenance")
        self._provenance = {str(name): str(text) for name, text in told.items()} if isinstance(told, dict) else {}

    def provenance(self, kernels: Iterable[str]) -> dict[str, str]:
        """As the file says, whatever is asked for."""
        return self._provenance

    def __call__(self, kernel: str, operations: Sequence[str], *, caches: bool) -> Measured:
        """What the file has of them; whoever wrote it had counted `caches` too, for all tables need them."""
        found = self._kernels.get(kernel, {})
        return {name: found[name] for name in operations if name in found}


def _plain(kernels: object) -> bool:
    """Whether it is kernel -> operation -> counter -> number."""
    if not isinstance(kernels, dict):
        return False
    operations = [
        each for kernel in kernels.values() for each in (kernel.values() if isinstance(kernel, dict) else [None])
    ]
    return all(isinstance(each, dict) and all(_number(value) for value in each.values()) for each in operations)


def _number(value: object) -> bool:
    """JSON, as Python reads it, has infinities, and integers that no float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST


def store(path: Path, kernels: Mapping[str, Measured], provenance: Mapping[str, str]) -> None:
    """Write counts, with what they come from."""
    data = {"format": FORMAT, "provenance": provenance, "kernels": kernels}
    path.write_text(json.dumps(data, indent=0, sort_keys=True) + "\n")
