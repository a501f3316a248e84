"""Disks as files of the host: resolved, opened, copied, and handed over with no more rights than the topology gives."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cells.disks import Disk, DiskError, open_disks
from cells.domains.disk import DiskStore
from cells.split.block.back import RamStore, StoreError, shares
from hypervisor.abi.memory import disk_descriptor
from hypervisor.shell.cellhost import CellPlan
from hypervisor.shell.disks import Disks
from hypervisor.shell.graph.gather import gather
from hypervisor.shell.rundir import RunDirectory
from hypervisor.shell.topology import Topology, TopologyError, load, sources

SIZE = 64 << 10
Make = Callable[..., Topology]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(**disk: Any) -> Topology:
        entry = {"name": "disk0", "file": "disk.img"} | disk
        cells = {"storage": {"domain": "block", "devices": ["disk0"]}}
        return load({"name": "t", "board": "beagle", "cells": cells, "disks": [entry]}, directory=tmp_path)

    return made


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096) + b"here".ljust(SIZE - 4096, b"."))
    return path


def handed_over(disks: Disks, topology: Topology) -> dict[str, Disk]:
    """As the owner's process gets them."""
    plan = disks.equip(CellPlan(0, "storage", {}, b"", None))  # type: ignore[arg-type]
    fds = {name: os.dup(descriptor) for name, descriptor in plan.fds.items()}
    return open_disks(plan.settings["disks"], fds)


def opened(topology: Topology, directory: RunDirectory | None = None, *, copies: bool = False) -> Disk:
    disks = Disks(topology, directory, copies=copies)
    disk = handed_over(disks, topology)["disk0"]
    disks.close()
    return disk


def test_a_file_that_is_not_there_is_made_of_its_size_and_keeps_what_is_written(make: Make, tmp_path: Path) -> None:
    topology = make(size="64KiB")
    assert not (tmp_path / "disk.img").exists()  # looking at a topology makes nothing
    opened(topology).write(512, b"kept")
    assert (tmp_path / "disk.img").read_bytes() == bytes(512) + b"kept" + bytes(SIZE - 516)


def test_the_next_run_begins_with_what_the_last_one_wrote_and_says_so(make: Make) -> None:
    first = make(size="64KiB")
    opened(first).write(0, b"kept")
    second = make(size="64KiB")
    assert opened(second).read(0, 4) == b"kept"
    assert first.hashes["disks[0].file"] == hashlib.sha256(bytes(SIZE)).hexdigest()
    assert second.hashes["disks[0].file"] == hashlib.sha256(b"kept" + bytes(SIZE - 4)).hexdigest()
    assert first.digest != second.digest


def test_the_digest_is_the_contents_and_not_the_places(make: Make, image: Path, tmp_path: Path) -> None:
    first = make()
    image.rename(tmp_path / "moved.img")
    assert make(file="moved.img", copy=True).digest == first.digest
    assert make(file="moved.img", write=False).digest != first.digest


def test_a_copy_leaves_the_file_alone_and_stays_in_the_run_directory(make: Make, image: Path, tmp_path: Path) -> None:
    before = image.read_bytes()
    topology = make(copy=True)
    directory = RunDirectory.create(tmp_path / "run", topology)
    opened(topology, directory).write(0, b"new")
    assert image.read_bytes() == before
    assert (tmp_path / "run" / "disks" / "disk0.img").read_bytes() == b"new" + before[3:]
    RunDirectory.create(tmp_path / "run", topology)  # the next run clears it away
    assert not (tmp_path / "run" / "disks").exists()


def test_a_replay_writes_to_no_file_of_the_users(make: Make, image: Path, tmp_path: Path) -> None:
    before = image.read_bytes()
    disk = opened(make(), copies=True)
    assert disk.read(4096, 4) == b"here"
    disk.write(0, b"new")
    assert image.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.img"]


