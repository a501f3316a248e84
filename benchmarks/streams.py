"""Streams through a split network driver, counted in each kernel that they pass: `python -m benchmarks.streams tcp_stream`.

Theory: a guest's network costs what its own kernel does and what the driver domain and the hypervisor do for it. So the same
stream runs twice, to the same machine on the network (cells/programs/net_sink.py): from a kernel that has the network device for
itself (`direct`), and from one whose front end leads to the back end of a second kernel, which bridges it to that device
(`split`). All are Debian's armmp kernel with events and caches counted; the device is Xen's interface to the other machine in
both, so that the two differ by the front end, the back end, the bridge and the hypervisor, and by nothing else.

A kernel's counts are known only where a program in it marks, so each marks before a stream and when all has arrived. What a long
stream has more than a short one belongs to the iterations that it has more: starts, ends, marks and timers of both are alike.
The other machine has a core of its own, `WIRE` away. The driver domain is more urgent than its client, as in built-in topologies.

    counts(["tcp_stream"])["tcp_stream"]["driver_instructions"]         # of the driver domain, for 64 KiB of its client

`client_`, `driver_`, `direct_`: a kernel's counts; `xen_`: what the hypervisor did for client and driver domain; `split_`,
`direct_` with `busy` and `time`: cycles of the core that were used, and of all, per iteration; with `bytes`: that have arrived.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import boards
from benchmarks import machine_runs
from benchmarks.guest_root import build, marker
from benchmarks.guest_session import APPEND, BOOT_LIMIT, Counting, Session, Trouble
from benchmarks.machine_runs import Counts, Report, say
from benchmarks.machine_store import FORMAT, engine, folder_of, place, read, software
from benchmarks.operations import Stream, streams
from benchmarks.packed_kernel import CHANGES, unpacked
from benchmarks.programs import images
from cells.personalities.linux.initramfs import MODE
from cells.personalities.linux.initramfs import entries as records
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.guests import resolve
from hypervisor.shell.guests.cache import write_atomically
from hypervisor.shell.guests.initramfs import Entry
from hypervisor.shell.snapshots import versions
from hypervisor.shell.topology.problems import nearest

KERNEL, DRIVERS, BUSYBOX = "debian:armmp", "debian:drivers", ("debian:busybox", "armhf")
BOARD, FLAVOUR, PRICED = "beagle", "xen", "okl4"
"""Whose split drivers they are, and by whose record a call and a switch take time in the run."""
RAM = "64MiB"
CLIENT, DRIVER, PEER = "client", "driver", "peer"
SETTINGS: Mapping[str, tuple[str, ...]] = {"direct": (CLIENT, PEER), "split": (CLIENT, DRIVER, PEER)}
"""The cells of each; a channel leads from each to the next one."""
WIRE = "100us"
"""To the other machine, one way: a quiet local network. Assumed."""
BOARDS = (*CHANGES, "board.cores=2", f'board.quantum="{WIRE}"', f'board.cross_core_latency="{WIRE}"')
"""Changes of the board: what the kernel wants, and a core for the other machine."""
SETTLED = "30ms"
"""After a stream until nothing of it is under way: longer than a late acknowledgement."""
HOST, PORT = "10.0.0.1", "9"
OWN = "10.0.0.2"
HERE = 0x1E4E
"""Id of the mark at both ends of what is counted."""
LINES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "direct": ((CLIENT, f"modprobe xen_netfront; ifconfig eth0 {OWN} up"),),
    "split": (
        (DRIVER, "for i in xen_netback xen_netfront bridge; do modprobe $i; done; ip link add br0 type bridge"),
        (CLIENT, f"modprobe xen_netfront; ifconfig eth0 {OWN} up"),
        (DRIVER, "until [ -e /sys/class/net/vif1.0 ]; do usleep 10000; done"),
        (
            DRIVER,
            "for i in eth0 vif1.0; do ip link set $i master br0; done; for i in br0 eth0 vif1.0; do ip link set $i up; done",
        ),
    ),
}
"""What the kernels are told before anything is counted."""
WORK = ("notify", "grant", "map", "unmap", "copy")
"""Operations of the hypervisor, as the ledger calls them."""
SOURCES = {
    "hypervisor.core": ("*.py", "xen/*.py", "policies/*.py"),
    "hypervisor.flavours": ("*.py",),
    "cells.xen": ("*.py",),
    "cells.split": ("*.py", "net/*.py"),
    "cells.programs": ("net_sink.py",),
    "benchmarks": ("streams.py",),
}
"""Files, beside those of the engine, that decide what is counted."""


def counts(wanted: Sequence[str], *, report: Report = say) -> dict[str, Counts]:
    """Counts of one iteration of each stream; kept, and all of them measured (a minute) if they are not there.

    Raises:
        Trouble: no such stream; what it needs cannot be fetched; a kernel does not do it.
    """
    if strange := [name for name in wanted if name not in streams()]:
        raise Trouble(f'no stream "{strange[0]}"; {nearest(strange[0], streams())}')
    machine = machine_runs.machine_of(KERNEL, report)
    machine_runs.fetch([(DRIVERS, None), BUSYBOX], report)
    counting = Counting(caches=True, functions=machine_runs.symbols(machine, report))
    path = place("streams", [*_identity(), counting.key(), [(one.argv, one.iterations) for one in streams().values()]])
    kept: dict[str, Counts] | None = read(path)
    if kept is None:
        kept = _measure(counting, report)
        write_atomically(path, json.dumps(kept).encode())
    return {name: kept[name] for name in wanted}


def _measure(counting: Counting, report: Report) -> dict[str, Counts]:
    made: dict[str, Counts] = {name: {} for name in streams()}
    for setting, cells in SETTINGS.items():
        report(
            f"streams, {setting}: booting {KERNEL} as {' and '.join(cells[:-1])}, once: half a minute with what follows"
        )
        with Network(setting, counting) as network:
            for name, stream in streams().items():
                made[name] |= network.counted(stream)
    return made


# ---- a run


class Sample(NamedTuple):
    """At one moment: a kernel's counts and what the hypervisor has done, by the names of `counts`; bytes that have come."""

    counts: Counts
    bytes: int


