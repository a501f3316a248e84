"""System calls on files and names, made by a process that has nothing but memory."""

from __future__ import annotations

import random
import struct

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.arm.wait import Interrupted
from tests.support.linux_process import PAGE, begin, fake_kernel, fake_process, go_on, invoke, path

READ_WRITE, CREATE, APPEND, NONBLOCK, CLOEXEC, HERE = 2, 0o100, 0o2000, 0o4000, 0o2000000, -100
DATA, OUT = 0x1000, 0x2000


@pytest.fixture
def process():  # type: ignore[no-untyped-def]
    return fake_process()


def opened(process, name: bytes = b"/f", flags: int = READ_WRITE | CREATE) -> int:  # type: ignore[no-untyped-def]
    return invoke(process, "open", path(process, name), flags, 0o666)


def put(process, descriptor: int, data: bytes) -> int:  # type: ignore[no-untyped-def]
    process.space.put(DATA, data)
    return invoke(process, "write", descriptor, DATA, len(data))


def get(process, descriptor: int, size: int = 100) -> bytes:  # type: ignore[no-untyped-def]
    return process.space.read(OUT, invoke(process, "read", descriptor, OUT, size))


def pipe(process, flags: int = 0) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    assert invoke(process, "pipe2", OUT, flags) == 0
    return struct.unpack("<ii", process.space.read(OUT, 8))  # type: ignore[return-value]


def test_descriptors_are_the_lowest_free_ones_and_share_an_offset(process) -> None:  # type: ignore[no-untyped-def]
    assert [opened(process), invoke(process, "dup", 0), invoke(process, "fcntl64", 0, 0, 10)] == [0, 1, 10]
    put(process, 0, b"abcdef")
    assert invoke(process, "lseek", 10, -2, 1) == 4
    assert get(process, 1) == b"ef"
    assert opened(process) == 2
    assert invoke(process, "close", 1) == 0
    assert invoke(process, "close", 1) == -e.EBADF


def test_a_files_mode_obeys_the_umask_and_stat_has_linuxs_layout(process) -> None:  # type: ignore[no-untyped-def]
    put(process, opened(process), b"x" * 5000)
    assert invoke(process, "stat64", path(process, b"/f"), OUT) == 0
    status = process.space.read(OUT, 104)
    assert struct.unpack_from("<I", status, 16)[0] == 0o100644
    assert struct.unpack_from("<qI", status, 48) == (5000, 4096)
    assert struct.unpack_from("<Q", status, 64)[0] == 16
    assert struct.unpack_from("<I", status, 12)[0] == struct.unpack_from("<Q", status, 96)[0]


def test_appending_goes_to_the_end_whoever_wrote(process) -> None:  # type: ignore[no-untyped-def]
    one, other = opened(process, flags=READ_WRITE | CREATE | APPEND), opened(process, flags=READ_WRITE | APPEND)
    put(process, one, b"1")
    put(process, other, b"2")
    put(process, one, b"3")
    assert invoke(process, "pread64", one, OUT, 9, 0, 0, 0) == 3
    assert process.space.read(OUT, 3) == b"123"


def test_offsets_of_64_bits_stand_in_register_pairs(process) -> None:  # type: ignore[no-untyped-def]
    file = opened(process)
    process.space.put(DATA, b"end")
    assert invoke(process, "pwrite64", file, DATA, 3, 0, 0x10000, 0) == 3
    assert invoke(process, "_llseek", file, 0, 0, OUT, 2) == 0
    assert process.space.read(OUT, 8) == struct.pack("<q", 0x10003)
    assert invoke(process, "_llseek", file, 1, 0, OUT, 0) == 0
    assert invoke(process, "lseek", file, 0, 1) == -e.EOVERFLOW
    assert invoke(process, "ftruncate64", file, 0, 7, 0) == 0
    assert invoke(process, "ftruncate64", file, 0, 0, 0x80000000) == -e.EINVAL


def test_what_exec_closes_is_closed_and_a_fork_shares_the_rest(process) -> None:  # type: ignore[no-untyped-def]
    kept, closing = pipe(process)
    invoke(process, "fcntl64", closing, 2, 1)
    child = process.files.fork()
    child.exec()
    assert sorted(child.files) == [kept]
    assert sorted(process.files.files) == [kept, closing]
    child.close_all()
    assert process.files.file(kept).users == 1


def test_vectors_are_filled_one_after_the_other(process) -> None:  # type: ignore[no-untyped-def]
    file = opened(process)
    put(process, file, b"hello, world")
    invoke(process, "lseek", file, 0, 0)
    process.space.put(DATA, struct.pack("<6I", OUT, 5, OUT + 64, 0, OUT + 128, 99))
    assert invoke(process, "readv", file, DATA, 3) == 12
    assert process.space.read(OUT, 6) == b"hello\0"
    assert process.space.read(OUT + 128, 7) == b", world"
    assert invoke(process, "readv", file, DATA, 1025) == -e.EINVAL


