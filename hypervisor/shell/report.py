"""The account of a run: from the monitor's counters and the host's figures to a `Summary`."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hypervisor.core.cell import Cell
from hypervisor.core.energy import Power
from hypervisor.core.ledger import CellLedger
from hypervisor.shell.cellhost import HostFigures
from hypervisor.shell.guests import resolve
from hypervisor.shell.provenance import Binary
from hypervisor.shell.summary import (
    CellSummary,
    CoreSummary,
    FaultSummary,
    HostCell,
    HostSummary,
    Latency,
    Metric,
    Summary,
    share_percent,
)
from hypervisor.shell.topology import Topology
from hypervisor.shell.topology.programs import DEBIAN
from hypervisor.shell.topology.roots import PORT

if TYPE_CHECKING:
    from hypervisor.api import Run

_NO_LEDGER = CellLedger(cycles={}, counts={}, time=0)
"""Of a cell that has not run."""


def summarise(run: Run) -> Summary:
    """Everything that can be said of a run so far."""
    for host in run.hosts:
        host.measure()
    topology, monitor = run.topology, run.monitor
    board, time = topology.board, monitor.scheduler.time()
    power = Power(active_mw=board.power.active_mw, idle_mw=board.power.idle_mw, hz=board.clock_hz)
    idle = sum(core.idle for core in monitor.scheduler.cores)
    rest = run.loop.rest
    return Summary(
        name=topology.name,
        flavour=topology.flavour,
        board=board.name,
        seed=topology.seed,
        hz=board.clock_hz,
        time=time,
        ended="interrupted" if run.interrupted else rest.why if rest else "running",
        trace_sha256=run.trace_hash,
        cells={cell.name: _cell(cell, run, time, power) for cell in monitor.cells},
        cores=tuple(CoreSummary(core.busy + core.switch_cycles, core.idle) for core in monitor.scheduler.cores),
        host=_host(run),
        board_idle_uj=power.microjoules(active=0, idle=idle),
        energy_assumed=board.power.assumed,
        binaries=run.binaries(),
        faults=_faults(run),
    )


def _faults(run: Run) -> tuple[FaultSummary, ...]:
    """Those that were ordered, and whether they ever struck."""
    fates = run.monitor.faults.fates if run.monitor.faults is not None else []
    return tuple(FaultSummary(fate.cell, fate.fault.action, fate.fault.point, fate.fired) for fate in fates)


def _cell(cell: Cell, run: Run, time: int, power: Power) -> CellSummary:
    account = cell.account
    ledger = run.monitor.ledger.to_dict().get(cell.name, _NO_LEDGER)
    return CellSummary(
        state=str(cell.shown_state()),
        why=cell.why,
        ran=account.ran,
        share_percent=share_percent(account.ran, time, run.topology.board.cores),
        switches=account.switches,
        interrupts=account.interrupts,
        instructions=account.insns,
        exits=dict(account.exits),
        wake_latency=Latency.of(account.latencies),
        metrics={name: Metric(*values) for name, values in account.metrics.items()},
        refusals=tuple((what, why, times) for (what, why), times in sorted(account.refusals.items())),
        energy_uj=power.microjoules(active=account.ran),
        restarts=account.restarts,
        console_bytes=account.output,
        peak_memory=run.monitor.frames.account(cell.name).peak,
        cycles=ledger["cycles"],
        operations=ledger["counts"],
    )


def describe_binaries(topology: Topology) -> Iterator[Binary]:
    """Every program of a topology with its hash; those from Debian with package and version."""
    for cell in topology.cells:
        sources = {"kernel": (cell.source if cell.kind == "kernel" else None), "initrd": cell.initrd, "root": cell.root}
        for key in ("image", "kernel", "initrd", "guest", "domain", "root", *(f"files.{name}" for name in cell.files)):
            name = f"cells.{cell.group}.{key}"
            if name not in topology.hashes:
                continue
            port = PORT if key == "root" else DEBIAN.get(topology.board.cpu.architecture)
            yield _binary(name, topology.hashes[name], sources.get(key), port)


def _binary(name: str, sha256: str, source: str | None, port: str | None) -> Binary:
    if source is None or not source.startswith("debian:"):
        return Binary(name, sha256)
    found = resolve(source, port if source == "debian:busybox" else None)
    return Binary(name, sha256, found.package, found.version)


def _host_cell(figures: HostFigures) -> HostCell:
    return HostCell(figures.cpu_seconds, figures.peak_memory, figures.lacking, figures.said)


def _host(run: Run) -> HostSummary:
    insns = sum(cell.account.insns for cell in run.monitor.cells)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = run.host_seconds
    return HostSummary(
        transport=run.link,
        seconds=seconds,
        monitor_cpu_seconds=usage.ru_utime + usage.ru_stime,
        mips=insns / seconds / 1e6 if seconds else 0.0,
        cells={cell.name: _host_cell(host.figures) for cell, host in zip(run.monitor.cells, run.hosts, strict=True)},
    )
