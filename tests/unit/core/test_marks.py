"""Marks of a cell that counts: a line of the trace each, and nothing that a lie could gain."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator

import pytest

from hypervisor.abi import counts
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import Translations
from hypervisor.core import exits
from hypervisor.core.cell import CellState
from tests.support.scripted import Bench, ScriptedVcpu

Script = Callable[[ScriptedVcpu], Generator[Exit, None, None]]
NAMES = ("instructions", "svc")
COUNTING = {"a": {"counting": NAMES}}
CHUNKS: list[bytes] = []
"""The trace of the bench that was made last."""


def _marking(*told: bytes) -> Script:
    def script(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
        for number, data in enumerate(told):
            yield from vcpu.work(100)
            yield vcpu.exit(ExitKind.MARK, a0=5, a1=number)._replace(data=data)
        yield from vcpu.work(7)

    return script


def _bench(script: Script, **params: object) -> Bench:
    bench = Bench({"a": script}, params={"a": {**COUNTING["a"], **params}}, slice_cycles=100_000)
    bench.trace.on_chunk.append(CHUNKS.append)
    CHUNKS.clear()
    bench.until(NEVER)
    bench.monitor.check_invariants()
    return bench


def _marks(bench: Bench) -> list[dict[str, int]]:
    bench.trace.close()
    lines = map(json.loads, b"".join(CHUNKS).splitlines())
    return [line for line in lines if line["k"] == "mark"]


def test_a_mark_is_a_line_with_the_counts_by_name_and_takes_no_time() -> None:
    bench = _bench(_marking(counts.pack((70, 2)), counts.pack((1 << 63, 3))))
    first = {"t": 100, "k": "mark", "cell": "a", "id": 5, "times": 0, "instructions": 70, "svc": 2}
    assert _marks(bench) == [first, {**first, "t": 200, "times": 1, "instructions": 1 << 63, "svc": 3}]
    assert bench.cell("a").account.ran == 207


@pytest.mark.parametrize("data", [b"", bytes(15), bytes(17), bytes(1024)])
def test_other_counts_than_it_was_asked_for_end_it(data: bytes) -> None:
    bench = _bench(_marking(data))
    assert bench.cell("a").state is CellState.FAILED
    assert "protocol: a mark" in bench.cell("a").why
    assert _marks(bench) == []


def test_a_cell_that_was_not_asked_to_count_marks_nothing() -> None:
    assert _bench(_marking(b""), counting=()).cell("a").state is CellState.FAILED


def test_a_flood_of_marks_fills_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exits.counts, "MARK_LIMIT", 3)
    bench = _bench(_marking(*[counts.pack((1, 1))] * 9))
    assert [mark["times"] for mark in _marks(bench)] == [0, 1, 2]
    assert bench.cell("a").account.marks == 9


def test_what_lines_of_caches_took_is_a_cause_of_its_own() -> None:
    def script(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
        yield from vcpu.work(1_000)
        yield vcpu.exit(ExitKind.OUTPUT)._replace(data=Translations(memory=300).pack())
        yield from vcpu.work(1_000)
        yield vcpu.exit(ExitKind.OUTPUT)._replace(data=Translations(memory=1 << 50).pack())

    ledger = _bench(script).monitor.ledger
    assert ledger.cycles("a", "cache_miss") + ledger.cycles("a", "guest") == 2_000
    assert ledger.cycles("a", "cache_miss") >= 300
