"""What ARM code can ask of the kernel: `python -m cells.personalities.rtos.call_table` prints this table."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """One call. `level`: "full", or what is not there."""

    name: str
    arguments: str
    what: str
    level: str = "full"


TABLE: dict[int, Row] = {
    1: Row("task_create", "struct rtos_task *", "a task of the same image, ready at once: its handle"),
    2: Row("task_end", "task or 0", "end it, or oneself", "tasks of the same image"),
    3: Row("task_priority", "task or 0, priority", "another priority of its own", "tasks of the same image"),
    4: Row("task_self", "", "the caller's handle"),
    5: Row("yield", "", "others of the same priority first"),
    6: Row("sleep", "us", "wait"),
    7: Row("next_period", "", "the job is over; wait for the release of the next: how many have passed already"),
    8: Row("time", "", "microseconds since the start", "the low 32 bits"),
    10: Row("semaphore_create", "name, count, most", "a counting semaphore: its handle"),
    11: Row("semaphore_take", "semaphore, us", "one less; waits"),
    12: Row("semaphore_give", "semaphore", "one more"),
    15: Row("queue_create", "name, depth", "a queue of items of at most 1024 bytes: its handle"),
    16: Row("queue_send", "queue, address, length, us", "an item, copied; waits for room"),
    17: Row("queue_receive", "queue, address, room, us", "the oldest item: its length; waits for one"),
    20: Row("flags_create", "name", "32 flags: their handle"),
    21: Row("flags_wait", "flags, mask, options, us", "wait for one of them (1: all; 2: clear them): what was set"),
    22: Row("flags_set", "flags, bits", "set"),
    23: Row("flags_clear", "flags, bits", "clear: what was set"),
    25: Row("mutex_create", "name", "a mutex with priority inheritance: its handle"),
    26: Row("mutex_lock", "mutex, us", "get it; waits"),
    27: Row("mutex_unlock", "mutex", "give it back"),
    30: Row("timer_create", "flags, bits", "a timer that sets flags: its handle", "sets flags, calls no function"),
    31: Row("timer_start", "timer, us, period in us", "run out then, and each period"),
    32: Row("timer_stop", "timer", "stop it: microseconds that were left"),
    35: Row("delete", "object", "who waits for it gets DELETED", "objects of the same image"),
    36: Row("find", "name", "the handle of an object, whoever made it"),
    40: Row("print", "address, length", "to the console", "256 bytes at once"),
    41: Row("report", "name, value", "a figure for the account of the run"),
    42: Row("heartbeat", "", "the cell is alive: due in each `heartbeat` of the topology"),
    45: Row("irq_attach", "line, flags, bits", "a line that the cell owns sets flags, and is masked until irq_done"),
    46: Row("irq_done", "line", "the line may interrupt again"),
    47: Row(
        "device_load", "address", "a register of a device that the cell owns", "words; the top bit reads as a refusal"
    ),
    48: Row("device_store", "address, value", "write one", "words"),
    50: Row("channel_send", "peer's name, address, length", "a message; never waits: FULL if there is no room"),
}
"""Number -> call. `rtos.h` has the same numbers; a test compares. Messages come in by the queue "from PEER" (`find`)."""


def page() -> str:
    """The table as documentation."""
    rows: list[tuple[Any, ...]] = [("number", *Row._fields), ("---",) * 5, *((n, *row) for n, row in TABLE.items())]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


if __name__ == "__main__":
    print(page())
