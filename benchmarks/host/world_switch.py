"""The world switch, Python to Python: a resume goes to a cell's process, its exit comes back.

Both transports, through the same links that a run uses, with monitor and cell on one host CPU and on two. Beside them the
least that this host's kernel allows: two C programs with a futex, which carry no record (`yardstick.c`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from benchmarks.host.figure import Figure, Setting, Target, on_cpus, ratios, two_cpus
from benchmarks.host.native import yardstick
from benchmarks.samples import Sample
from cells.order import CellOrder
from hypervisor.abi.records import ExitKind, Resume
from hypervisor.shell.links import Link
from hypervisor.shell.links.shm import ShmLink
from hypervisor.shell.links.zmq import ZmqHub, ZmqLink
from hypervisor.shell.processes import CellProcess, Zygote

ENTRY = "benchmarks.host.peer:answer"
SECOND_NS = 1_000_000_000
WARM = 500
"""Round trips that do not count."""


def run(setting: Setting) -> Iterator[Sample]:
    """Both transports and the futex, on one CPU and on two."""
    first, second = two_cpus()
    times = 2_000 if setting.quick else 20_000
    for cores, other in (("one", first), ("two", second)) if second != first else (("one", first),):
        yield from _transports(setting, cores, first, other, times)


def _transports(setting: Setting, cores: str, cpu: int, other: int, times: int) -> Iterator[Sample]:
    variants: dict[str, Callable[[], float]] = {
        f"shm, {cores}": partial(_measure, _shm, cpu, other, times),
        f"zmq, {cores}": partial(_measure, _zmq, cpu, other, times // 4),
        f"futex in C, {cores}": lambda: float(yardstick().lib.futex_round_trip_us(cpu, other, times)),
    }
    found = setting.in_turns(variants)
    for name, values in found.items():
        transport = name.partition(",")[0]
        yield setting.sample("world_switch", "round_trip", "us", values, transport=transport, cpus=cores)
    shm, zmq, futex = found.values()
    yield setting.sample("world_switch", "zmq_to_shm", "ratio", ratios(zmq, shm), cpus=cores)
    yield setting.sample("world_switch", "shm_to_futex", "ratio", ratios(shm, futex), cpus=cores)


def _measure(connect: Callable[[Zygote, int], Iterator[Link]], cpu: int, other: int, times: int) -> float:
    """The median of so many round trips with a fresh peer, in us."""
    with Zygote.start() as zygote:  # before there is any socket: it must inherit none
        for link in connect(zygote, other):
            with on_cpus(cpu):
                _round_trips(link, 1, WARM)
                return median(_round_trips(link, 1 + WARM, times))
    raise AssertionError("no link")


def _round_trips(link: Link, first: int, times: int) -> list[float]:
    taken = []
    clock = time.perf_counter_ns
    for seq in range(first, first + times):
        resume = Resume(seq, seq, seq + 1, seq, 0)
        began = clock()
        link.resume(resume)
        record = link.wait(SECOND_NS)
        taken.append((clock() - began) / 1e3)
        if record is None:
            raise RuntimeError("the peer does not answer")
    return taken


def _shm(zygote: Zygote, cpu: int) -> Iterator[Link]:
    link = ShmLink()
    process = zygote.spawn(CellOrder("peer", 0, {"cpu": cpu}), {"page": link.fd}, ENTRY)
    link.attach(process.pidfd)
    yield from _greeted(link, process)


def _zmq(zygote: Zygote, cpu: int) -> Iterator[Link]:
    hub = ZmqHub("ipc://*")
    try:
        public, secret = hub.admit("peer")
        address = {
            "endpoint": hub.endpoint,
            "server_key": hub.public_key,
            "public_key": public,
            "secret_key": secret,
        }
        link = ZmqLink(hub, "peer")
        process = zygote.spawn(CellOrder("peer", 0, {"cpu": cpu, "address": address}), {}, ENTRY)
        hub.watch("peer", process.pidfd)
        yield from _greeted(link, process)
    finally:
        hub.close()


def _greeted(link: Link, process: CellProcess) -> Iterator[Link]:
    """The link, from the peer's hello to the end of the measurement."""
    record = link.wait(30 * SECOND_NS)
    if record is None or record.kind != ExitKind.HELLO:
        raise RuntimeError("the peer does not come up")
    try:
        yield link
    finally:
        process.kill()
        link.close()


FIGURE = Figure(
    "world_switch",
    "the world switch, Python to Python",
    (
        Target(
            "round_trip", "<=", 5.0, "us, shm, monitor and cell on one host CPU", {"transport": "shm", "cpus": "one"}
        ),
        Target("round_trip", "<=", 2.0, "us, shm, on two host CPUs", {"transport": "shm", "cpus": "two"}),
        Target("zmq_to_shm", ">=", 10.0, "zmq / shm on one host CPU", {"cpus": "one"}),
        Target("zmq_to_shm", ">=", 10.0, "zmq / shm on two host CPUs", {"cpus": "two"}),
    ),
    run,
)
