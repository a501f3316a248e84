"""A run directory: everything that a run leaves behind, enough to do the run again and to see what it did.

    run.json              topology name, flavour, seed, overrides, hashes of binaries, versions, host: written first
    topology.toml         the topology exactly as it was read
    inputs.jsonl          what came from outside, and when
    trace.jsonl           what happened (trace.py); trace.perfetto.json the same for a timeline viewer
    served.jsonl          digests of what cells were shown of the host's directories (served.py), if they were
    console/CELL.log      what each cell said
    net/DEVICE.pcap       every frame of a network device (pcap.py); net/DEVICE.link: what the board at the other end told
    disks/NAME.img        the copy of a disk to which the run wrote, as it was at the end
    boards/NAME/          the run of that board, if it was started with this one
    frames/DEVICE-T.png   what a display showed at cycle T (pictures.py)
    files/NAME            anything else that belongs to the run, as the policies that it read
    summary.json          the account at the end: without it, the run did not come to its end

`run.json` also marks the directory as ours: a second run with the same `--out` replaces the first, but a directory
that holds anything else is never touched.

    run = RunDirectory.create(Path("out"), topology)
    trace = Trace(run.trace)
    run.console("linux", b"login: ")
    trace.close()
    run.finish(summary)
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from hypervisor.shell.files import RunDirError, WriteFailed, replacing, write_all
from hypervisor.shell.perfetto import write_perfetto
from hypervisor.shell.provenance import FORMAT, Provenance
from hypervisor.shell.summary import Summary

if TYPE_CHECKING:
    from hypervisor.shell.topology import Topology

__all__ = ["RunDirError", "RunDirectory", "read_provenance"]

_NAME = re.compile(r"[a-z0-9_]+")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OURS = ("summary.json", "trace.jsonl", "trace.perfetto.json", "inputs.jsonl", "served.jsonl", "topology.toml")
_MARK = f'{{\n  "format": "{FORMAT}"\n}}\n'.encode()


class RunDirectory:
    """The directory of one run, made (or cleared of an earlier run) when this is.

    Raises:
        RunDirError: it cannot be made, or it holds something that is not a run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._consoles: dict[str, BinaryIO] = {}
        try:
            _claim(path)
            # The mark comes first: after a crash from here on, the directory can be used again.
            self._write("run.json", _MARK)
            _clear(path)
        except OSError as error:
            raise RunDirError.because(path, error, missing="choose another directory with --out") from error

    @classmethod
    def create(cls, path: Path, topology: Topology) -> Self:
        """The directory for a run of this topology, with all in it that is known before the run."""
        run = cls(path)
        run.write_provenance(Provenance.of(topology))
        run.write_topology(topology.source_text.encode())
        if topology.mac_policy is not None:
            run.write_file("policy.toml", topology.wiring.policy.encode())
        return run

    def finish(self, summary: Summary, *, timeline: bool = True) -> None:
        """The run has ended and its trace is closed: write the account, then the timeline (5 us for each exit)."""
        self.close()
        self.write_summary(summary)
        if timeline:
            write_perfetto(
                self.trace, self.perfetto, hz=summary.hz, cores=len(summary.cores), cells=list(summary.cells)
            )

    @property
    def trace(self) -> Path:
        """For `Trace`."""
        return self.path / "trace.jsonl"

    @property
    def perfetto(self) -> Path:
        """For `write_perfetto`."""
        return self.path / "trace.perfetto.json"

    @property
    def inputs(self) -> Path:
        """For `InputLog` and `ReplayInputs`."""
        return self.path / "inputs.jsonl"

    @property
    def served(self) -> Path:
        """For `ServedRecord`."""
        return self.path / "served.jsonl"

    @property
    def topology(self) -> Path:
        """What `write_topology` wrote."""
        return self.path / "topology.toml"

    @property
    def summary(self) -> Path:
        """What `write_summary` wrote."""
        return self.path / "summary.json"

    def write_provenance(self, provenance: Provenance) -> None:
        """Say what makes this run what it is, before it begins."""
        self._write("run.json", provenance.to_json().encode())

    def write_topology(self, content: bytes) -> None:
        """Keep the topology, byte for byte."""
        self._write("topology.toml", content)

    def write_summary(self, summary: Summary) -> None:
        """Write the account; the run is complete."""
        self._write("summary.json", summary.to_json().encode())

    def write_file(self, name: str, content: bytes) -> None:
        """Keep another file under `files/`."""
        if not _FILE.fullmatch(name):
            raise ValueError(f'"{name}" is not a plain file name')
        self._write(f"files/{name}", content)

    def write_frame(self, name: str, content: bytes) -> None:
        """Keep a picture under `frames/`."""
        if not _FILE.fullmatch(name):
            raise ValueError(f'"{name}" is not a plain file name')
        try:
            (self.path / "frames").mkdir(exist_ok=True)
        except OSError as error:
            raise RunDirError.because(self.path / "frames", error) from error
        self._write(f"frames/{name}", content)

    def capture_path(self, device: str) -> Path:
        """For the `Capture` of a network device."""
        if not _NAME.fullmatch(device):
            raise ValueError(f'"{device}" is not a name of a device')
        return self.path / "net" / f"{device}.pcap"

    def disk_path(self, disk: str) -> Path:
        """For the copy of a disk on which the run works."""
        return self.path / "disks" / f"{disk}.img"

    def link_path(self, device: str) -> Path:
        """For what the board at the other end of a device's cable told (netlink.py)."""
        return self.capture_path(device).with_suffix(".link")

    def console(self, cell: str, output: bytes) -> None:
        """Append what a cell said to its log; it can be read at once.

        Raises:
            RunDirError: there is no room.
        """
        try:
            file = self._consoles.get(cell) or self._open_console(cell)
            write_all(self.console_path(cell), file, output)
            file.flush()
        except OSError as error:
            raise WriteFailed.because(self.console_path(cell), error) from error

    def console_path(self, cell: str) -> Path:
        """The log of a cell."""
        if not _NAME.fullmatch(cell):
            raise ValueError(f'"{cell}" is not a name of a cell')
        return self.path / "console" / f"{cell}.log"

    def close(self) -> None:
        """Close the logs. May be called twice."""
        while self._consoles:
            _, file = self._consoles.popitem()
            with suppress(OSError):  # the bytes were flushed, or the failure was reported, when they were written
                file.close()

    def _open_console(self, cell: str) -> BinaryIO:
        file = self._consoles[cell] = self.console_path(cell).open("wb")
        return file

    def _write(self, name: str, content: bytes) -> None:
        with replacing(self.path / name) as file:
            file.write(content)


