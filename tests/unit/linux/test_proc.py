"""/proc and /dev as programs expect them: forms of files, as "filesystems/proc.rst" and Linux's own programs have them."""

from __future__ import annotations

import re

import pytest

from tests.support.linux import LinuxBench, archive, program
from tests.support.linux_process import fake_kernel, fake_process, invoke, path

DATA = 0x4000


@pytest.fixture
def process():  # type: ignore[no-untyped-def]
    return fake_process(fake_kernel())


def content(process, name: bytes) -> bytes:  # type: ignore[no-untyped-def]
    descriptor = invoke(process, "open", path(process, name), 0)
    assert descriptor >= 0, name
    size = invoke(process, "read", descriptor, DATA, 16384)
    assert size >= 0
    invoke(process, "close", descriptor)
    return process.space.read(DATA, size)


def real() -> LinuxBench:
    """A kernel whose first process has regions, arguments and an environment."""
    return LinuxBench(archive({"bin/p": program("nop")}), ["/bin/p", "one two", "three"])


def read(bench: LinuxBench, name: str) -> bytes:
    kernel = bench.kernel
    return bytes(kernel.vfs.find(f"/proc/1/{name}".encode()).open(kernel.first, 0).read(kernel.first, 65536))


def test_arguments_and_environment_are_those_in_the_memory_of_the_process() -> None:
    bench = real()
    assert read(bench, "cmdline") == b"/bin/p\0one two\0three\0"
    assert read(bench, "environ") == b"HOME=/\0PATH=/bin\0TERM=linux\0"
    start = bench.kernel.first.texts[0]
    bench.kernel.first.space.write(start, b"changed")
    assert read(bench, "cmdline").startswith(b"changed")


def test_what_has_ended_has_no_arguments_any_more() -> None:
    bench = real()
    bench.kernel.first.space.destroy()
    assert read(bench, "cmdline") == b""
    assert read(bench, "maps") == b""


def test_maps_have_a_line_for_each_region_in_linuxs_form() -> None:
    lines = read(real(), "maps").decode().splitlines()
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8} [r-][w-][x-][ps] [0-9a-f]{8} [0-9a-f]{2}:[0-9a-f]{2} \d+ *(\S.*)?")
    assert all(form.fullmatch(line) for line in lines)
    assert all(line.index(name) == 49 for line in lines for name in line.split()[5:6])
    assert [line.split()[-1] for line in lines if "/" in line or "[" in line] == ["/bin/p", "[stack]", "[vectors]"]
    bounds = [int(word, 16) for line in lines for word in line.split()[0].split("-")]
    assert bounds == sorted(bounds)


def test_stat_has_its_52_fields_and_the_name_in_brackets() -> None:
    line = read(real(), "stat").decode()
    head, rest = line.rsplit(")", 1)
    assert head == "1 (p"
    assert len(rest.split()) == 50
    assert rest.split()[:4] == ["R", "0", "1", "1"]


def test_statm_tells_sizes_in_pages_that_fit_each_other() -> None:
    size, resident, shared, code, _, data, _ = map(int, read(real(), "statm").split())
    assert resident <= size
    assert shared == 0
    assert code + data <= size


def test_status_tells_masks_of_signals_and_sizes() -> None:
    bench = real()
    bench.kernel.first.signals.blocked = 1 << 9
    status = dict(line.split(":\t") for line in read(bench, "status").decode().splitlines())
    assert status["SigBlk"] == f"{1 << 9:016x}"
    assert re.fullmatch(r" +\d+ kB", status["VmSize"])
    assert status["State"] == "R (running)"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (b"meminfo", rb"MemTotal: +\d+ kB\nMemFree: +\d+ kB\n(\w+: +\d+ kB\n)+"),
        (b"uptime", rb"\d+\.\d\d \d+\.\d\d\n"),
        (b"loadavg", rb"0\.00 0\.00 0\.00 \d+/\d+ \d+\n"),
        (b"version", rb"Linux version \S+ \(.*\)\n"),
        (b"filesystems", rb"(nodev\t\w+\n)+"),
        (b"mounts", rb"(\w+ /\w* \w+ rw 0 0\n)+"),
        (
            b"stat",
            rb"cpu  \d+ 0 0 \d+( 0){6}\ncpu0 \d+ 0 0 \d+( 0){6}\nintr 0\nctxt \d+\nbtime \d+\nprocesses \d+\n(.*\n)*",
        ),
        (b"interrupts", rb" +CPU0 +\n(.*\n)*"),
        (b"cpuinfo", rb"processor\t: 0\n(.*\n)*Hardware\t: .*\n"),
        (b"swaps", rb"Filename\t.*\n"),
        (b"sys/kernel/pid_max", rb"32768\n"),
        (b"sys/kernel/hostname", rb"test\n"),
        (b"sys/kernel/osrelease", rb"\d+\.\d+\.\d+\n"),
        (b"sys/kernel/ostype", rb"Linux\n"),
        (b"sys/fs/file-nr", rb"\d+\t0\t\d+\n"),
        (b"sys/vm/overcommit_memory", rb"0\n"),
        (b"self/limits", rb"Limit +Soft Limit +Hard Limit +Units *\n(Max .*\n){16}"),
        (b"self/comm", rb"test\n"),
        (b"self/cmdline", rb"test\0-x\0"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) and b"\\" not in value else "",
)
def test_files_of_proc_have_the_form_that_programs_read(process, name: bytes, form: bytes) -> None:  # type: ignore[no-untyped-def]
    assert re.fullmatch(form, content(process, b"/proc/" + name))


def test_a_descriptors_link_leads_to_its_file(process) -> None:  # type: ignore[no-untyped-def]
    descriptor = invoke(process, "open", path(process, b"/tmp"), 0o40000)
    if descriptor < 0:
        invoke(process, "mkdir", path(process, b"/tmp"), 0o755)
        descriptor = invoke(process, "open", path(process, b"/tmp"), 0o40000)
    assert invoke(process, "readlink", path(process, b"/proc/self/fd/%d" % descriptor), DATA, 100) == 4
    assert process.space.read(DATA, 4) == b"/tmp"


def test_texts_of_proc_that_are_open_are_counted(process) -> None:  # type: ignore[no-untyped-def]
    held = process.kernel.vfs.held
    before = held.now
    descriptor = invoke(process, "open", path(process, b"/proc/self/status"), 0)
    assert held.now > before
    invoke(process, "close", descriptor)
    assert held.now == before


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        (b"null", b"", 4), (b"zero", b"\0\0\0\0", 4), (b"full", b"\0\0\0\0", -28), (b"random", None, 4), (b"urandom", None, 4),
    ],
)  # fmt: skip
def test_devices_give_and_take_what_linuxs_do(process, name: bytes, given: bytes | None, taken: int) -> None:  # type: ignore[no-untyped-def]
    descriptor = invoke(process, "open", path(process, b"/dev/" + name), 2)
    size = invoke(process, "read", descriptor, DATA, 4)
    assert process.space.read(DATA, size) == given if given is not None else size == 4
    assert invoke(process, "write", descriptor, DATA, 4) == taken


def test_dev_has_room_for_shared_memory_and_links_to_open_files(process) -> None:  # type: ignore[no-untyped-def]
    assert invoke(process, "stat64", path(process, b"/dev/shm"), DATA) == 0
    assert int.from_bytes(process.space.read(DATA + 16, 4), "little") == 0o41777
    for name in (b"fd", b"stdin", b"stdout", b"stderr"):
        assert invoke(process, "readlink", path(process, b"/dev/" + name), DATA, 100) > 0
