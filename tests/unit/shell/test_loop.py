"""The loop by itself: what it does with hosts that fail."""

from __future__ import annotations

from collections.abc import Generator

from hypervisor.abi.records import Exit
from hypervisor.core.cell import CellState
from hypervisor.shell.loop_ports import HostTrouble
from tests.support.scripted import Bench, ScriptedHost, ScriptedVcpu


def job(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    yield from vcpu.work(5_000)


def test_a_cell_that_never_becomes_ready_is_started_again_however_often(monkeypatch) -> None:
    def await_hello(host: ScriptedHost) -> None:
        if host.lives > 1:
            raise HostTrouble("process ended: exit code 3")

    monkeypatch.setattr(ScriptedHost, "await_hello", await_hello)
    bench = Bench(
        {"a": job, "b": job}, die_at={"a": 1_000}, params={"a": {"on_crash": "restart", "max_restarts": 2_000}}
    )
    assert bench.until(20_000) == "finished"
    assert bench.cell("a").why == "process ended: exit code 3; gave up after 2000 restarts"
    assert bench.cell("b").state is CellState.SHUT_DOWN


def test_the_records_of_a_chain_of_deeds_are_in_the_order_of_the_deeds() -> None:
    lines: list[bytes] = []
    bench = Bench({"a": job, "b": job}, die_at={"a": 1_000}, params={"a": {"on_crash": "restart"}})
    bench.trace.on_chunk.append(lines.append)
    bench.until(20_000)
    bench.trace.flush()
    kinds = [line.split(b'"k":"')[1].split(b'"')[0] for line in b"".join(lines).splitlines() if b'"a"' in line]
    assert kinds.index(b"dead") + 1 == kinds.index(b"start", kinds.index(b"dead"))