def test_read_only_is_read_only_to_the_hosts_kernel(make: Make, image: Path) -> None:
    disks = Disks(make(write=False), None)
    descriptor = os.dup(disks._descriptors["disk0"])
    with pytest.raises(PermissionError):
        mmap.mmap(descriptor, SIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    disk = open_disks([("disk0", SIZE, False)], {disk_descriptor("disk0"): descriptor})["disk0"]
    with pytest.raises(DiskError, match="reading only"):
        disk.write(0, b"x")
    assert disk.read(4096, 4) == b"here"
    disks.close()


def test_nobody_reaches_beyond_the_disk(make: Make, image: Path) -> None:
    disk = opened(make())
    for offset, length in ((SIZE - 3, 4), (-1, 1), (SIZE, 1), (0, -1)):
        with pytest.raises(DiskError, match="has no"):
            disk.read(offset, length)
    with pytest.raises(DiskError, match="has no"):
        disk.write(SIZE - 3, b"four")


def test_two_runs_do_not_write_one_file(make: Make, image: Path) -> None:
    first = Disks(make(), None)
    with pytest.raises(TopologyError, match=r"disks.disk0: \"disk.img\" is in use by another run"):
        Disks(make(), None)
    first.close()
    Disks(make(), None).close()


def test_readers_share_a_file_and_keep_writers_away(make: Make, image: Path) -> None:
    readers = [Disks(make(write=False), None), Disks(make(copy=True), None)]
    with pytest.raises(TopologyError, match="in use"):
        Disks(make(), None)
    for reader in readers:
        reader.close()


def test_a_full_host_is_told_in_one_line_and_leaves_no_file(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _start: int, _length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    topology = make(size="64KiB")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(TopologyError, match=r"t: disks.disk0: \"disk.img\" no room for it on the host") as refusal:
        Disks(topology, None)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_short_after_the_topology_was_read_is_told_in_one_line(make: Make, image: Path) -> None:
    topology = make()
    os.truncate(image, 4096)
    with pytest.raises(TopologyError, match="has 4096 bytes now and had 65536"):
        Disks(topology, None)


def test_a_file_cut_short_during_a_run_is_an_error_of_the_disk_at_the_owners_next_start(
    make: Make, image: Path
) -> None:
    topology = make()
    disks = Disks(topology, None)
    os.truncate(image, 4096)
    disk = handed_over(disks, topology)["disk0"]
    disks.close()
    with pytest.raises(DiskError, match="cut short"):
        disk.read(0, 512)
    with pytest.raises(StoreError, match="cut short"):
        DiskStore(disk, Still()).write(0, bytes(512))


class Still:
    """A port on which sleeping passes the time."""

    hz = 1_000_000_000

    def __init__(self) -> None:
        self.now = 0

    def sleep_until(self, time: int) -> None:
        self.now = max(self.now, time)

    def work(self, cycles: int) -> None:
        self.now += cycles


def test_a_request_takes_the_time_of_a_card() -> None:
    port = Still()
    store = DiskStore(Disk("disk0", SIZE, bytearray(SIZE)), port)
    store.write(1, b"a" * 512)
    assert (store.read(1, 1), store.sectors, store.read_only) == (b"a" * 512, SIZE // 512, False)
    assert port.now == 2 * (100_000 + 512 * 25)


def test_one_store_is_shared_equally_and_several_are_given_one_each() -> None:
    small, large = RamStore(512, 100), RamStore(512, 1000)
    assert [(share.first, share.sectors) for share in shares([small], 3)] == [(0, 33), (33, 33), (66, 33)]
    assert shares([small, large], 2) == [(small, 0, 100), (large, 0, 1000)]


def test_a_graph_shows_who_owns_a_disk(tmp_path: Path) -> None:
    disk = {"name": "disk0", "file": "disk.img", "size": "64KiB"}
    cells = {"storage": {"domain": "block", "devices": ["disk0"]}}
    data = {"name": "t", "board": "beagle", "cells": cells, "disks": [disk]}
    picture = gather(data, directory=tmp_path)
    assert [(edge.cell, edge.target, edge.rights) for edge in picture.edges] == [("storage", "disk0", "read+write")]


def test_a_built_in_topologys_disk_lies_in_the_current_directory_and_nothing_is_written_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, here = tmp_path / "installed", tmp_path / "here"
    installed.mkdir()
    here.mkdir()
    text = 'board = "beagle"\n[cells.storage]\ndomain = "block"\ndevices = ["disk0"]\n[[disks]]\nname = "disk0"\n'
    (installed / "mine.toml").write_text(text + 'file = "mine.img"\nsize = "64KiB"\n')
    monkeypatch.setattr(sources, "topologies", lambda: installed)
    monkeypatch.chdir(here)
    for _ in range(2):  # made, and found again
        opened(load("mine")).write(0, b"kept")
    assert (here / "mine.img").read_bytes()[:4] == b"kept"
    assert [path.name for path in installed.iterdir()] == ["mine.toml"]
