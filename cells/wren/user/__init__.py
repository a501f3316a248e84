"""User land of wren: a small C library and programs as static ARM EABI ELF files. What is linked from what; see README.md."""

from __future__ import annotations

LIBRARY = ("start.S", "text.c", "print.c", "names.c", "heap.c", "folder.c", "tasks.c", "multicall.c")
"""Linked into every ELF."""
KITS: dict[str, tuple[str, ...]] = {
    "box": ("box.c", "init.c", "sh.c", "sh_words.c"),
    "check": (
        *("check.c", "check_files.c", "check_folders.c", "check_pipes.c", "check_processes.c", "check_memory.c"),
        *("check_signals.c", "check_restart.c", "check_waiting.c", "check_sockets.c", "check_thumb.c", "thumb.S"),
    ),
    "crash": ("crash.c", "crash_calls.c"),
    "bench": ("bench.c",),
    "disk": ("disk.c",),
}
"""ELF -> its own sources."""
NAMES: dict[str, tuple[str, ...]] = {
    "box": ("init", "sh", "ls", "cat", "echo", "wc", "rm", "true", "false", "uname", "sleep"),
    "check": (
        *("files", "folders", "pipes", "processes", "memory", "signals", "restart", "waiting", "sockets", "thumb"),
    ),
    "crash": (),
    "bench": (),
    "disk": (),
}
"""ELF -> the programs in it: links in /bin have their names. A test compares with the tables of `multicall.c`."""
CRIMES: tuple[str, ...] = (
    *("null", "read_kernel", "write_kernel", "jump_kernel", "jump_nowhere", "jump_data", "write_code", "stack"),
    *("undefined", "privileged", "coprocessor", "unaligned", "bad_call", "bad_pointers", "bad_stack"),
    *("bad_return", "dead_pipe", "fork_bomb", "descriptors"),
)
"""Arguments of `crash`."""
