"""The files behind the disks of a run: opened by the monitor, mapped by their owners, and by nobody else.

Theory: a cell opens no files. Its process is given a descriptor, maps so many bytes of it before its sandbox closes, and lets go
of it: it can change neither the file's length nor anything beside it, and one that was opened for reading only is read only
to the host's kernel. What is written is in the host's cache at once, so that the death of the cell, or of the monitor, loses
nothing. All room that a disk could ever need is taken when the run starts: a host that is full says so then.

    disks = Disks(topology, run_directory, copies=False)
    plan = disks.equip(plan)                        # what the owner's process is given
    disks.close()
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hypervisor.abi.memory import disk_descriptor
from hypervisor.shell.cellhost import CellPlan
from hypervisor.shell.rundir import RunDirectory
from hypervisor.shell.topology import Problem, Topology, TopologyError
from hypervisor.shell.topology.spec import DiskSpec

_CHUNK = 1 << 20
_ADVICE = {
    errno.ENOSPC: "no room for it on the host (make room, or take a smaller disk)",
    errno.EDQUOT: "no room for it on the host (make room, or take a smaller disk)",
    errno.EFBIG: "the host allows no such large files (ulimit -f)",
    errno.EROFS: "lies where nothing can be written (say write = false, or copy = true)",
    errno.EACCES: "may not be opened so (say write = false, or copy = true, or mend its permissions)",
    errno.EWOULDBLOCK: "is in use by another run (end that one, or say copy = true)",
}
"""What to say of an error of the host."""


class Disks:
    """The disks of one run. `copies`: whatever the topology says, nothing is written to its files (a replay).

    Raises:
        TopologyError: a file cannot be opened, is not what it was, or the host has no room.
    """

    def __init__(self, topology: Topology, directory: RunDirectory | None, *, copies: bool = False) -> None:
        self._topology, self._directory, self._copies = topology, directory, copies
        self._descriptors: dict[str, int] = {}
        with ExitStack() as undo:
            undo.callback(self.close)
            for spec in topology.disks:
                self._descriptors[spec.name] = self._opened(spec)
            undo.pop_all()

    def equip(self, plan: CellPlan) -> CellPlan:
        """A plan with the disks that the cell owns, if it owns any."""
        mine = self._topology.disks_of(self._topology.cells[plan.index])
        if not mine:
            return plan
        told = [(disk.name, disk.size, disk.write) for disk in mine]
        fds = {disk_descriptor(disk.name): self._descriptors[disk.name] for disk in mine}
        return replace(plan, settings={**plan.settings, "disks": told}, fds={**plan.fds, **fds})

    def close(self) -> None:
        """Let go of the files. May be called twice."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    # ---- opening

    def _opened(self, spec: DiskSpec) -> int:
        try:
            if not spec.write:
                return self._checked(spec, os.open(spec.path, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)
            return self._copy(spec) if spec.copy or self._copies else self._itself(spec)
        except OSError as error:
            why = _ADVICE.get(error.errno or 0, f"cannot be used: {(error.strerror or str(error)).lower()}")
            raise self._problem(spec, why) from None

    def _problem(self, spec: DiskSpec, why: str) -> TopologyError:
        return TopologyError([Problem(self._topology.name, f"disks.{spec.name}", f'"{spec.source}" {why}')])

    def _itself(self, spec: DiskSpec) -> int:
        """The file, to be read and written by this run alone."""
        made = os.O_CREAT | os.O_EXCL if spec.made and not spec.path.exists() else 0
        descriptor = os.open(spec.path, os.O_RDWR | os.O_CLOEXEC | made, 0o666)
        with _closed_unless_done(descriptor), _removed_unless_done(spec.path if made else None):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if made:
                os.ftruncate(descriptor, spec.size)
            self._check_length(spec, descriptor)
            os.posix_fallocate(descriptor, 0, spec.size)
        return descriptor

    def _copy(self, spec: DiskSpec) -> int:
        """A file of this run, with the same content: in its directory, or one without a name."""
        target = self._new(spec)
        with _closed_unless_done(target):
            os.posix_fallocate(target, 0, spec.size)
            if spec.path.exists() or not spec.made:
                source = self._checked(spec, os.open(spec.path, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)
                try:
                    _copy(source, target, spec.size)
                finally:
                    os.close(source)
        return target

    def _new(self, spec: DiskSpec) -> int:
        if self._directory is None:
            with tempfile.TemporaryFile(prefix="cellvisor-disk-") as file:
                return fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        path = self._directory.disk_path(spec.name)
        path.parent.mkdir(exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)

    def _checked(self, spec: DiskSpec, descriptor: int, lock: int) -> int:
        """The descriptor, locked, if the file is as long as it was when the topology was read."""
        with _closed_unless_done(descriptor):
            fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
            self._check_length(spec, descriptor)
        return descriptor

    def _check_length(self, spec: DiskSpec, descriptor: int) -> None:
        length = os.fstat(descriptor).st_size
        if length != spec.size:
            raise self._problem(spec, f"has {length} bytes now and had {spec.size} (who else writes it?)")


@contextlib.contextmanager
def _closed_unless_done(descriptor: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


@contextlib.contextmanager
def _removed_unless_done(path: Path | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if path is not None:
            path.unlink(missing_ok=True)
        raise


def _copy(source: int, target: int, size: int) -> None:
    """What there is of a file; its holes stay blank."""
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole follows
                return
            raise
        at = os.lseek(source, start, os.SEEK_HOLE)
        _copy_range(source, target, start, min(at, size))


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(_CHUNK, end - start), start)
        if not data:
            raise OSError(errno.EIO, "its end has gone meanwhile")
        start += os.pwrite(target, data, start)
