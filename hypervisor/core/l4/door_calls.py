"""System calls of the microkernel inside a cell: `CALLS` is the table, every one `(cell, calling thread, registers) -> r0`.

Raises, all of them: Refused; nothing has changed then, unless the call says so. None as the answer: the caller waits now.
"""

from __future__ import annotations

import struct

from hypervisor.abi.l4 import ANY, NIL, Label, Message
from hypervisor.abi.l4_door import (
    COUNT_MASK,
    ITEM,
    LABEL_SHIFT,
    MESSAGE_REGISTERS,
    ROOT,
    TYPED_SHIFT,
    Call,
    Exchange,
    Index,
    unpack_item,
)
from hypervisor.abi.memory import READ, WRITE
from hypervisor.abi.pv import CORE, MODE_MASK, USER_MODE, VMM_BASE, Trap
from hypervisor.abi.status import Status
from hypervisor.core.deprivileged import PSR, Told
from hypervisor.core.errors import Refused, require
from hypervisor.core.l4.door import CallHandler, Server
from hypervisor.core.l4.tasks import Phase, Task, Thread, Wait, World

MapItem = tuple[int, int, int]
"""Destination, source, rights."""


def _world(own: Server) -> World:
    assert own.world is not None  # who calls has started
    return own.world


def _root_only(own: Server, thread: Thread) -> World:
    require(thread.number == ROOT, Status.RIGHTS, f"thread {thread.number:#x} is not the root task's")
    return _world(own)


# ---- messages


def ipc(own: Server, thread: Thread, registers: tuple[int, ...]) -> int | None:
    """Send, then receive."""
    if thread.number == ROOT:
        return _ipc_of_server(own, registers)
    require(thread.is_signal, Status.RIGHTS, f"thread {thread.number:#x} talks to nobody")
    return _ipc_of_signal(own, thread, registers)


def _ipc_of_server(own: Server, registers: tuple[int, ...]) -> int | None:
    world, (to, source, low, high) = _world(own), registers[:4]
    if source not in (NIL, ANY):
        world.thread(source)
    if source != NIL:
        world.load_registers()  # it has some
    if to != NIL:
        _send(own, world.thread(to))
    if source == NIL:
        return Status.OK
    world.wait = Wait(source, high << 32 | low)
    world.enter_phase(world.root, Phase.RECEIVE)
    return None


def _send(own: Server, thread: Thread) -> None:
    """From the server: a reply to a main thread, anything to a signal thread."""
    if thread.phase is not Phase.RECEIVE:
        raise Refused(Status.TIMEOUT, f"thread {thread.number:#x} does not wait for this")
    world = _world(own)
    label, words, items = _message(world)
    if thread.is_signal:
        require(not items, Status.BAD_ARGUMENT, "a signal thread takes no pages")
        own.charge(ROOT, thread.number, label, len(words))
        thread.registers = (ROOT, label, *thread.registers[2:])
    else:
        _check_state(label, words)
        _map(own, thread.task, items)
        own.step("exception", thread=thread.number, why="reply")
        own.charge(ROOT, thread.number, label, len(words), len(items))
        thread.registers = words
    world.enter_phase(thread, Phase.READY)


def _check_state(label: int, words: tuple[int, ...]) -> None:
    """Whether a message says how a process goes on."""
    if label != Label.EXCEPTION or len(words) != CORE:
        raise Refused(Status.BAD_ARGUMENT, f"a reply with label {label} and {len(words)} words")
    if words[PSR] & MODE_MASK not in (0, USER_MODE):
        raise Refused(Status.RIGHTS, f"a process in mode {words[PSR] & MODE_MASK:#x}")


def _message(world: World) -> tuple[int, tuple[int, ...], list[MapItem]]:
    """Label, untyped words and map items of what lies in the server's message registers."""
    content = world.load_registers()
    tag, *registers = struct.unpack(f"<{MESSAGE_REGISTERS + 1}I", content)
    untyped, typed = tag & COUNT_MASK, tag >> TYPED_SHIFT & COUNT_MASK
    require(untyped + typed <= MESSAGE_REGISTERS and typed % 2 == 0, Status.BAD_ARGUMENT, f"{tag:#x} is no tag")
    first = 4 + 4 * untyped
    return tag >> LABEL_SHIFT, tuple(registers[:untyped]), _items(world, content[first : first + 4 * typed])