def test_names_of_a_directory_come_in_pieces_that_fit(process) -> None:  # type: ignore[no-untyped-def]
    invoke(process, "mkdir", path(process, b"/d"), 0o777)
    for i in range(20):
        invoke(process, "mkdirat", HERE, path(process, b"/d/name-%02d" % i), 0o777)
    folder, found = opened(process, b"/d", 0), []
    while size := invoke(process, "getdents64", folder, OUT, 100):
        at = OUT
        while at < OUT + size:
            length = struct.unpack_from("<H", process.space.memory, at + 16)[0]
            found.append(process.space.cstring(at + 19))
            at += length
    assert found == [b".", b"..", *(b"name-%02d" % i for i in range(20))]
    assert invoke(process, "getdents64", folder, OUT, 0) == 0
    invoke(process, "lseek", folder, 0, 0)
    assert invoke(process, "getdents64", folder, OUT, 20) == -e.EINVAL


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("open", (0x100, 0), e.ENOENT),
        ("read", (77, OUT, 1), e.EBADF),
        ("read", (-1, OUT, 1), e.EBADF),
        ("write", (0, 0xFFFFFFF0, 8), e.EFAULT),
        ("ioctl", (0, 0x5401, OUT), e.ENOTTY),
        ("dup2", (0, 5000), e.EBADF),
        ("fcntl64", (0, 0, 5000), e.EINVAL),
        ("fcntl64", (0, 4242), e.EINVAL),
        ("pipe2", (OUT, 1), e.EINVAL),
        ("chdir", (0xFFFFFFF0,), e.EFAULT),
        ("getcwd", (OUT, 1), e.ERANGE),
        ("readlink", (0x100, OUT, 0), e.EINVAL),
        ("unlinkat", (HERE, 0x100, 7), e.EINVAL),
        ("lseek", (0, 0, 9), e.EINVAL),
        ("utimensat_time64", (HERE, 0x140, DATA, 0), 0),
        ("mknodat", (HERE, 0x100, 0o040000), e.EPERM),
        ("renameat2", (HERE, 0x100, HERE, 0x100, 2), e.EINVAL),
        ("sendfile", (0, 0, 0xFFFFFFF0, 1), e.EFAULT),
    ],
)
def test_a_wrong_argument_gives_linuxs_error(process, call: str, arguments: tuple[int, ...], code: int) -> None:  # type: ignore[no-untyped-def]
    opened(process)
    path(process, b"/none")
    path(process, b"/f", 0x140)
    process.space.put(DATA, struct.pack("<4q", 1 << 50, 1, 1 << 50, 1))
    assert invoke(process, call, *arguments) == -code
    assert invoke(process, "fstat64", 0, OUT) == 0  # whatever was set can be told


def test_every_call_takes_any_words_without_harm(process) -> None:  # type: ignore[no-untyped-def]
    """A hostile program: what comes back is a result or an errno, and the kernel's own errors never show."""
    from cells.personalities.linux import table

    words = (0, 1, 2, 3, 4, 8, 100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, HERE, DATA, DATA, DATA + 0x100, 0xFFFFF000)
    path(process, b"/f", DATA)
    path(process, b"/proc/self/fd/1", DATA + 0x100)
    others = [
        f"sys_{family}" for family in ("process", "identity", "system", "memory", "time", "signal", "kill", "thread")
    ]
    functions = [row for row in table.CALLS.values() if row.function]
    rows = [row for row in functions if row.function.__module__.rsplit(".", 1)[1] not in others]
    assert len(rows) > 100
    for row in rows:
        chance = random.Random(row.number)
        for _ in range(200):
            while len(process.files.files) < 4:
                opened(process)
                pipe(process)
                invoke(process, "socketpair", 1, chance.choice((1, 2, 5)), 0, OUT)
                invoke(process, "epoll_create1", 0)
            arguments = [chance.choice(words) for _ in range(6)]
            outcome = invoke(process, row.name, *arguments)
            if not isinstance(outcome, int):
                go_on(outcome)
                outcome.close()


# ---- pipes


