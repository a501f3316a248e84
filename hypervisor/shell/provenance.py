"""Where a run came from: what must be the same for the run to be the same, and on which host it happened.

Binaries are known by name, hash and (for those from Debian) package and version, never by path: a path says where a
file lay on one machine. Facts of the host stand apart under `host`: the promise of equal traces does not depend on
them.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from hypervisor.version import VERSION

if TYPE_CHECKING:
    from hypervisor.shell.topology import Topology

FORMAT = "cellvisor run 1"
"""What `run.json` says it is; a change of the layout of run directories counts up."""


@dataclass(frozen=True)
class Binary:
    """A file that a guest was made from."""

    name: str
    sha256: str
    package: str = ""
    version: str = ""

    @classmethod
    def of(cls, path: Path, *, name: str = "", package: str = "", version: str = "") -> Binary:
        """Hash the file at `path`; it is known by `name`, or else by the last part of its path."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(name or path.name, digest, package, version)


def versions() -> dict[str, str]:
    """The software that computed the run: another version of it may give another trace."""
    return {"cellvisor": VERSION, "python": platform.python_version(), "unicorn": _version("unicorn")}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "source"


def host_facts() -> dict[str, str]:
    """The host for people who compare speeds: kernel, CPU, number of CPUs. No name and no address."""
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu_model(Path("/proc/cpuinfo")),
        "cpus": str(os.cpu_count() or 1),
    }


def _cpu_model(cpuinfo: Path) -> str:
    """The first "model name"; ARM hosts have none and say so."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")


@dataclass(frozen=True)
class Provenance:
    """The contents of `run.json`.

    `until`: how far the run was asked to go, as the user wrote it ("" for no end). `overrides`: KEY=VALUE of the
    command line, in order. `digest`: one hash over all that makes the topology. Only `host` has no part in what
    happens.
    """

    topology: str
    flavour: str
    board: str
    seed: int
    until: str = ""
    overrides: tuple[str, ...] = ()
    digest: str = ""
    binaries: tuple[Binary, ...] = ()
    versions: Mapping[str, str] = field(default_factory=versions)
    host: Mapping[str, str] = field(default_factory=host_facts)
    format: str = FORMAT

    @classmethod
    def of(cls, topology: Topology) -> Provenance:
        """What a loaded topology says of itself; its programs are known by their keys in the file."""
        return cls(
            topology.name,
            topology.flavour,
            topology.board.name,
            topology.seed,
            until=topology.until,
            overrides=topology.overrides,
            digest=topology.digest,
            binaries=tuple(Binary(key, sha256) for key, sha256 in topology.hashes.items()),
        )

    def to_json(self) -> str:
        """As it stands in `run.json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Provenance:
        """The inverse of `to_json`.

        Raises:
            ValueError: it is something else, or of another version.
        """
        try:
            provenance: Provenance = _adapter().validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ValueError(f"{where}: {first['msg']}") from None
        if provenance.format != FORMAT:
            raise ValueError(f'format: "{provenance.format}" is not "{FORMAT}"')
        return provenance


@functools.cache
def _adapter() -> TypeAdapter[Any]:
    """Made on first use: most runs read no run directory."""
    return TypeAdapter(Provenance)
