"""Hostile programs under the Linux-like personality: each gets what Linux gives it, and the cell lives on."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.personalities.arm import errno as e
from cells.personalities.linux.held import BYTES
from hypervisor.abi.records import OUTPUT_LIMIT
from tests.support.linux import HZ, LinuxBench, archive, program

SEGV, KILL = 128 + 11, 128 + 9
BUFFER, PATHS = 0x1800_0000, 0x1900_0000
"""Where programs here have mapped memory to write to, and texts."""


def call(number: int, *words: int | str) -> str:
    """A system call. A word is a number, or an instruction that makes it."""
    loads = [word if isinstance(word, str) else f"ldr r{i}, ={word & 0xFFFF_FFFF}" for i, word in enumerate(words)]
    return "; ".join([*loads, f"ldr r7, ={number}", "svc #0"])


def exit_with(how: str = "rsb r0, r0, #0") -> str:
    """The end: by default with the errno of the last call."""
    return f"{how}; mov r7, #248; svc #0; .ltorg"


ROOM = call(192, BUFFER, 1 << 20, 3, 0x32, "mvn r4, #0", "mov r5, #0")
"""A mebibyte of memory at BUFFER."""


def text(words: str, at: int = BUFFER) -> str:
    """Put a text into memory."""
    data = words.encode() + b"\0"
    data += bytes(-len(data) % 4)
    stores = [f"ldr r0, ={word}; str r0, [r1], #4" for (word,) in struct.iter_unpack("<I", data)]
    return "; ".join([f"ldr r1, ={at}", *stores])


def bench(source: str, files: dict[str, bytes] | None = None, **more: object) -> LinuxBench:
    root = archive({"bin/p": program(source), **(files or {})})
    return LinuxBench(root, ["/bin/p"], **more)  # type: ignore[arg-type]


def status(source: str, files: dict[str, bytes] | None = None, **more: object) -> int | None:
    return bench(source, files, **more).run()


# ---- programs that are none


HONEST = program(exit_with("mov r0, #7"))


def altered(*fields: tuple[int, str, int]) -> bytes:
    made = bytearray(HONEST)
    for offset, layout, value in fields:
        struct.pack_into(layout, made, offset, value)
    return bytes(made)


def interpreted(path: bytes) -> bytes:
    """A program that wants an interpreter."""
    rows = HONEST[52:84] + struct.pack("<8I", 3, len(HONEST) + 64, 0, 0, len(path) + 1, 0, 4, 1)
    return altered((28, "<I", len(HONEST)), (44, "<H", 2)) + rows + path + b"\0"


BIG_ENDIAN = (
    b"\x7fELF\1\2\1"
    + bytes(9)
    + struct.pack(">2H5I6H", 2, 40, 1, 0x10054, 52, 0, 0x500_0000, 52, 32, 1, 0, 0, 0)
    + HONEST[52:]
)
AARCH64 = (
    b"\x7fELF\2\1\1"
    + bytes(9)
    + struct.pack("<2HI3QI6H", 2, 183, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    + bytes(200)
)
X86 = altered((18, "<H", 3))
X86_64 = (
    b"\x7fELF\2\1\1"
    + bytes(9)
    + struct.pack("<2HI3QI6H", 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    + bytes(200)
)
FILES: dict[str, tuple[bytes, int]] = {
    "big-endian": (BIG_ENDIAN, e.ENOEXEC),
    "64-bit": (AARCH64, e.ENOEXEC),
    "x86": (X86, e.ENOEXEC),
    "x86-64": (X86_64, e.ENOEXEC),
    "object": (altered((16, "<H", 1)), e.ENOEXEC),
    "before the EABI, with VFP": (altered((36, "<I", 0x400)), e.ENOEXEC),
    "empty": (b"", e.ENOEXEC),
    "text": (b"echo hello\n", e.ENOEXEC),
    "cut off": (HONEST[:60], e.ENOEXEC),
    "no interpreter": (interpreted(b"/lib/ld-linux.so.3"), e.ENOENT),
    "a directory as interpreter": (interpreted(b"/bin"), e.EACCES),
    "a text as interpreter": (interpreted(b"/etc/text"), e.ELIBBAD),
    "a short file as interpreter": (interpreted(b"/etc/short"), e.EIO),
    "x86 as interpreter": (interpreted(b"/etc/x86"), e.ELIBBAD),
    "script of nobody": (b"#!/bin/nobody\n", e.ENOENT),
    "script without a name": (b"#! \n", e.ENOEXEC),
    "script of itself": (b"#!/bad\n", e.ELOOP),
}
BESIDE = {"etc/text": b"x" * 100, "etc/short": b"x", "etc/x86": X86}
EXEC = ROOM + "; " + text("/bad") + "; " + call(11, BUFFER, 0, 0)


@pytest.mark.parametrize("name", FILES)
def test_exec_of_a_wrong_file_fails_and_the_caller_goes_on(name: str) -> None:
    data, code = FILES[name]
    assert status(f"{EXEC}; {exit_with()}", {"bad": data, **BESIDE}) == code


@pytest.mark.parametrize(
    "fields",
    [
        [(60, "<I", 0x10004)],
        [(60, "<I", 0xC000_0000)],
        [(72, "<I", 4)],
        [(24, "<I", 0xC000_0000)],
        [(68, "<I", 0x2000_0000)],
    ],
    ids=["off its page", "in the kernel", "smaller than its file", "entry in the kernel", "larger than its memory"],
)
def test_a_program_that_cannot_be_mapped_ends_by_sigsegv(fields: list[tuple[int, str, int]]) -> None:
    assert status(f"{EXEC}; {exit_with()}", {"bad": altered(*fields)}) == SEGV


def test_a_program_whose_file_is_cut_off_gets_sigbus_where_nothing_is() -> None:
    code = "ldr r0, =0x20000; ldr r0, [r0]"
    made = program(f"{code}; {exit_with('mov r0, #1')}")
    long = bytearray(made)
    struct.pack_into("<2I", long, 68, 0x20000, 0x20000)
    assert status(f"{EXEC}; {exit_with()}", {"bad": bytes(long)}) == 128 + 7


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(16, 83), st.integers(0, 255)), min_size=1, max_size=5))
def test_whatever_a_file_says_exec_fails_or_something_runs_and_the_parent_lives(
    changes: Sequence[tuple[int, int]],
) -> None:
    """The parent waits for a child that becomes it, and ends with 9."""
    parent = (
        f"{call(2)}; cmp r0, #0; beq child; {call(114, -1, 0, 0, 0)}; {exit_with('mov r0, #9')}; "
        f"child: {EXEC}; {exit_with()}"
    )
    bad = altered(*((at, "<B", value) for at, value in changes))
    assert status(parent, {"bad": bad}, end=HZ) in (9, None)  # None: what runs does not end


# ---- programs that break rules


def test_an_endless_recursion_ends_by_sigsegv_where_the_stack_ends() -> None:
    one = bench("again: push {r0-r7}; bl again", ram=32 << 20)
    assert one.run() == SEGV
    assert one.kernel.frames.total - one.kernel.frames.free < 200  # all is given back


def test_a_stack_pointer_into_nowhere_is_sigsegv() -> None:
    assert status("mov sp, #0; push {r0}") == SEGV


def test_a_handler_without_a_stack_is_sigsegv() -> None:
    action = f"{ROOM}; ldr r1, ={BUFFER}; ldr r0, =0x10054; str r0, [r1]"
    source = f"{action}; {call(174, 11, BUFFER, 0, 8)}; mov sp, #0; str r0, [sp]"
    assert status(source) == SEGV


@pytest.mark.parametrize("signal", [9, 6, 15, 1])
def test_who_sends_itself_a_deadly_signal_ends_by_it(signal: int) -> None:
    assert status(f"{call(20)}; mov r1, #{signal}; mov r7, #37; svc #0; {exit_with('mov r0, #0')}") == 128 + signal


FORKS = f"bomb: {call(2)}; cmp r0, #0; beq child; bgt bomb; mov r8, r0; {{then}}; child: {call(29)}"


@pytest.mark.parametrize(("ram", "code"), [(128 << 20, e.EAGAIN), (8 << 20, e.ENOMEM)], ids=["numbers", "memory"])
def test_a_fork_bomb_meets_the_cells_quota(ram: int, code: int) -> None:
    assert status(FORKS.format(then=exit_with("rsb r0, r8, #0")), ram=ram) == code


def test_after_a_fork_bomb_there_is_room_again() -> None:
    """All children are killed and fetched; then a fork works."""
    kill = f"{call(37, -1, 9)}; reap: {call(114, -1, 0, 0, 0)}; cmp r0, #0; bgt reap; {call(2)}; cmp r0, #0; beq child"
    one = bench(FORKS.format(then=f"{kill}; {exit_with('mov r0, #3')}"), ram=16 << 20)
    assert one.run() == 3


def test_a_full_tmpfs_is_enospc_and_what_is_removed_makes_room() -> None:
    make = f"{ROOM}; {text('/tmp/a')}; {call(5, BUFFER, 0o102, 0o644)}; mov r8, r0"
    fill = f"fill: mov r0, r8; {call(4, 'mov r0, r8', BUFFER, 65536)}; cmp r0, #0; bgt fill; mov r9, r0"
    again = f"{call(10, BUFFER)}; mov r0, r8; mov r7, #6; svc #0; {call(5, BUFFER, 0o102, 0o644)}; mov r8, r0"
    more = f"{call(4, 'mov r0, r8', BUFFER, 65536)}; cmp r0, #65536; movne r9, #0"
    assert status(f"{make}; {fill}; {again}; {more}; {exit_with('rsb r0, r9, #0')}", ram=4 << 20) == e.ENOSPC


def test_a_file_as_large_as_they_come_takes_one_page() -> None:
    make = (
        f"{ROOM}; {text('/tmp/a')}; {call(5, BUFFER, 0o102, 0o644)}; mov r8, r0; {call(93, 'mov r0, r8', 0x7FFF_0000)}"
    )
    seek = f"{call(19, 'mov r0, r8', 0x7FF0_0000, 0)}; {call(4, 'mov r0, r8', BUFFER, 4)}"
    assert status(f"{make}; {seek}; {exit_with('nop')}", ram=4 << 20) == 4


def test_endless_output_is_held_back_and_others_live() -> None:
    endless = f"again: {call(4, 1, BUFFER, 1 << 20)}; b again"
    sleeper = (
        f"{ROOM}; {text('     ')}; {call(2)}; cmp r0, #0; beq again; ldr r1, ={BUFFER + 64}; mov r0, #0; str r0, [r1]; "
        + ("ldr r0, =50000000; str r0, [r1, #4]; " + "; ".join(call(162, BUFFER + 64, 0) for _ in range(3)))
    )
    one = bench(f"{sleeper}; {exit_with('mov r0, #7')}; {endless}", end=10 * HZ)
    most = 0
    emit = one.kernel.port.emit

    def watched(data: bytes) -> None:
        nonlocal most
        emit(data)
        most = max(most, len(one.kernel.port._output))

    one.kernel.port.emit = watched  # type: ignore[method-assign]
    assert one.run() == 7
    assert len(one.output) > 100 * OUTPUT_LIMIT
    assert most <= OUTPUT_LIMIT + 2 * 4096


def test_huge_arguments_are_e2big() -> None:
    # one text of 64 KiB, many times in the vector
    texts = (
        "ldr r0, =0x41414141; ldr r1, =0x18010000; ldr r2, =0x18020000; l: str r0, [r1], #4; cmp r1, r2; "
        "bne l; mov r0, #0; str r0, [r1]"
    )
    words = (
        "ldr r1, =0x18001000; ldr r0, =0x18010000; mov r2, #0; v: str r0, [r1], #4; add r2, r2, #1; cmp r2, #900; bne v"
    )
    source = f"{ROOM}; {text('/bin/p')}; {texts}; {words}; {call(11, BUFFER, 0x1800_1000, 0)}; {exit_with()}"
    assert status(source) == e.E2BIG


def test_a_vector_of_arguments_without_end_is_e2big_or_efault() -> None:
    words = f"ldr r1, =0x18001000; ldr r0, ={BUFFER}; ldr r2, =0x18100000; v: str r0, [r1], #4; cmp r1, r2; bne v"
    source = f"{ROOM}; {text('/bin/p')}; {words}; {call(11, BUFFER, 0x1800_1000, 0)}; {exit_with()}"
    assert status(source) in (e.E2BIG, e.EFAULT)


# ---- names


def test_a_path_longer_than_paths_are_is_enametoolong() -> None:
    long = "ldr r0, =0x2f612f61; ldr r1, =0x18000000; ldr r2, =0x18010000; l: str r0, [r1], #4; cmp r1, r2; bne l"
    assert status(f"{ROOM}; {long}; {call(5, BUFFER, 0, 0)}; {exit_with()}") == e.ENAMETOOLONG


def test_a_name_longer_than_names_are_is_enametoolong() -> None:
    assert status(f"{ROOM}; {text('/tmp/' + 'n' * 256)}; {call(39, BUFFER, 0o755)}; {exit_with()}") == e.ENAMETOOLONG


def test_links_that_lead_to_each_other_are_eloop() -> None:
    links = (
        f"{text('/tmp/a')}; {text('/tmp/b', BUFFER + 64)}; {call(83, BUFFER, BUFFER + 64)}; "
        f"{call(83, BUFFER + 64, BUFFER)}"
    )
    assert status(f"{ROOM}; {links}; {call(5, BUFFER, 0, 0)}; {exit_with()}") == e.ELOOP


def test_directories_as_deep_as_names_go_end_with_enospc_and_can_be_left() -> None:
    """mkdir d, chdir d, until the tree has too many names; then getcwd is too long, and the root is still there."""
    down = (
        f"{ROOM}; {text('d')}; {text('/', BUFFER + 64)}; l: {call(39, BUFFER, 0o755)}; cmp r0, #0; bne o; "
        f"{call(12, BUFFER)}; b l; o: mov r8, r0"
    )
    cwd = (
        f"{call(183, BUFFER + 4096, 65536)}; mov r9, r0; {call(12, BUFFER + 64)}; cmp r0, #0; movne r8, #0; "
        f"cmn r9, #{e.ENAMETOOLONG}; movne r8, #0"
    )
    assert status(f"{down}; {cwd}; {exit_with('rsb r0, r8, #0')}", ram=8 << 20, end=100 * HZ) == e.ENOSPC


def test_links_cannot_fill_the_hosts_memory_with_their_targets() -> None:
    """Links to paths of 4000 bytes, each with a name of its own, until there are too many."""
    target = (
        "ldr r0, =0x61616161; ldr r1, =0x18000000; ldr r2, =0x18000fa0; l: str r0, [r1], #4; cmp r1, r2; "
        "bne l; mov r0, #0; str r0, [r1]"
    )
    name = f"{text('/tmp/aaaa', BUFFER + 8192)}; ldr r8, ={BUFFER + 8192 + 5}; mov r9, #0"
    count = (
        "m: add r9, r9, #1; and r0, r9, #31; add r0, r0, #64; strb r0, [r8]; lsr r0, r9, #5; "
        "and r0, r0, #31; add r0, r0, #64; strb r0, [r8, #1]"
    )
    more = "; lsr r0, r9, #10; and r0, r0, #31; add r0, r0, #64; strb r0, [r8, #2]"
    source = (
        f"{ROOM}; {target}; {name}; {count}{more}; {call(83, BUFFER, BUFFER + 8192)}; cmp r0, #0; beq m; {exit_with()}"
    )
    one = bench(source, end=100 * HZ)
    assert one.run() == e.ENOSPC
    assert one.kernel.vfs.held.now <= BYTES


# ---- what is on its way


def test_full_pipes_of_one_process_stop_before_the_hosts_memory_does() -> None:
    """Each pipe is made a megabyte large and filled, without waiting, until the kernel has no more."""
    make = f"again: {call(359, BUFFER, 0o4000)}; cmp r0, #0; bne out; ldr r1, ={BUFFER}; ldr r8, [r1, #4]"
    large = call(55, "mov r0, r8", 1031, 1 << 20)
    fill = f"fill: {call(4, 'mov r0, r8', BUFFER, 65536)}; cmp r0, #0; bgt fill; cmn r0, #{e.EAGAIN}; beq again"
    one = bench(f"{ROOM}; {make}; {large}; {fill}; out: {exit_with()}", end=100 * HZ)
    before = one.kernel.vfs.held.now
    assert one.run() == e.ENOMEM
    assert one.kernel.vfs.held.now == before  # all went with the process


def test_full_sockets_of_one_process_stop_before_the_hosts_memory_does() -> None:
    make = f"again: {call(288, 1, 1 | 0o4000, 0, BUFFER)}; cmp r0, #0; bne out; ldr r1, ={BUFFER}; ldr r8, [r1, #4]"
    fill = f"fill: {call(4, 'mov r0, r8', BUFFER, 65536)}; cmp r0, #0; bgt fill; cmn r0, #{e.EAGAIN}; beq again"
    one = bench(f"{ROOM}; {make}; {fill}; out: {exit_with()}", end=100 * HZ)
    before = one.kernel.vfs.held.now
    assert one.run() == e.ENOBUFS
    assert one.kernel.vfs.held.now == before


def test_descriptors_in_flight_are_limited() -> None:
    """A message with 200 descriptors, again and again to a socket that nobody reads."""
    header = (
        f"ldr r1, ={BUFFER + 4096}; mov r0, #0; str r0, [r1]; str r0, [r1, #4]; ldr r0, ={BUFFER + 4196}; "
        "str r0, [r1, #8]; mov r0, #1; str r0, [r1, #12]"
    )
    control = (
        f"ldr r0, ={BUFFER + 8192}; str r0, [r1, #16]; ldr r0, =812; str r0, [r1, #20]; "
        f"ldr r2, ={BUFFER + 4196}; ldr r0, ={BUFFER}; str r0, [r2]; mov r0, #1; str r0, [r2, #4]"
    )
    rights = f"ldr r1, ={BUFFER + 8192}; ldr r0, =812; str r0, [r1]; mov r0, #1; str r0, [r1, #4]; str r0, [r1, #8]"
    send = f"again: {call(296, 'mov r0, r8', BUFFER + 4096, 0x40)}; cmp r0, #0; bgt again"
    source = (
        f"{ROOM}; {call(288, 1, 2, 0, BUFFER)}; ldr r1, ={BUFFER}; ldr r8, [r1, #4]; {header}; {control}; "
        f"{rights}; {send}; {exit_with()}"
    )
    one = bench(source)
    before = one.kernel.vfs.held.now
    assert one.run() == e.ETOOMANYREFS
    assert (one.kernel.vfs.travelling.now, one.kernel.vfs.open_files.now, one.kernel.vfs.held.now) == (0, 0, before)


def test_too_many_open_files_of_many_processes_are_enfile() -> None:
    """A process opens as many as it may, then its child closes and opens them anew, and so on."""
    opens = f"o: {call(5, BUFFER, 0, 0)}; cmp r0, #0; bgt o; cmn r0, #{e.ENFILE}; beq out"
    anew = (
        f"{call(2)}; cmp r0, #0; bgt wait; {call(436, 3, 2000, 0)}; b o; "
        f"wait: {call(114, -1, BUFFER + 64, 0, 0)}; ldr r1, ={BUFFER + 64}; ldrb r0, [r1, #1]; "
        "rsb r0, r0, #0; out:"
    )
    assert status(f"{ROOM}; {text('/dev/null')}; {opens}; {anew} {exit_with()}", end=100 * HZ) == e.ENFILE


def test_epolls_that_watch_each_other_are_limited_in_depth() -> None:
    """A row of epolls, each watching the one made before it, and the one made after it (the other end of the row)."""
    first = f"{ROOM}; {call(357, 0)}; mov r8, r0"
    grow = (
        f"again: {call(357, 0)}; mov r9, r0; {call(251, 'mov r0, {a}', 1, 'mov r2, {b}', BUFFER)}; "
        f"cmp r0, #0; bne out; mov r8, r9; b again; out: {exit_with()}"
    )
    assert status(f"{first}; {grow.format(a='r9', b='r8')}") == e.ELOOP
    assert status(f"{first}; {grow.format(a='r8', b='r9')}") == e.ELOOP


def test_signals_that_wait_are_limited() -> None:
    """Real-time signals that are blocked, with values, until no more can wait."""
    block = f"{ROOM}; ldr r1, ={BUFFER}; mvn r0, #0; str r0, [r1]; str r0, [r1, #4]; {call(175, 0, BUFFER, 0, 8)}"
    info = f"{call(20)}; mov r8, r0; ldr r1, ={BUFFER + 128}; mvn r0, #0; str r0, [r1, #8]; mov r9, #34"
    send = (
        "again: add r9, r9, #1; cmp r9, #64; moveq r9, #35; "
        f"{call(178, 'mov r0, r8', 'mov r1, r9', BUFFER + 128)}; cmp r0, #0; beq again"
    )
    one = bench(f"{block}; {info}; {send}; {exit_with()}")
    assert one.run() == e.EAGAIN


def test_regions_of_one_space_are_limited_whoever_makes_them() -> None:
    """Every second page of a large mapping gets other rights."""
    many = f"{call(192, 0x2000_0000, 64 << 20, 1, 0x32, 'mvn r4, #0', 'mov r5, #0')}; ldr r8, =0x20000000"
    cut = f"again: add r8, r8, #8192; {call(125, 'mov r0, r8', 4096, 3)}; cmp r0, #0; beq again"
    assert status(f"{many}; {cut}; {exit_with()}", end=100 * HZ) == e.ENOMEM


def test_who_maps_all_and_touches_all_is_ended_and_the_others_live() -> None:
    """The child touches more memory than there is; the parent says how it ended."""
    child = (
        f"child: {call(192, 0x2000_0000, 64 << 20, 3, 0x32, 'mvn r4, #0', 'mov r5, #0')}; l: str r0, [r0]; "
        "add r0, r0, #4096; b l"
    )
    wait = f"{call(114, -1, BUFFER, 0, 0)}; ldr r1, ={BUFFER}; ldr r0, [r1]"
    assert status(f"{ROOM}; {call(2)}; cmp r0, #0; beq child; {wait}; {exit_with('nop')}; {child}", ram=8 << 20) == 9