def test_a_pipe_gives_its_end_when_nobody_can_write_any_more(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    put(process, writer, b"last")
    invoke(process, "close", writer)
    assert get(process, reader) == b"last"
    assert get(process, reader) == b""


def test_a_reader_sleeps_until_something_comes(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    sleeping, wait = begin(process, "read", reader, OUT, 10)
    assert go_on(sleeping) is None
    put(process, writer, b"now")
    assert wait.queues == (process.files.file(reader).ring.queue,)
    assert go_on(sleeping) == 3
    assert process.space.read(OUT, 3) == b"now"


def test_a_long_write_waits_for_room_and_an_interrupted_one_tells_its_part(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    sleeping, _ = begin(process, "write", writer, 0, 100_000)
    assert invoke(process, "read", reader, OUT, 50_000) == 50_000
    assert go_on(sleeping) == 100_000
    sleeping, _ = begin(process, "write", writer, 0, 100_000)
    with pytest.raises(StopIteration) as done:
        sleeping.throw(Interrupted())
    assert 0 < done.value.value < 100_000


def test_up_to_a_page_goes_whole_or_not_at_all(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process, NONBLOCK)
    assert invoke(process, "write", writer, 0, 65536 - 10) == 65536 - 10
    assert invoke(process, "write", writer, 0, PAGE) == -e.EAGAIN
    assert invoke(process, "write", writer, 0, PAGE + 1) == 10
    assert invoke(process, "read", reader, OUT, 1 << 17) == 65536


def test_writing_to_nobody_is_a_signal_and_epipe(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    invoke(process, "close", reader)
    assert put(process, writer, b"x") == -e.EPIPE
    assert process.signals.sent == [13]


def test_a_fifo_is_open_when_both_ends_are(process) -> None:  # type: ignore[no-untyped-def]
    other = fake_process(process.kernel, 2)
    invoke(process, "mknod", path(process, b"/p"), 0o010666, 0)
    sleeping, _ = begin(process, "open", path(process, b"/p"), 0)
    assert opened(other, b"/p", 1) == 0
    assert go_on(sleeping) == 0
    put(other, 0, b"through")
    assert get(process, 0) == b"through"
    assert opened(process, b"/p", 1 | NONBLOCK) == 1


def test_who_gives_up_opening_a_fifo_leaves_no_end_behind(process) -> None:  # type: ignore[no-untyped-def]
    invoke(process, "mknod", path(process, b"/p"), 0o010666, 0)
    sleeping, _ = begin(process, "open", path(process, b"/p"), 0)
    with pytest.raises(Interrupted):
        sleeping.throw(Interrupted())
    assert opened(process, b"/p", 1 | NONBLOCK) == -e.ENXIO


def test_a_pipe_can_be_opened_again_by_its_descriptor(process) -> None:  # type: ignore[no-untyped-def]
    """What shells do for <(command)."""
    reader, writer = pipe(process)
    put(process, writer, b"once")
    again = opened(process, b"/dev/fd/%d" % reader, 0)
    invoke(process, "close", reader)
    invoke(process, "close", writer)
    assert [get(process, again), get(process, again)] == [b"once", b""]


# ---- /dev and /proc


def test_devices_give_what_they_promise(process) -> None:  # type: ignore[no-untyped-def]
    null, zero, full = (
        opened(process, b"/dev/null", 2),
        opened(process, b"/dev/zero", 2),
        opened(process, b"/dev/full", 2),
    )
    assert (put(process, null, b"away"), get(process, null)) == (4, b"")
    assert get(process, zero, 5) == bytes(5)
    assert put(process, full, b"x") == -e.ENOSPC
    assert invoke(process, "read", opened(process, b"/dev/urandom", 0), OUT, 70_000) == 70_000
    assert opened(process, b"/dev/tty", 2) == -e.ENXIO


def test_proc_shows_each_process_itself_and_its_files(process) -> None:  # type: ignore[no-untyped-def]
    fake_process(process.kernel, 7)
    file = opened(process, b"/f")
    link = path(process, b"/proc/self/fd/%d" % file)
    assert process.space.read(OUT, invoke(process, "readlink", link, OUT, 99)) == b"/f"
    assert get(process, opened(process, b"/proc/7/cmdline", 0)) == b"test\0-x\0"
    assert get(process, opened(process, b"/proc/self/stat", 0)).startswith(b"1 (test) R 0 1 1 ")
    assert len(get(process, opened(process, b"/proc/1/stat", 0), 999).split()) == 52
    assert opened(process, b"/proc/8/stat", 0) == -e.ENOENT
    assert put(process, opened(process, b"/proc/version", 2), b"another") == -e.EIO
    invoke(process, "unlink", path(process, b"/f"))
    put(process, file, b"still here")
    again = opened(process, b"/proc/self/fd/%d" % file, 0)
    assert get(process, again) == b"still here"


def test_two_kernels_do_the_same() -> None:
    def story() -> bytes:
        process = fake_process(fake_kernel())
        opened(process)
        invoke(process, "fstat64", 0, OUT)
        get(process, opened(process, b"/proc/meminfo", 0))
        return bytes(process.space.memory)

    assert story() == story()