def read_provenance(path: Path) -> Provenance:
    """What `run.json` in the run directory `path` says, for doing the run again.

    Raises:
        RunDirError: it is not a run directory, or of a run that ended before it began.
    """
    file = path / "run.json"
    try:
        return Provenance.from_json(file.read_bytes())
    except OSError as error:
        raise RunDirError.because(file, error) from error
    except ValueError as error:
        raise RunDirError(file, str(error)) from None


def _claim(path: Path) -> None:
    """Make the directory, or find that it is an earlier run's."""
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()) and not _is_run(path):
        raise RunDirError(path, "is not empty and not a run directory; choose another directory with --out")


def _is_run(path: Path) -> bool:
    """Whether `run.json` is there and says so; it need not be complete."""
    mark = path / "run.json"
    return mark.is_file() and f'"format": "{FORMAT}"'.encode() in mark.read_bytes()


def _clear(path: Path) -> None:
    """Remove what an earlier run wrote, and nothing else. Links are removed, never followed."""
    for name in ("console", "files"):
        if (path / name).is_symlink():
            (path / name).unlink()
        (path / name).mkdir(exist_ok=True)
    for name in ("net", "frames", "disks"):  # made when there is something to put into them
        if (path / name).is_symlink():
            (path / name).unlink()
    captured = (*(path / "net").glob("*.pcap"), *(path / "net").glob("*.link"), *(path / "frames").glob("*.png"))
    captured += tuple((path / "disks").glob("*.img"))
    for old in (
        *(path / name for name in _OURS),
        *(path / "console").glob("*.log"),
        *(path / "files").glob("*"),
        *captured,
    ):
        old.unlink(missing_ok=True)
    for name in ("net", "frames", "disks"):
        if (path / name).is_dir() and not any((path / name).iterdir()):
            (path / name).rmdir()
