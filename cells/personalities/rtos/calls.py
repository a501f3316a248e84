"""What ARM code asks of the kernel (call_table.py), carried out.

Theory: a call has a number and up to six words. Every word is an allegation: handles are looked up, and only what the
image made itself can be ended or deleted by it; addresses are read as the task itself could; sizes and times are bounded.
Times are microseconds, `FOREVER` for a wait without end. An answer below zero is a `Status`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cells.personalities.arm.errno import Errno
from cells.personalities.rtos.call_table import TABLE
from cells.personalities.rtos.mutex import Mutex
from cells.personalities.rtos.objects import Flags, Object, Queue, Semaphore, Timer
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Request, State, Task
from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.rtos.arm_tasks import ArmBody, Program

FOREVER = 0xFFFF_FFFF
ITEM_LIMIT, NAME_LIMIT, PRINT_LIMIT = 1024, 32, 256
"""Bytes of a queue's item, of a name, of what one call prints."""
PARAMETERS = 7
"""Words of `struct rtos_task`: entry, argument, priority, stack, period, deadline, name."""
EVERY, CLEAR = 1, 2
"""Options of `flags_wait`."""
MICRO = 1_000_000

Kind = TypeVar("Kind", bound=Object)


class Calls:
    """The calls of one image."""

    def __init__(self, program: Program) -> None:
        self._program, self._kernel, self._space = program, program.kernel, program.space
        self._by_number: dict[int, Callable[..., object]] = {
            number: getattr(self, f"_{row.name}") for number, row in TABLE.items()
        }

    def serve(self, task: Task, body: ArmBody, number: int, words: list[int]) -> object:
        """Carry out a call: its answer, or `WAITS`.

        Raises:
            Refused: see `Status`.
        """
        function = self._by_number.get(number)
        if function is None:
            raise Refused(Status.NO_CALL, str(number))
        try:
            found = function(task, body, *words[: function.__code__.co_argcount - 3])
        except Errno:
            raise Refused(Status.BAD_ADDRESS) from None
        except RefusedError:  # the monitor's
            raise Refused(Status.BAD_ARGUMENT) from None
        return found.function(task, *found.arguments) if isinstance(found, Request) else found

    # ---- what words mean

    def _get(self, handle: int, kind: type[Kind]) -> Kind:
        found = self._kernel.objects.get(handle)
        if not isinstance(found, kind):
            raise Refused(Status.NO_OBJECT, str(handle))
        return found

    def _mine(self, handle: int, task: Task) -> Task:
        found = task if handle == 0 else self._program.tasks.get(handle)
        if found is None or found.state is State.ENDED:
            raise Refused(Status.NO_OBJECT, str(handle))
        return found

    def _until(self, micros: int) -> int:
        return NEVER if micros == FOREVER else self._kernel.now() + self._cycles(micros)

    def _cycles(self, micros: int) -> int:
        return micros * self._kernel.hz // MICRO

    def _name(self, address: int) -> str:
        return self._space.cstring(address, NAME_LIMIT + 1).decode("ascii", "replace")

    def _keep(self, thing: Object) -> int:
        self._program.objects[thing.handle] = thing
        return thing.handle

    def _item(self, address: int, length: int, most: int = ITEM_LIMIT) -> bytes:
        if length > most:
            raise Refused(Status.BAD_ARGUMENT, f"{length} bytes")
        return self._space.read(address, length) if length else b""

    # ---- tasks

    def _task_create(self, _task: Task, _body: ArmBody, address: int) -> int:
        raw = self._space.read(address, 4 * PARAMETERS)
        words = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4)]
        entry, argument, priority, stack, period, deadline, name = words
        program = self._program
        title = f"{program.name}.{self._name(name)}"
        body = program.body(entry, argument, stack)
        try:
            times = {"period": self._cycles(period), "deadline": self._cycles(deadline)}
            return program.adopt(self._kernel.task(title, body, priority=priority, **times)).handle
        except Refused:
            program.free(body.stack)
            raise

    def _task_end(self, task: Task, _body: ArmBody, handle: int) -> Request:
        return self._kernel.end(self._mine(handle, task))

    def _task_priority(self, task: Task, _body: ArmBody, handle: int, priority: int) -> Request:
        return self._kernel.set_priority(self._mine(handle, task), priority)

    def _task_self(self, task: Task, _body: ArmBody) -> int:
        return task.handle

    def _yield(self, _task: Task, _body: ArmBody) -> Request:
        return self._kernel.yield_()

    def _sleep(self, _task: Task, _body: ArmBody, micros: int) -> Request:
        return self._kernel.sleep(self._cycles(micros))

    def _next_period(self, _task: Task, _body: ArmBody) -> Request:
        return self._kernel.next_period()

    def _time(self, _task: Task, _body: ArmBody) -> int:
        return self._kernel.micros(self._kernel.now())

    # ---- objects

    def _semaphore_create(self, _task: Task, _body: ArmBody, name: int, count: int, most: int) -> int:
        return self._keep(self._kernel.semaphore(self._name(name), count, most))

    def _semaphore_take(self, _task: Task, _body: ArmBody, handle: int, micros: int) -> Request:
        return self._get(handle, Semaphore).take(self._until(micros))

    def _semaphore_give(self, _task: Task, _body: ArmBody, handle: int) -> Request:
        return self._get(handle, Semaphore).give()

    def _queue_create(self, _task: Task, _body: ArmBody, name: int, depth: int) -> int:
        return self._keep(self._kernel.queue(self._name(name), depth))

    def _queue_send(self, _task: Task, _body: ArmBody, handle: int, address: int, length: int, micros: int) -> Request:
        return self._get(handle, Queue).send(self._item(address, length), self._until(micros))

    def _queue_receive(self, _task: Task, body: ArmBody, handle: int, address: int, room: int, micros: int) -> Request:
        queue = self._get(handle, Queue)
        self._item(address, min(room, ITEM_LIMIT))  # the address is good
        body.buffer = address, room
        return queue.receive(self._until(micros))

    def _flags_create(self, _task: Task, _body: ArmBody, name: int) -> int:
        return self._keep(self._kernel.flags(self._name(name)))

    def _flags_wait(self, _task: Task, _body: ArmBody, handle: int, mask: int, options: int, micros: int) -> Request:
        every, clear = bool(options & EVERY), bool(options & CLEAR)
        return self._get(handle, Flags).wait(mask, every=every, clear=clear, until=self._until(micros))

    def _flags_set(self, _task: Task, _body: ArmBody, handle: int, bits: int) -> int:
        self._get(handle, Flags).post(bits)
        return 0

    def _flags_clear(self, _task: Task, _body: ArmBody, handle: int, bits: int) -> int:
        return self._get(handle, Flags).reset(bits)

    def _mutex_create(self, _task: Task, _body: ArmBody, name: int) -> int:
        return self._keep(self._kernel.mutex(self._name(name)))

    def _mutex_lock(self, _task: Task, _body: ArmBody, handle: int, micros: int) -> Request:
        return self._get(handle, Mutex).lock(self._until(micros))

    def _mutex_unlock(self, _task: Task, _body: ArmBody, handle: int) -> Request:
        return self._get(handle, Mutex).unlock()

    def _timer_create(self, _task: Task, _body: ArmBody, handle: int, bits: int) -> int:
        flags = self._get(handle, Flags)
        return self._keep(self._kernel.timer(f"sets {flags.name}", lambda: _set(flags, bits)))

    def _timer_start(self, _task: Task, _body: ArmBody, handle: int, micros: int, period: int) -> int:
        self._get(handle, Timer).start(self._cycles(micros), self._cycles(period))
        return 0

    def _timer_stop(self, _task: Task, _body: ArmBody, handle: int) -> int:
        return self._kernel.micros(self._get(handle, Timer).stop())

    def _delete(self, _task: Task, _body: ArmBody, handle: int) -> int:
        thing = self._program.objects.pop(handle, None)
        if thing is None:
            raise Refused(Status.NO_OBJECT, str(handle))
        self._kernel.delete(thing)
        return 0

    def _find(self, _task: Task, _body: ArmBody, name: int) -> int:
        handle: int = self._kernel.find(self._name(name)).handle
        return handle

    # ---- the world

    def _print(self, _task: Task, _body: ArmBody, address: int, length: int) -> int:
        data = self._item(address, length, PRINT_LIMIT)
        self._kernel.port.write(data)
        return length

    def _report(self, _task: Task, _body: ArmBody, name: int, value: int) -> int:
        if not self._kernel.report(self._name(name), value):
            raise Refused(Status.NO_ROOM)
        return 0

    def _heartbeat(self, _task: Task, _body: ArmBody) -> int:
        self._kernel.port.heartbeat()
        return 0

    def _irq_attach(self, _task: Task, _body: ArmBody, line: int, handle: int, bits: int) -> int:
        flags, port = self._get(handle, Flags), self._kernel.port
        if line not in [device["line"] for device in port.boot.get("devices", {}).values()]:
            raise Refused(Status.BAD_ARGUMENT, f"line {line}")

        def handler(line: int) -> None:
            port.hypercall(Hypercall.IRQ_MASK, line)
            _set(flags, bits)

        self._kernel.on_line(line, handler)
        return 0

    def _irq_done(self, _task: Task, _body: ArmBody, line: int) -> int:
        if line not in self._kernel.handlers:
            raise Refused(Status.NO_OBJECT, f"line {line}")
        self._kernel.port.hypercall(Hypercall.IRQ_UNMASK, line)
        return 0

    def _device_load(self, _task: Task, _body: ArmBody, address: int) -> int:
        self._check_register(address)
        return self._kernel.port.load(address)

    def _device_store(self, _task: Task, _body: ArmBody, address: int, value: int) -> int:
        self._check_register(address)
        self._kernel.port.store(address, value)
        return 0

    def _check_register(self, address: int) -> None:
        devices = self._kernel.port.boot.get("devices", {}).values()
        if address % 4 or not any(one["base"] <= address < one["base"] + one["size"] for one in devices):
            raise Refused(Status.BAD_ADDRESS, f"{address:#x}")

    def _channel_send(self, _task: Task, _body: ArmBody, peer: int, address: int, length: int) -> int:
        line = self._kernel.lines.get(self._name(peer))
        if line is None:
            raise Refused(Status.NO_OBJECT)
        if not line.post(self._item(address, length)):
            raise Refused(Status.FULL)
        return 0


def _set(flags: Flags, bits: int) -> None:
    """Set flags from a handler; nothing if they are no more."""
    if flags.kernel.objects.get(flags.handle) is flags:
        flags.post(bits)
