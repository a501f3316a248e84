"""The layers of the sandbox: what is asked of the kernel, and what the report says when the kernel has it not."""

from __future__ import annotations

import errno
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cells import kernel, landlock, sandbox, seccomp
from cells.sandbox import MIB, SandboxPolicy
from tests.support.sandbox_lab import OPEN, Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.mark.parametrize(
    ("abi", "words"),
    [
        (1, [(1 << 13) - 1]),
        (2, [(1 << 14) - 1]),
        (3, [(1 << 15) - 1]),
        (4, [(1 << 15) - 1, 3]),
        (5, [(1 << 16) - 1, 3]),
        (6, [(1 << 16) - 1, 3, 3]),
        (9, [(1 << 16) - 1, 3, 3]),
    ],
)
def test_landlock_refuses_everything_that_its_version_knows(abi: int, words: list[int]) -> None:
    assert struct.unpack(f"<{len(words)}Q", landlock.ruleset(abi)) == tuple(words)


@pytest.mark.parametrize(("abi", "flags"), [(7, 0), (8, 1 << 3)])
def test_landlock_takes_every_thread_where_the_kernel_can(
    monkeypatch: pytest.MonkeyPatch, abi: int, flags: int
) -> None:
    ruleset = os.open(os.devnull, os.O_RDONLY)
    answers, asked = iter([abi, ruleset, 0]), []

    def answer(*call: object) -> int:
        asked.append(call)
        return next(answers)

    monkeypatch.setattr(kernel, "system_call", answer)
    assert landlock.restrict() == (abi, flags != 0)
    assert asked[2] == (446, ruleset, flags)


def without_system_calls(monkeypatch: pytest.MonkeyPatch, code: int) -> sandbox.SandboxReport:
    """Enter a sandbox of the two layers that need raw system calls, on a kernel that answers all with an error."""

    def refuse(number: int, *_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(kernel, "system_call", refuse)
    monkeypatch.setattr(sandbox, "LAYERS", {name: sandbox.LAYERS[name] for name in ("landlock", "seccomp")})
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    return sandbox.enter(SandboxPolicy())


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_layer_that_the_kernel_lacks_is_named_and_not_fatal(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    report = without_system_calls(monkeypatch, code)
    assert report.enabled
    assert report.held == ()
    assert report.lacking == ("landlock: kernel without it", "seccomp: kernel without it")


def test_any_other_reason_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_system_calls(monkeypatch, errno.EACCES).lacking[0] == "landlock: Permission denied"


def test_another_machine_type_lacks_seccomp_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    uname = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*uname[:4], "riscv64")))
    monkeypatch.setattr(sandbox, "LAYERS", {"seccomp": sandbox.LAYERS["seccomp"]})
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    assert sandbox.enter(SandboxPolicy()).lacking == ("seccomp: no table for riscv64",)


def test_limits_are_what_is_used_already_and_what_the_policy_adds() -> None:
    page = resource.getpagesize()
    little = sandbox.limits(SandboxPolicy(memory=0, mapping=0))
    much = sandbox.limits(SandboxPolicy(memory=64 * MIB, mapping=32 * MIB, descriptors=9, cpu_seconds=7))
    assert little[resource.RLIMIT_AS] > little[resource.RLIMIT_DATA] > page
    assert much[resource.RLIMIT_AS] - little[resource.RLIMIT_AS] == pytest.approx(96 * MIB, abs=MIB)
    assert much[resource.RLIMIT_DATA] - little[resource.RLIMIT_DATA] == pytest.approx(64 * MIB, abs=MIB)
    assert (much[resource.RLIMIT_NOFILE], much[resource.RLIMIT_CPU]) == (9, 7)
    assert much[resource.RLIMIT_NPROC] == much[resource.RLIMIT_CORE] == 0


def test_a_full_sandbox_holds_every_layer_that_this_kernel_has(lab: Lab) -> None:
    report = lab.run(lambda: None).report
    names = [line.partition(":")[0] for line in (*report["held"], *report["lacking"])]
    assert sorted(names) == sorted(sandbox.LAYERS)
    assert any(line.startswith("limits: 128 MiB") for line in report["held"])