def _items(world: World, content: bytes) -> list[MapItem]:
    """Items that can be carried out, as far as that can be seen before."""
    items = []
    for pair in ITEM.iter_unpack(content):
        item = unpack_item(*pair)
        if item is None:
            raise Refused(Status.BAD_ARGUMENT, f"{pair[0]:#x}, {pair[1]:#x} is no map item")
        world.check_map(item[0], item[1])
        items.append(item)
    return items


def _ipc_of_signal(own: Server, thread: Thread, registers: tuple[int, ...]) -> int | None:
    """Of the server, and to it: a word that the main thread has been dealt with."""
    world, (to, source) = _world(own), registers[:2]
    require(to in (NIL, ROOT) and source in (NIL, ROOT), Status.RIGHTS, "a signal thread talks to the server only")
    if to == ROOT:
        waits = world.root.phase is Phase.RECEIVE and world.wait.source in (ANY, thread.number)
        require(waits, Status.TIMEOUT, "the server does not wait for this")
        own.deliver(thread.number, Message(Label.USER))
    if source == NIL:
        return Status.OK
    world.enter_phase(thread, Phase.RECEIVE)
    return None


# ---- tasks and pages


def task_new(own: Server, thread: Thread, registers: tuple[int, ...]) -> int:
    """A task for a process."""
    task = _root_only(own, thread).new_task()
    own.step("task", made=task.number)
    return task.number


def task_delete(own: Server, thread: Thread, registers: tuple[int, ...]) -> int:
    """The end of one."""
    world = _root_only(own, thread)
    task = world.task(registers[0])
    world.delete_task(task)
    own.forget(task)
    own.step("task", ended=task.number)
    return Status.OK


def map_pages(own: Server, thread: Thread, registers: tuple[int, ...]) -> int:
    """Pages of the server into a task. NO_ROOM for tables: those before are there."""
    world = _root_only(own, thread)
    task = world.task(registers[0])
    _, words, items = _message(world)
    require(not words, Status.BAD_ARGUMENT, "words beside map items")
    _map(own, task, items)
    return len(items)


def _map(own: Server, task: Task, items: list[MapItem]) -> None:
    done = 0
    try:
        for item in items:
            _world(own).map(task, *item)
            done += 1
    finally:
        if done:
            own.step("map", times=done, pages=done, task=task.number, address=items[0][0])


def unmap(own: Server, thread: Thread, registers: tuple[int, ...]) -> int:
    """Pages, or the right to write them, are taken back."""
    world, (number, address, pages, rights) = _root_only(own, thread), registers[:4]
    require(not rights & ~(READ | WRITE), Status.BAD_ARGUMENT, f"no rights {rights:#x}")
    gone = world.unmap(world.task(number), address, pages, rights)
    if gone:
        own.step("unmap", times=gone, pages=gone, task=number, address=address)
    return gone


def utcb(own: Server, thread: Thread, registers: tuple[int, ...]) -> int:
    """Where the server's message registers are."""
    _root_only(own, thread).set_utcb(registers[0])
    return Status.OK


# ---- threads


def exchange(own: Server, thread: Thread, registers: tuple[int, ...]) -> int:
    """Registers of another thread: START by the server, FORCE by a thread beside it."""
    world, (number, pc, sp, how) = _world(own), registers[:4]
    if how == Exchange.START:
        _root_only(own, thread)
        target = world.thread(number)
        require(target.is_signal, Status.BAD_ARGUMENT, "a main thread starts by a reply")
        require(pc < VMM_BASE and sp < VMM_BASE, Status.BAD_ARGUMENT, f"start at {pc:#x} with {sp:#x}")
        target.registers = (*(0,) * 13, sp, 0, pc & ~3, USER_MODE)
        world.enter_phase(target, Phase.READY)
    elif how == Exchange.FORCE:
        require(thread.is_signal, Status.RIGHTS, f"thread {thread.number:#x} may force nobody")
        target = thread.task.threads[Index.MAIN]
        require(number == target.number, Status.RIGHTS, f"thread {number:#x} is of another task")
        if target.phase is Phase.READY:
            own.step("exchange", thread=target.number)
            own.tell(target, Told(Trap.IRQ, 0, 0, 0, target.registers))
            return Status.OK
    else:
        raise Refused(Status.BAD_ARGUMENT, f"exchange {how:#x}")
    own.step("exchange", thread=target.number)
    return Status.OK


CALLS: dict[int, CallHandler] = {
    Call.IPC: ipc,
    Call.TASK_NEW: task_new,
    Call.TASK_DELETE: task_delete,
    Call.MAP: map_pages,
    Call.UNMAP: unmap,
    Call.EXCHANGE: exchange,
    Call.UTCB: utcb,
}
