"""What the points of injected faults cost a run without faults.

A point is one look at an attribute (`if monitor.faults is not None`). Which of them a run passes, and how often, is its own
affair, so whole runs are looked at, each from a copy of the source whose syntax tree was changed, and in two ways:

- `share`: how many such looks a round trip of a message takes, monitor and cells together (every look counts itself), times
  what one takes here, of the CPU time of that round trip. The target is on this, which a busy host hardly changes.
- `overhead`: the CPU time of runs as they are to that of runs in which every look has been decided beforehand. On a busy host its
  noise is ten times what it is to show.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import struct
import subprocess
import sys
import timeit
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import hypervisor
from benchmarks.host.figure import Figure, Setting, Target, on_cpus, ratios, two_cpus
from benchmarks.samples import Sample

PACKAGES = ("hypervisor", "cells", "devices", "boards")
ROUND_TRIPS, QUICK_ROUND_TRIPS = 5_000, 500
ATTRIBUTE = "faults"
FLAVOURS = ("l4", "xen", "okl4")
PROGRAM = """
import json, resource, sys
from hypervisor import launch
flavour, times = sys.argv[1], int(sys.argv[2])
ping, pong = ({"guest": f"cells.programs.ping:{name}"} for name in ("ping", "pong"))
cells = {"ping": {**ping, "args": ["pong", times, 16]}, "pong": pong}
device = {"name": "ping", "board": "beagle", "cells": cells, "channels": [{"between": ["ping", "pong"], "class": "message"}]}
spent = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
with launch(device, flavour=flavour) as run:
    run.until("1ms")
    before = spent()
    while str(run.state("ping")) not in ("shut down", "failed"):
        run.until(run.now + run.cycles("50ms"))
    digest = run.trace_hash
    own = spent()
cells = sum(host.figures.cpu_seconds for host in run.hosts)
print(json.dumps([own + cells - before, digest]))
"""


class Plain(ast.NodeTransformer):
    """The source as it is, written anew. `found`: looks that were changed."""

    def __init__(self) -> None:
        self.found = 0


class Decided(Plain):
    """Every test of the attribute comes out as without faults; what is left of the code around it."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """`x.faults is None` holds."""
        asked = isinstance(node.left, ast.Attribute) and node.left.attr == ATTRIBUTE
        if not asked or not isinstance(node.ops[0], ast.Is | ast.IsNot):
            return node
        self.found += 1
        return ast.Constant(isinstance(node.ops[0], ast.Is))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """What a constant decides, it decides."""
        self.generic_visit(node)
        deciding = isinstance(node.op, ast.Or)
        kept: list[ast.expr] = []
        for value in node.values:
            if not isinstance(value, ast.Constant) or not isinstance(value.value, bool):
                kept.append(value)
            elif value.value is deciding:
                return value if not kept else ast.BoolOp(node.op, [*kept, value])
        return ast.Constant(not deciding) if not kept else kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """One of its branches."""
        if isinstance(node.test, ast.Attribute) and node.test.attr == ATTRIBUTE:  # a list of them
            self.found += 1
            node.test = ast.Constant(False)
        self.generic_visit(node)
        if not isinstance(node.test, ast.Constant) or not isinstance(node.test.value, bool):
            return node
        return (node.body if node.test.value else node.orelse) or [ast.Pass()]


class Counted(Plain):
    """Every look at the attribute counts itself (`COUNTER`)."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """`x.faults is None`."""
        asked = isinstance(node.left, ast.Attribute) and node.left.attr == ATTRIBUTE
        return self._counting(node) if asked and isinstance(node.ops[0], ast.Is | ast.IsNot) else node

    def visit_If(self, node: ast.If) -> ast.AST:
        """A list of them."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Attribute) and node.test.attr == ATTRIBUTE:
            node.test = self._counting(node.test)
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """The counter comes before the sandbox closes."""
        self.generic_visit(node)
        behind = 1 + max(at for at, each in enumerate(node.body) if isinstance(each, ast.ImportFrom | ast.Import))
        node.body.insert(behind, ast.Import([ast.alias("counter")]))
        return node

    def _counting(self, node: ast.expr) -> ast.expr:
        self.found += 1
        passed = ast.Attribute(ast.Name("counter", ast.Load()), "passed", ast.Load())
        return ast.Call(passed, [node], [])


