"""Events of operations on unmodified Debian kernels, counted: `python -m benchmarks.machine_runs debian:rpi null pipe --caches`.

A kernel boots once, with the benchmark programs in its initramfs; what it is then is kept as a snapshot. Each operation goes on
from there by itself, so its counts depend on no other one, and are kept too. Both are filed under a hash of all that decides
them: kernel, initramfs, engine, board, what is counted, the command. What has to be downloaded is, once.

    counts("debian:rpi", ["null", "pipe"], caches=False)["null"]["instructions"]     # of one getppid

An operation's counts are those between its two marks divided by its iterations. They are equal on every host.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import boards
from benchmarks import command_line
from benchmarks.guest_root import BOOTED, build, libraries
from benchmarks.guest_session import CELL, Counting, Machine, Mark, Said, Session, Trouble
from benchmarks.guest_symbols import ORDER, NoSymbols, groups
from benchmarks.machine_store import FORMAT, engine, folder_of, place, read, used
from benchmarks.operations import Operation, operations
from benchmarks.programs import images
from hypervisor.shell.guests import GuestMissing, resolve
from hypervisor.shell.guests.cache import write_atomically
from hypervisor.shell.problems import InputError
from hypervisor.shell.progress import Progress
from hypervisor.shell.snapshots import versions
from hypervisor.shell.topology.problems import nearest

Counts = dict[str, float]
"""Events of one operation, by name; those of `cells/engines/native/count.h`, "f_GROUP" for entries of functions."""
Report = Callable[[str], None]

ARCHITECTURES = {"debian:rpi": "armel", "debian:marvell": "armel", "debian:armmp": "armhf"}
LIBRARIES = "debian:armel"
"""Where the programs' shared libraries are from; the ARMv7 kernel runs them as well."""
CACHE = ("size", "line", "ways", "kind", "replacement")
"""What a cache's shape is."""


def say(text: str) -> None:
    """The default of who is told what takes so long: standard error."""
    print(f"machine_runs: {text}", file=sys.stderr, flush=True)


def counts(
    kernel: str, wanted: Sequence[str], *, caches: bool, report: Report = say, jobs: int | None = None
) -> dict[str, Counts]:
    """Counts per iteration of each operation on a Debian kernel, on its board; one that fails is left out, which is reported.
    `kernel`: "debian:rpi", or "debian:marvell@pxa255" for the caches and the TLB of another CPU. `caches`: what they miss,
    too. `jobs`: how many are counted at once (None: as many as this process has CPUs).

    Raises:
        Trouble: no such kernel or operation; it cannot be fetched; it does not boot.
    """
    chosen = [_operation(name) for name in wanted]
    if not chosen:
        return {}
    machine = machine_of(kernel, report)
    counting = Counting(caches, symbols(machine, report))
    paths = {
        each.name: place("counts", [*_identity(machine), counting.key(), each.command, each.preparation])
        for each in chosen
    }
    missing = [each for each in chosen if read(paths[each.name]) is None]
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(missing))
    if jobs > 1:
        booted(machine, report)
        _in_parallel(kernel, [each.name for each in missing], caches, jobs, report)
    else:
        _one_by_one(machine, counting, {each.name: (each, paths[each.name]) for each in missing}, report)
    kept = {name: read(path) for name, path in paths.items()}
    return {name: found for name, found in kept.items() if found is not None}


def _one_by_one(
    machine: Machine, counting: Counting, missing: Mapping[str, tuple[Operation, Path]], report: Report
) -> None:
    for number, (name, (operation, path)) in enumerate(missing.items(), 1):
        report(f"{machine.kernel}: {name} ({number} of {len(missing)})")
        try:
            write_atomically(path, json.dumps(_count(machine, counting, operation, report)).encode())
        except Trouble as trouble:
            report(f"{machine.kernel}: {name} is left out: {trouble}")


