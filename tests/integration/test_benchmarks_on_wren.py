"""The benchmark programs on our own paravirtual kernel: what it has calls for runs, and computes what it computes elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.operations import operations
from benchmarks.programs import images
from cells.wren import FLAVOURS, IMAGES
from hypervisor import launch
from tests.support.linux import LinuxBench, archive
from tests.support.wren import finish, read, table

OPERATIONS = ("null", "write", "stat", "open_close", "signal_catch", "pipe", "fork_exit", "page_zero", "ctx_2p_4k")
APPLICATIONS = (
    *("generate sound 800 /tmp/s", "gsm encode /tmp/s /tmp/g", "crc32 /tmp/s /tmp/g", "fft 4 64"),
    *("generate picture 24 /tmp/p", "jpeg encode /tmp/p /tmp/j", "crc32 /tmp/j", "mix 2 1"),
)
END = b"070701"


def few(name: str) -> str:
    """An operation's command with three iterations."""
    program, number, _, *words = operations()[name].command
    return " ".join([program.removeprefix("./"), number, "3", *words])


def joined(files: dict[str, bytes]) -> bytes:
    """wren's archive with more in it: one archive, as wren reads only one."""
    ours = (IMAGES / "initramfs.cpio").read_bytes()
    return ours[: ours.rindex(END, 0, ours.rindex(b"TRAILER!!!"))] + archive(files)


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_programs_do_on_wren_what_they_do_on_the_personality(flavour: str, tmp_path: Path) -> None:
    commands = [*(few(name) for name in OPERATIONS), *APPLICATIONS]
    used = {f"bin/{command.split()[0]}": images()[command.split()[0]] for command in commands}
    script = "".join(f"/bin/{command}\n" for command in commands).encode()
    root = joined({**used, "etc/bench": script})
    (tmp_path / "bench.cpio").write_bytes(root)
    bench = LinuxBench(root, ["/bin/sh", "/etc/bench"])
    assert bench.run() == 0, bench.output
    cell = table("@/etc/bench", initrd=str(tmp_path / "bench.cpio"), ram="32MiB")
    with launch(cell, flavour=flavour) as run:
        told = read(finish(run, "wren"))
    assert told.worst == 0, told.text
    said = [line for line in told.text.splitlines() if not line.startswith("init: ")]
    assert said == bench.output.decode().replace("\r\n", "\n").splitlines()