class Network:
    """A run of a setting, up to where its streams can begin. `options`: of `launch`.

    Raises:
        Trouble: a kernel does not come up.
    """

    def __init__(self, setting: str, counting: Counting, **options: Any) -> None:
        self.setting = setting
        table = topology(setting, counting, _files())
        self.client = Session(table, CLIENT, overrides=BOARDS, **options)
        self.run = self.client.run
        self.kernels = {CLIENT: self.client}
        self.kernels |= {name: self.client.beside(name) for name in SETTINGS[setting] if name == DRIVER}
        try:
            for session in self.kernels.values():
                session.boot()
            for cell, line in LINES[setting]:
                self._told(cell, line)
        except BaseException:
            self.run.close()
            raise

    def counted(self, stream: Stream) -> Counts:
        """An iteration of a stream."""
        self._told(CLIENT, streams()["tcp_stream"].command(1, HOST, PORT))  # who is who on the network is known then
        short, long = (self.window(stream, times) for times in stream.iterations)
        return per_iteration(self.setting, stream, short, long)

    def window(self, stream: Stream, times: int) -> Counts:
        """All that so many iterations make, from before the first until the last has arrived."""
        before = self._sample(stream)
        said = self._told(CLIENT, stream.command(times, HOST, PORT))
        begin, end = (mark for mark in said if mark.id == stream.id)
        self.run.until(self.run.now + self.run.cycles(SETTLED))
        after = self._sample(stream)
        made = {name: value - before.counts[name] for name, value in after.counts.items()}
        busy = made.pop("hypervisor") + sum(made[f"{self._called(cell)}_cycles"] for cell in self.kernels)
        told = {"busy": busy, "time": end.time - begin.time, "bytes": after.bytes - before.bytes}
        return made | {f"{self.setting}_{name}": value for name, value in told.items()}

    def _called(self, cell: str) -> str:
        """A kernel's name in what is counted."""
        return cell if self.setting == "split" else self.setting

    def _told(self, cell: str, line: str) -> tuple[Any, ...]:
        said = self.kernels[cell].order(line, BOOT_LIMIT)
        if said.status:
            raise Trouble(f'{self.setting}: {cell}: "{line}" ended with status {said.status}: {said.output[-200:]!r}')
        return said.marks

    def _sample(self, stream: Stream) -> Sample:
        made: Counts = {}
        for cell in self.kernels:
            told = self._told(cell, "./here")[-1].counts
            made |= {f"{self._called(cell)}_{name}": value for name, value in told.items()}
        cells = self.run.summary().cells
        accounts = [cells[cell] for cell in self.kernels]
        made["hypervisor"] = sum(sum(one.cycles.values()) - one.cycles.get("guest", 0) for one in accounts)
        if self.setting == "split":
            made |= {f"xen_{name}": sum(one.operations.get(name, 0) for one in accounts) for name in WORK}
            made["xen_switches"] = sum(one.switches for one in accounts)
        metric = cells[PEER].metrics.get(stream.metric)
        return Sample(made, metric.last if metric else 0)

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.run.close()