def _in_parallel(kernel: str, names: Sequence[str], caches: bool, jobs: int, report: Report) -> None:
    """Each process counts a part of them, and leaves what it finds where all look; what it says goes to standard error."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)]),
    }
    started = []
    report(f"{kernel}: {len(names)} operations, {jobs} at a time")
    try:
        for job in range(jobs):
            command = [sys.executable, "-m", "benchmarks.machine_runs", kernel, *names[job::jobs], "--jobs=1", "--json"]
            told = None if report is say else subprocess.DEVNULL
            started.append(
                subprocess.Popen(
                    [*command, *(["--caches"] if caches else [])],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=told,
                )
            )
        for process in started:
            process.wait()
    finally:
        for process in started:
            process.terminate()
            process.wait()


# ---- what is needed


def machine_of(kernel: str, report: Report = say) -> Machine:
    """A kernel with the initramfs of the benchmarks, fetched and made if they are not there.

    Raises:
        Trouble: no such kernel, or no way to get it.
    """
    kernel, _, cpu = kernel.partition("@")
    if kernel not in ARCHITECTURES:
        raise Trouble(f'no kernel "{kernel}"; {nearest(kernel, ARCHITECTURES)}')
    changes = _caches_of(cpu) if cpu else ()
    architecture = ARCHITECTURES[kernel]
    fetch([(kernel, None), ("debian:busybox", architecture), (LIBRARIES, None)], report)
    busybox = resolve("debian:busybox", architecture, file="busybox").path.read_bytes()
    archive = build(busybox, images(), libraries(resolve(LIBRARIES).path.read_bytes()))
    path = folder_of("archives") / f"{hashlib.sha256(archive).hexdigest()}.cpio"
    if not path.is_file() or path.read_bytes() != archive:
        write_atomically(path, archive)
    used(path)
    return Machine(kernel, path, changes)


def _caches_of(cpu: str) -> tuple[str, ...]:
    """What makes a board's caches and TLB those of another CPU."""
    try:
        shapes = tomllib.loads((files("boards") / "cpu" / f"{cpu}.toml").read_text(encoding="utf-8"))
    except OSError:
        raise Trouble(f'no CPU "{cpu}" in boards/cpu') from None
    caches = {f"caches.{name}.{key}": shape[key] for name, shape in shapes["caches"].items() for key in CACHE}
    tlb = {f"tlb.{key}": shapes["tlb"][key] for key in ("entries", "ways", "split", "asid") if key in shapes["tlb"]}
    return tuple(f"board.cpu.{key}={json.dumps(value)}" for key, value in {**caches, **tlb}.items())


def fetch(needed: Iterable[tuple[str, str | None]], report: Report = say) -> None:
    """Get guests (name, architecture) that are not there.

    Raises:
        Trouble: they cannot be got.
    """
    missing: dict[str, None] = {}
    for name, architecture in needed:
        try:
            resolve(name, architecture)
        except GuestMissing:
            missing[name] = None
    if not missing:
        return
    report(
        f"{', '.join(missing)} not there yet: fetching from Debian's mirror, once (40 MB for all that benchmarks need)"
    )
    from hypervisor.shell.guests import GuestError
    from hypervisor.shell.guests.__main__ import fetch as fetched
    from hypervisor.shell.guests.catalog import catalog

    try:
        fetched(
            [guest for name in missing for guest in catalog().named(name)], None, None, unsigned=False, update=False
        )
    except GuestError as problem:
        raise Trouble(f"cannot fetch {', '.join(missing)}: {problem}") from None


def symbols(machine: Machine, report: Report = say) -> dict[str, tuple[int, ...]]:
    """Groups of functions of a kernel, from what it says itself; kept.

    Raises:
        Trouble: it does not say.
    """
    path = place("symbols", [FORMAT, ORDER, resolve(machine.kernel).sha256])
    kept = read(path)
    if kept is None:
        report(f"{machine.kernel}: asking it where its functions are")
        with _start(machine, Counting(), report) as session:
            text = session.order(ORDER).output
        try:
            kept = groups(text)
        except NoSymbols as none:
            raise Trouble(f"{machine.kernel}: {none}") from None
        write_atomically(path, json.dumps(kept).encode())
    return {group: tuple(addresses) for group, addresses in kept.items()}


# ---- one operation


def _count(machine: Machine, counting: Counting, operation: Operation, report: Report) -> Counts:
    with _start(machine, counting, report) as session:
        for words in operation.preparation:
            _order(session, words)
        return per_iteration(operation, _order(session, operation.command).marks)


