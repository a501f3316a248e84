"""What a cell says to the monitor by its exits: each flavour's calls, and the doors of paravirtual kernels.

A hostile cell speaks beside another hostile one and a witness, in the real loop. Whatever they say: the run goes on, the
invariants hold, and the witness says what it says without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from hypervisor.abi.l4_door import Call as L4Call
from hypervisor.abi.memory import PAGE
from hypervisor.abi.post import POST
from hypervisor.abi.pv import TRAP, Trap
from hypervisor.abi.records import DATA_LIMIT, BadRecord, Exit, ExitKind, checked_exit
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from hypervisor.core.errors import Refused
from hypervisor.core.l4 import Microkernel
from hypervisor.core.mechanism import Mechanism
from hypervisor.core.okl4 import Microvisor
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from hypervisor.core.xen import XenHypervisor
from hypervisor.shell.loop_ports import HostTrouble
from tests.fuzz.target import Draw, target
from tests.support.arm_guest import KERNEL_VA, MISSING, READ_ONLY, WRITABLE, arm_lab
from tests.support.l4_door import L4Lab
from tests.support.okl4_door import DoorLab
from tests.support.pv import PvLab
from tests.support.scripted import Bench, ScriptedVcpu
from tests.support.xen import BASE

STEPS = 60
"""Exits of one input."""
HORIZON = 2_000_000
RAM = 4 * PAGE
NEAR = (0, 1, 2, 3, PAGE, RAM, RAM - 4, 0x4000_0000)
TIMES = (0, 1, 7, 100, 1000, 5000)
KINDS = (ExitKind.HYPERCALL,) * 9 + tuple(ExitKind)


def _hostile(draw: Draw, bench: list[Bench], index: int, vcpu: ScriptedVcpu) -> Iterator[Exit]:
    for _ in range(STEPS):
        if not draw.left:
            return
        while vcpu.resume.end - vcpu.time <= 0:
            yield vcpu.exit(ExitKind.BUDGET)
        if draw.byte() & 7 == 0:
            _scribble(draw, bench[0], index)
        yield _exit(draw, vcpu, sorted(bench[0].monitor.calls))


def _scribble(draw: Draw, bench: Bench, index: int) -> None:
    """It writes into its memory, which calls are told to look into."""
    own: Any = bench.monitor.memory.host
    at, data = draw.word() % RAM, draw.blob(255)
    own.own[index][at : at + len(data)] = data[: RAM - at]


def _exit(draw: Draw, vcpu: ScriptedVcpu, calls: list[int]) -> Exit:
    kind = draw.one(KINDS)
    vcpu.time += draw.one(TIMES)
    vcpu.ran = vcpu.time
    first = draw.one(calls) if kind == ExitKind.HYPERCALL and draw.byte() < 240 else draw.number(NEAR)
    arguments = (first, *(draw.number(NEAR) for _ in range(3)))
    record = vcpu.exit(kind, draw.number((vcpu.time, NEVER)), draw.blob(8), **dict(zip(NAMES, arguments, strict=True)))
    record = record._replace(data=draw.blob(200), cycles=draw.number((vcpu.time,)) if draw.byte() > 250 else vcpu.time)
    try:
        return checked_exit(record, vcpu.resume)
    except BadRecord as error:
        raise HostTrouble(f"protocol: {error}") from None


NAMES = ("a0", "a1", "a2", "a3")


def _witness(vcpu: ScriptedVcpu) -> Iterator[Exit]:
    for line in range(20):
        yield from vcpu.work(500)
        yield from vcpu.say(b"%d " % line)


SAYS = b"".join(b"%d " % line for line in range(20))
_BOTH = frozenset({"send", "receive"})
_WIRING = (
    (
        ChannelParams("ab", "message", 0, 1, "shm", _BOTH, _BOTH),
        ChannelParams("disk", "block", 0, 1),
    ),
    (SharedParams("pages", PAGE, {0: True, 1: False}),),
)


def _talk(data: bytes, mechanism: Any, wired: bool) -> None:
    draw = Draw(data)
    bench: list[Bench] = []
    scripts = {"a": partial(_hostile, draw, bench, 0), "b": partial(_hostile, draw, bench, 1), "witness": _witness}
    restart = {"ram": RAM, "on_crash": "restart", "max_restarts": 3}
    params = {"a": restart, "b": restart, "witness": {"ram": RAM}}
    wiring = Wiring(*_WIRING) if wired else Wiring()
    bench.append(Bench(scripts, params=params, mechanism=mechanism, wiring=wiring))  # type: ignore[arg-type]
    bench[0].until(HORIZON)
    assert bench[0].output["witness"] == SAYS
    assert bench[0].cell("witness").state is CellState.SHUT_DOWN


def _seeds(flavour: int) -> Callable[[], list[bytes]]:
    """Calls one after the other, with small arguments."""
    return lambda: (
        [
            b"".join(
                bytes([1, 0, 1, call, 0, 0, 0, 1, 0, 2, 0, 255, 0, 1, 65, 2, 66, 67, 0]) for call in range(start, 60)
            )
            for start in range(flavour, 60, 20)
        ]
        + [bytes(range(256)) * 4]
    )


@target("calls_native", seeds=_seeds(0))
def native(data: bytes) -> None:
    """The calls that every architecture has."""
    _talk(data, Mechanism, wired=False)


@target("calls_l4", seeds=_seeds(1))
def l4(data: bytes) -> None:
    """IPC, mappings, pagers."""
    _talk(data, Microkernel, wired=True)


@target("calls_xen", seeds=_seeds(2))
def xen(data: bytes) -> None:
    """Events, grants, the store, with structures in the domains' memory."""
    _talk(data, XenHypervisor, wired=True)