def test_without_the_sandbox_only_the_tie_to_the_parent_remains(lab: Lab) -> None:
    outcome = lab.run(lambda: Path("/proc/self/comm").read_text(), OPEN)
    assert outcome.value == "lab\n"
    assert outcome.report == {"held": ["die with parent"], "lacking": ["sandbox: switched off"]}


def test_every_system_call_that_the_table_does_not_name_is_refused(lab: Lab) -> None:
    probes = {
        335,
        336,
    }  # uretprobe and uprobe, which the kernel lets past every filter; only its own code may call them
    others = sorted(set(range(480)) - set(seccomp.NUMBERS.values()) - probes)

    def guest() -> list[int]:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        zeros = [ctypes.c_long(0)] * 6
        return [number for number in others if libc.syscall(number, *zeros) != -1 or ctypes.get_errno() != 1]

    assert lab.run(guest).value == []


def test_a_call_by_the_second_door_ends_the_cell(lab: Lab) -> None:
    def guest() -> None:
        import ctypes

        ctypes.CDLL(None).syscall(ctypes.c_long(seccomp.X32_BIT + 39))

    assert str(lab.run(guest).status) == "killed by SIGSYS"


def test_a_cell_that_aborts_is_seen_to_have_aborted(lab: Lab) -> None:
    def guest() -> None:
        import os

        os.abort()

    outcome = lab.run(guest)
    assert str(outcome.status) == "killed by SIGABRT"
    assert "Fatal Python error: Aborted" in outcome.status.log


def test_a_cell_can_still_use_what_it_has(lab: Lab) -> None:
    segment = os.memfd_create("segment")
    os.ftruncate(segment, 4096)

    def guest(segment: int) -> bool:
        import mmap
        import time

        with mmap.mmap(segment, 4096) as memory:
            memory[0:5] = b"hello"
        print("a word for the log")
        return len(bytearray(32 << 20)) > 0 and time.monotonic() > 0

    outcome = lab.run(guest, segment=segment)
    assert outcome.value is True, outcome.error
    assert outcome.status.log == "a word for the log\n"
    assert os.pread(segment, 5, 0) == b"hello"
    os.close(segment)


def test_a_late_import_says_what_to_do(lab: Lab) -> None:
    outcome = lab.run(lambda: __import__("wave"))
    assert outcome.error.startswith("ModuleNotFoundError: module wave is not loaded")
    assert "preload" in outcome.error


def test_a_module_named_in_preload_is_there(lab: Lab) -> None:
    outcome = lab.run(lambda: __import__("wave").__name__, settings={"preload": ["wave"]})
    assert outcome.value == "wave"


def test_the_policy_can_let_new_code_in(lab: Lab) -> None:
    def guest() -> int:
        import mmap

        with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
            return len(memory)

    assert lab.run(guest).error.startswith("PermissionError")
    assert lab.run(guest, SandboxPolicy(new_code=True)).value == 4096


SHUFFLE = """
import json, os
from cells.sandbox import only_descriptors
pipes = [end for _ in range(3) for end in os.pipe()]
os.dup2(pipes[4], 40)
given = [40, pipes[1], pipes[0]]
before = [os.readlink(f"/proc/self/fd/{number}") for number in given]
placed = only_descriptors(given, (os.open("/dev/null", os.O_RDWR), 1, 2))
after = [os.readlink(f"/proc/self/fd/{number}") for number in placed]
left = sorted(int(entry) for entry in os.listdir("/proc/self/fd"))[:-1]  # the last is the listing's own
print(json.dumps([placed, before == after, left, os.readlink("/proc/self/fd/0")]))
"""


def test_descriptors_are_renumbered_without_stepping_on_each_other() -> None:
    done = subprocess.run([sys.executable, "-c", SHUFFLE], capture_output=True, check=True)
    assert json.loads(done.stdout) == [[3, 4, 5], True, [0, 1, 2, 3, 4, 5], "/dev/null"]
