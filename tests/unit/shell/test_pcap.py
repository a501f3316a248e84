"""Packet captures: what another reader finds in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hypervisor.shell.files import RunDirError
from hypervisor.shell.pcap import Capture, read_capture
from tests.support.files import read_pcap

FRAMES = [(0, b"first"), (599_999_999, b"x" * 1514), (600_000_001, b""), (7 * 600_000_000 + 300_000_000, b"last")]


def test_frames_stand_in_it_with_their_virtual_time_in_nanoseconds(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "net" / "nic0.pcap", hz=600_000_000)
    for cycle, frame in FRAMES:
        capture.frame(cycle, frame)
    packets = read_pcap(tmp_path / "net" / "nic0.pcap")  # not closed: it can be read while the run goes on
    capture.close()
    assert [packet.data for packet in packets] == [frame for _, frame in FRAMES]
    assert [packet.time for packet in packets] == [0, 999_999_998, 1_000_000_001, 7_500_000_000]


def test_our_own_reader_finds_the_same(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "a.pcap", hz=600_000_000)
    for cycle, frame in FRAMES:
        capture.frame(cycle, frame)
    assert list(read_capture(tmp_path / "a.pcap")) == read_pcap(tmp_path / "a.pcap")
    capture.close()
    capture.close()


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(bytes(100))
    with pytest.raises(RunDirError, match="not a packet capture"):
        list(read_capture(tmp_path / "a.pcap"))
    with pytest.raises(RunDirError):
        list(read_capture(tmp_path / "nothing.pcap"))


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("in the way")
    with pytest.raises(RunDirError):
        Capture(tmp_path / "net" / "nic0.pcap", hz=1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_says_so(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "nic0.pcap")  # noqa: PTH211
    with pytest.raises(RunDirError, match="no space"):
        Capture(tmp_path / "nic0.pcap", hz=1)