@target("calls_okl4", seeds=_seeds(3))
def okl4(data: bytes) -> None:
    """Capabilities, channels, virtual interrupts."""
    _talk(data, Microvisor, wired=True)


# Doors of kernels without privileges. The lab is the CPU: what goes out is looked at by the models.

_TRAPS = (Trap.SWI,) * 6 + tuple(Trap)
_ADDRESSES = (0, 0x4000_0000, 0x4000_1000, 0x4000_4000, 0xC000_0000, 0xC000_3000, 0x8000, 0xFFFF_F000)


def _door_seeds() -> list[bytes]:
    """Calls one after the other, with addresses of tables and small numbers."""
    return [
        b"".join(bytes([1, number, *([place] * 17), 0, 0]) for number in range(first, 48, 4))
        for first in range(4)
        for place in (1, 2, 64 + first)
    ]


def _registers(draw: Draw, count: int) -> list[int]:
    return [draw.number(_ADDRESSES) & 0xFFFF_FFFF for _ in range(count)]


def _traps(data: bytes, lab: Any, kernel: Any, own: bytearray, numbers: range) -> None:
    """Any exceptions in any state. It may be ended for it, and its neighbour's memory stays what it is."""
    draw = Draw(data)
    others = {index: bytes(content) for index, content in lab.memory.own.items() if content is not own}
    with suppress(AssertionError):
        kernel.boot()
    for _ in range(STEPS):
        cell = kernel.cell
        if not draw.left or cell.state is not CellState.RUNNING or cell.vcpu.pending is not None:
            break
        if draw.byte() & 3 == 0:
            at, content = draw.word() % len(own), draw.blob(255)
            own[at : at + len(content)] = content[: len(own) - at]
        number = numbers[draw.byte() % len(numbers)]
        core = _registers(draw, 17)
        words = (draw.one(_TRAPS), number, core[0], draw.byte(), *core)
        kernel.exit(draw.blob(80) if draw.byte() > 250 else TRAP.pack(*words))
        lab.monitor.check_invariants()
    lab.settle()
    assert {index: bytes(lab.memory.own[index]) for index in others} == others


@target("door_pv", seeds=_door_seeds)
def door_pv(data: bytes) -> None:
    """The survey's Xen on ARM: validated page tables, logical modes."""
    lab = PvLab()
    lab.kernel.guest.set_up_events()
    _traps(data, lab, lab.kernel, lab.memory.own[1], range(48))


@target("door_okl4", seeds=_door_seeds)
def door_okl4(data: bytes) -> None:
    """A kernel's vCPU, virtual MMU and interrupts."""
    lab = DoorLab()
    lab.kernel.cell = lab.cell  # type: ignore[attr-defined]
    _traps(data, lab, lab.kernel, lab.memory.own[0], range(32))


@target("door_l4", seeds=_door_seeds)
def door_l4(data: bytes) -> None:
    """A server's tasks, threads and message registers."""
    lab = L4Lab()
    _traps(data, lab, lab.server, lab.memory.own[0], range(max(L4Call) + 4))


_HVC = (12, 17, 18, 20, 24, 29, 32, 34, 35)
"""Numbers of Xen's calls: memory, version, console, grants, vCPU, scheduling, events, HVM, and one that there is not."""
_VIRTUAL = (0, 1, 2, 3, KERNEL_VA, WRITABLE, READ_ONLY, MISSING, BASE, 0x7FF0, 64, 512)


@target("door_arm", seeds=_door_seeds)
def door_arm(data: bytes) -> None:
    """Calls of an unmodified kernel: structures behind its own page tables, which it may write as it likes."""
    lab, kernel = arm_lab()
    draw, own = Draw(data), lab.memory.own[0]
    witness = bytes(lab.memory.own[2])
    for _ in range(STEPS):
        if not draw.left or lab["linux"].cell.state is not CellState.RUNNING or lab["linux"].cell.vcpu.pending:
            break
        if draw.byte() & 3:
            kernel.put(draw.blob(120))
        else:
            at, content = draw.word() % len(own), draw.blob(64)
            own[at : at + len(content)] = content[: len(own) - at]
        if draw.byte() > 250:
            kernel.ttbr0, kernel.ttbcr, kernel.dacr = draw.word(), draw.word(), draw.word()
        words = [draw.byte() % 20, *(draw.number(_VIRTUAL) for _ in range(2))]
        if draw.byte() & 1:
            words[1:] = [WRITABLE, draw.byte() % 8]
        with suppress(Refused):
            kernel.hvc(draw.one(_HVC), *words)
        lab.monitor.check_invariants()
    assert bytes(lab.memory.own[2]) == witness


assert len(POST) < DATA_LIMIT