def per_iteration(setting: str, stream: Stream, short: Counts, long: Counts) -> Counts:
    """What the long window has more, divided by the blocks that arrived more: a program sends some ahead of its first mark. The
    time is that between its marks, and so of its iterations.

    Raises:
        Trouble: no more has arrived.
    """
    more = {name: value - short[name] for name, value in long.items()}
    blocks = more[f"{setting}_bytes"] / stream.bytes
    if blocks <= 0:
        raise Trouble(f"{stream.name}, {setting}: a longer stream brought no more bytes")
    made = {name: value / blocks for name, value in more.items()}
    return made | {f"{setting}_time": more[f"{setting}_time"] / (stream.iterations[1] - stream.iterations[0])}


def topology(setting: str, counting: Counting, files: Mapping[str, str]) -> dict[str, Any]:
    """The device: `files` are kernel and initrd."""
    names = SETTINGS[setting]
    kernel = {**files, "append": APPEND, "ram": RAM, "counting": counting.key(), "cores": [0]}
    cells: dict[str, Any] = {name: {**kernel, "priority": 6 if name == DRIVER else 5} for name in names[:-1]}
    cells[PEER] = {"guest": "cells.programs.net_sink:main", "ram": "2MiB", "cores": [1]}
    costs = FLAVOURS[PRICED].costs
    return {
        "name": f"streams_{setting}",
        "board": BOARD,
        "flavour": FLAVOUR,
        "cells": cells,
        "channels": [{"class": "net", "between": list(pair)} for pair in itertools.pairwise(names)],
        "costs": {"world_switch": costs.world_switch, "hypercall": costs.hypercall},
    }


# ---- what it needs


def _files() -> dict[str, str]:
    """Kernel and initramfs, as files below the user's cache."""
    contents = {"kernel": unpacked(resolve(KERNEL).path.read_bytes()), "initrd": _archive()}
    made = {}
    for key, content in contents.items():
        path = folder_of("streams") / f"{hashlib.sha256(content).hexdigest()}.{key}"
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
        made[key] = str(path)
    return made


def _archive() -> bytes:
    """The benchmarks' initramfs with the kernel's drivers."""
    busybox = resolve(*BUSYBOX, file="busybox").path.read_bytes()
    programs = {name: content for name, content in images().items() if name == "lat"}
    return build(busybox, {**programs, "here": marker(HERE)}, modules(resolve(DRIVERS).path.read_bytes()))


def modules(root: bytes) -> list[Entry]:
    """The drivers in an archive of debian:drivers."""
    found = ((entry, entry.name.decode("latin-1").lstrip("/")) for entry in records(root))
    return [
        Entry(path, each.fields[MODE], bytes(each.content)) for each, path in found if path.startswith("lib/modules")
    ]


def _identity() -> tuple[Any, ...]:
    """All that decides a count, but for the stream."""
    kernel = resolve(KERNEL).sha256, hashlib.sha256(_archive()).hexdigest()
    tables = [topology(setting, Counting(), {}) for setting in SETTINGS]
    board = boards.load_board(BOARD).model_dump(mode="json")
    return FORMAT, kernel, engine(), software(SOURCES), versions(), board, BOARDS, tables


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: a table of counts, or JSON. Exit status 1: a kernel did not do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="STREAM", help=f"{', '.join(streams())}; all unless said")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        found = counts(chosen.names or list(streams()))
    except Trouble as trouble:
        print(f"streams: {trouble}", file=sys.stderr)
        return 1
    say(f"{time.monotonic() - began:.1f} s")
    if chosen.json:
        print(json.dumps(found, indent=1))
        return 0
    for name in _names(found.values()):
        print(f"{name:28}" + "".join(f"{one.get(name, 0.0):>16,.2f}" for one in found.values()))
    return 0


def _names(found: Iterable[Counts]) -> dict[str, None]:
    return dict.fromkeys(name for one in found for name in one)


if __name__ == "__main__":
    sys.exit(main())