COUNTER = """
import mmap, os, pathlib, struct
_file = os.open(pathlib.Path(__file__).with_name("passed.bin"), os.O_RDWR | os.O_CREAT)
os.ftruncate(_file, 8)
_count = mmap.mmap(_file, 8)
def passed(found):
    _count[:] = struct.pack("<Q", struct.unpack("<Q", _count[:])[0] + 1)
    return found
"""
"""Beside the packages of the counting copy. Monitor and cells take turns: none misses a count."""
VARIANTS: dict[str, type[Plain]] = {"with": Plain, "without": Decided, "counted": Counted}


def copied(source: Path, target: Path, variant: str) -> int:
    """Copy the packages, all variants through the same tree; how many looks were changed."""
    found = 0
    for package in PACKAGES:
        shutil.copytree(source / package, target / package, ignore=shutil.ignore_patterns("__pycache__", "*.c", "*.o"))
    (target / "counter.py").write_text(COUNTER)
    for path in target.rglob("*.py"):
        text = path.read_text()
        if f".{ATTRIBUTE}" in text:
            change = VARIANTS[variant]()
            tree = ast.fix_missing_locations(change.visit(ast.parse(text)))
            found += change.found
            path.write_text(ast.unparse(tree))
    return found


def run(setting: Setting) -> Iterator[Sample]:
    """Round trips of messages, with points and without, under each flavour that has any."""
    times = QUICK_ROUND_TRIPS if setting.quick else ROUND_TRIPS
    source = Path(hypervisor.__file__).parents[1]
    places = {name: setting.scratch / name for name in VARIANTS}
    found = {name: copied(source, place, name) for name, place in places.items()}
    yield setting.sample("fault_points", "looks_in_source", "looks", [float(found["without"])])
    with on_cpus(two_cpus()[0]):
        look = [_nanoseconds() for _ in range(setting.rounds)]
        yield setting.sample("fault_points", "look", "ns", look)
        for flavour in FLAVOURS:
            yield from _of(setting, flavour, times, places, look)


def _of(setting: Setting, flavour: str, times: int, places: dict[str, Path], look: list[float]) -> Iterator[Sample]:
    """One flavour's."""
    variants = {name: partial(_seconds, places[name], flavour, times) for name in ("with", "without")}
    seconds = setting.in_turns(variants)
    for name, values in seconds.items():
        micros = [value / times * 1e6 for value in values]
        yield setting.sample("fault_points", "round_trip", "us", micros, points=name, flavour=flavour)
    overhead = [100 * (ratio - 1) for ratio in ratios(seconds["with"], seconds["without"])]
    yield setting.sample("fault_points", "overhead", "%", overhead, flavour=flavour)
    looks = _looks(places["counted"], flavour, times)
    yield setting.sample("fault_points", "looks", "per round trip", [looks], flavour=flavour)
    share = [100 * looks * took * 1e-9 * times / spent for took, spent in zip(look, seconds["with"], strict=True)]
    yield setting.sample("fault_points", "share", "%", share, flavour=flavour)


def _nanoseconds() -> float:
    """What one look takes at most: an attribute of an object, compared with None, a branch not taken, and the loop around it."""
    times, setup = 1_000_000, "class A:\n    def __init__(self):\n        self.b = self.faults = None\na = A()"
    return min(timeit.repeat("if a.faults is not None: pass", setup, number=times, repeat=5)) / times * 1e9


def _looks(place: Path, flavour: str, times: int) -> float:
    """Looks in a round trip; those of the start fall into it, too."""
    (place / "passed.bin").write_bytes(bytes(8))
    _seconds(place, flavour, times)
    return float(struct.unpack("<Q", (place / "passed.bin").read_bytes())[0]) / times


def _seconds(place: Path, flavour: str, times: int) -> float:
    """CPU seconds of a run by the source in `place`."""
    command = [sys.executable, "-c", PROGRAM, flavour, str(times)]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)[0])


FIGURE = Figure(
    "fault_points",
    "what the points of injected faults cost a run without faults",
    tuple(
        Target(
            "share",
            "<=",
            1.0,
            f"points of faults in the CPU time of a round trip, {flavour}, percent",
            {"flavour": flavour},
        )
        for flavour in FLAVOURS
    ),
    run,
)