def _start(machine: Machine, counting: Counting, report: Report) -> Session:
    """A kernel that is ready for its first line."""
    snapshot = booted(machine, report)
    try:
        session = machine.session(counting, resume=snapshot)
    except InputError as damaged:
        report(f"{damaged}; booting anew")
        snapshot.unlink(missing_ok=True)
        session = machine.session(counting, resume=booted(machine, report))
    try:
        session.go_on()
    except BaseException:
        session.run.close()
        raise
    return session


def booted(machine: Machine, report: Report = say) -> Path:
    """A snapshot of the kernel, ready; booted if there is none.

    Raises:
        Trouble: it does not boot.
    """
    path = place("snapshots", _identity(machine), "snap")
    if not path.is_file():
        report(f"booting {machine.kernel}, once: half a minute")
        with machine.session(Counting(), snapshot=path, at_mark=BOOTED) as session:
            with Progress(session.run.topology.board.clock_hz, enabled=report is say) as progress:
                session.show(progress)
                session.boot()
            if not session.run.snapshots.size:
                raise Trouble(f"{machine.kernel}: no snapshot of its boot: {session.run.snapshots.why}")
    used(path)
    return path


def _order(session: Session, words: Sequence[str]) -> Said:
    line = " ".join(words)
    said = session.order(line)
    if said.status:
        last = said.output.decode("latin-1").strip().splitlines()
        raise Trouble(f'"{line}" ended with status {said.status}: {last[-1] if last else "it said nothing"}')
    return said


def per_iteration(operation: Operation, marks: Iterable[Mark]) -> Counts:
    """What lies between an operation's marks, divided by how often the end mark says that it happened.

    Raises:
        Trouble: the marks are not there.
    """
    begin: Mark | None = None
    for mark in marks:
        if mark.id == operation.id and not mark.times:
            begin = mark
        elif mark.id == operation.id and begin is not None:
            return {name: (value - begin.counts.get(name, 0)) / mark.times for name, value in mark.counts.items()}
    raise Trouble(f"{operation.name}: {'no end mark' if begin else 'no begin mark'} (id {operation.id}) of its program")


# ---- what is kept


@cache
def _identity(machine: Machine) -> tuple[Any, ...]:
    """All that decides a count, but for the command."""
    board = boards.load_board(machine.board).model_dump(mode="json")
    topology = {
        **machine.topology(None),
        "cells": {CELL: {**machine.topology(None)["cells"][CELL], "initrd": machine.archive.stem}},
    }
    return FORMAT, resolve(machine.kernel).sha256, engine(), versions(), board, machine.changes, topology


def _operation(name: str) -> Operation:
    known: Mapping[str, Operation] = operations()
    if name not in known:
        raise Trouble(f'no operation "{name}"; {nearest(name, known)}')
    return known[name]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: a table of counts, or JSON. Exit status 1: the kernel did not do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine_runs", description=__doc__.split("\n")[0])
    parser.add_argument("kernel", help=f"{', '.join(ARCHITECTURES)}; @CPU behind it: with that CPU's caches")
    parser.add_argument("names", nargs="+", metavar="OPERATION", help="those of operations.toml")
    parser.add_argument("--caches", action="store_true", help="with the model of the caches, and cold lines")
    parser.add_argument(
        "--jobs", type=command_line.jobs, metavar="N", help="so many operations at once (as many as there are CPUs)"
    )
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    chosen = parser.parse_args(arguments)
    return command_line.guarded("machine_runs", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    began = time.monotonic()
    try:
        found = counts(chosen.kernel, chosen.names, caches=chosen.caches, jobs=chosen.jobs)
    except Trouble as trouble:
        print(f"machine_runs: {trouble}", file=sys.stderr)
        return 1
    if chosen.jobs != 1:
        say(f"{time.monotonic() - began:.1f} s")
    if chosen.json:
        print(json.dumps(found, indent=1))
        return 0
    for name in dict.fromkeys(name for one in found.values() for name in one):
        print(f"{name:22}" + "".join(f"{one.get(name, 0.0):>16,.2f}" for one in found.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
