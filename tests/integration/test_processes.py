"""Cells as real processes: started by the zygote, working in their sandbox, and gone when they should be."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cells.order import CellOrder
from cells.sandbox import FILE_SIZE, MIB, SandboxPolicy
from hypervisor.shell.processes import ExitStatus, Zygote, ZygoteError
from tests.support.patience import PATIENCE_S
from tests.support.sandbox_lab import HERE, OPEN, Lab

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


def ends_within(pidfd: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


# Starting and ending.


def test_an_ended_cell_is_reported_with_its_exit_code_and_what_it_said(lab: Lab) -> None:
    def guest() -> None:
        print("on standard output")
        raise SystemExit(7)

    status = lab.run(guest).status
    assert status == ExitStatus(7, None, "on standard output\n")
    assert str(status) == "exit code 7"


def test_a_killed_cell_is_reported_with_its_signal(lab: Lab) -> None:
    cell, link = lab.spawn(None, entry=f"{HERE}:resident")
    with link:
        link.recv(1024)
        assert cell.exit_status() is None
        cell.kill()
        assert str(cell.wait(PATIENCE_S)) == "killed by SIGKILL"
    cell.kill()  # a second time does no harm
    cell.close()


def test_an_error_of_the_entry_is_in_the_log(lab: Lab) -> None:
    cell = lab.zygote.spawn(CellOrder("lost", 0), entry="cells.nowhere:main")
    status = cell.wait(PATIENCE_S)
    cell.close()
    assert status is not None
    assert status.code == 1
    assert "ModuleNotFoundError: No module named 'cells.nowhere'" in status.log


def test_a_flood_of_output_is_cut_off(lab: Lab) -> None:
    def guest() -> int:
        import os

        written = 0
        with contextlib.suppress(OSError):
            while True:
                written += os.write(1, b"x" * 1000)
        return written

    outcome = lab.run(guest)
    assert outcome.value == len(outcome.status.log) == FILE_SIZE


def test_a_cell_cannot_send_commands_to_the_terminal_by_its_log(lab: Lab) -> None:
    assert lab.run(lambda: print("\x1b[2Jgone\t\u009b1m")).status.log == "\\x1b[2Jgone\t\\x9b1m\n"


def test_the_poll_descriptor_tells_when_a_cell_has_ended() -> None:
    with Lab() as lab:
        cell, link = lab.spawn(None, entry=f"{HERE}:resident")
        with link:
            link.recv(1024)
            lab.zygote.collect()
            cell.kill()
            assert ends_within(lab.zygote.fileno(), PATIENCE_S)
            assert lab.zygote.collect() == [cell]
            assert lab.zygote.collect() == []
        cell.close()


def test_a_cell_has_the_descriptors_it_was_given_and_no_others(lab: Lab) -> None:
    segment, other = os.memfd_create("given"), os.memfd_create("kept back")

    def guest(segment: int) -> list[str]:
        from pathlib import Path

        found = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        return sorted(str(target).partition(" ")[0].partition("[")[0] for target in found)

    names = lab.run(guest, OPEN, segment=segment).value
    os.close(segment)
    os.close(other)
    assert names == ["/dev/null", "/memfd:given", "/memfd:log", "/memfd:log", "socket:"]


def test_a_long_guest_program_gets_through(lab: Lab) -> None:
    data = bytes(range(256)) * (4 * MIB // 256)
    assert lab.run(lambda: len(data)).value == 4 * MIB


def test_every_cell_sees_names_in_the_same_order(lab: Lab) -> None:
    orders = {json.dumps(lab.run(lambda: list({"storage", "net", "console", "display"})).value) for _ in range(3)}
    with Lab() as other:
        orders.add(json.dumps(other.run(lambda: list({"storage", "net", "console", "display"})).value))
    assert len(orders) == 1


def test_modules_that_cannot_be_warmed_are_named_and_not_fatal() -> None:
    with Zygote.start(warm=["nowhere.at_all", HERE]) as zygote:
        cell = zygote.spawn(CellOrder("any", 0), entry="time:time")
        cell.wait(PATIENCE_S)
        cell.close()
        assert [line for line in zygote.missing if line.startswith("nowhere")] == [
            "nowhere.at_all: No module named 'nowhere'"
        ]


def test_after_stop_there_is_nothing_left() -> None:
    lab = Lab()
    cells = [lab.spawn(None, entry=f"{HERE}:resident") for _ in range(3)]
    for _, link in cells:
        link.recv(1024)
    cells[0][0].kill(signal.SIGSTOP)
    lab.zygote.stop()
    for cell, link in cells:
        assert ends_within(cell.pidfd, 0)
        assert str(cell.exit_status()) == "killed by SIGKILL"
        link.close()
        cell.close()
    with pytest.raises(ZygoteError, match="has ended"):
        lab.zygote.spawn(CellOrder("late", 0))


def test_when_the_zygote_is_killed_its_cells_die_and_the_monitor_is_told() -> None:
    lab = Lab()
    cell, link = lab.spawn(None, entry=f"{HERE}:resident")
    with link:
        link.recv(1024)
        cell.kill(signal.SIGSTOP)
        assert lab.zygote.pid
        os.kill(lab.zygote.pid, signal.SIGKILL)
        assert str(cell.wait(PATIENCE_S)) == "killed by SIGKILL"
        assert ends_within(cell.pidfd, PATIENCE_S)
    assert lab.zygote.collect() == [cell]
    with pytest.raises(ZygoteError):
        lab.zygote.collect()
    cell.close()
    lab.zygote.stop()


def test_a_zygote_survives_the_thread_that_started_it() -> None:
    labs: list[Lab] = []
    thread = threading.Thread(target=lambda: labs.append(Lab()))
    thread.start()
    thread.join()  # the kernel now tells the zygote that its parent has died
    with labs[0] as lab:
        assert [lab.run(lambda: 1).value for _ in range(3)] == [1, 1, 1]


# Guests of the program that was started.

SCRIPT = """
import sys
import beside                                   # a module next to the script
from tests.support.sandbox_lab import Lab

LIMIT = 5

class Stack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item); return self

def even(n): return True if n == 0 else odd(n - 1)
def odd(n): return False if n == 0 else even(n - 1)

def guest():
    return [beside.double(LIMIT), even(4), Stack().push(1).items, __name__]

if __name__ == "__main__":
    with Lab() as lab:
        outcome = lab.run(guest)
    print(outcome.error or outcome.value)
"""


def test_a_guest_of_the_script_that_runs_is_taken_along(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def double(n):\n    return 2 * n\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert done.stdout == "[10, True, [1], '__main__']\n"


# In the sandbox.


@pytest.mark.parametrize("code_buffer", [32, 128])
def test_an_engine_made_before_the_sandbox_translates_and_runs_new_code(lab: Lab, code_buffer: int) -> None:
    segment = os.memfd_create("ram")
    os.ftruncate(segment, 512 * MIB)

    def guest(segment: int) -> Any:
        import ctypes
        import mmap

        import unicorn as untyped

        unicorn: Any = untyped
        r0 = unicorn.arm_const.UC_ARM_REG_R0

        ram = mmap.mmap(segment, 512 * MIB)
        engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
        engine.ctl_set_tcg_buffer_size(code_buffer * MIB)
        engine.mem_map_ptr(0, len(ram), unicorn.UC_PROT_ALL, ctypes.addressof(ctypes.c_char.from_buffer(ram)))
        add_one = bytes.fromhex("010080e2")  # add r0, r0, #1
        ram[0:4] = add_one
        engine.emu_start(0, 4)

        def after() -> int:
            for page in range(4096, 512 * MIB, MIB):
                ram[page : page + 4] = add_one
                engine.emu_start(page, page + 4)
            return int(engine.reg_read(r0))

        return after

    outcome = lab.run(guest, settings={"prepare": True}, segment=segment)
    os.close(segment)
    assert outcome.value == 513, outcome.error


def test_a_zmq_socket_connected_before_the_sandbox_works_in_it(lab: Lab, tmp_path: Path) -> None:
    import zmq

    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(f"ipc://{tmp_path}/link")

        def guest() -> Any:
            import zmq

            dealer = zmq.Context().socket(zmq.DEALER)
            dealer.connect(f"ipc://{tmp_path}/link")
            dealer.send(b"hello")
            dealer.recv()  # connecting happens in the background: an answer shows that it is done

            def after() -> str:
                dealer.send(b"from the sandbox")
                answer = str(dealer.recv().decode())
                dealer.context.destroy(0)
                return answer

            return after

        here, link = lab.zygote, lab.spawn(guest, settings={"prepare": True})
        for expected in (b"hello", b"from the sandbox"):
            assert router.poll(int(PATIENCE_S * 1000))
            peer, said = router.recv_multipart()
            assert said == expected
            router.send_multipart([peer, b"and back"])
        cell, answer = link
        with answer:
            assert json.loads(answer.recv(1024))["value"] == "and back"
        assert here.wait_until(lambda: cell.exit_status() is not None, PATIENCE_S)
        assert str(cell.exit_status()) == "exit code 0"
        cell.close()


def test_memory_is_bounded_by_the_policy_beyond_what_was_there(lab: Lab) -> None:
    def guest() -> list[int]:
        sizes = []
        for megabytes in (16, 64):
            try:
                sizes.append(len(bytearray(megabytes * MIB)))
            except MemoryError:
                sizes.append(0)
        return sizes

    assert lab.run(guest, SandboxPolicy(memory=32 * MIB)).value == [16 * MIB, 0]
    assert lab.run(guest, SandboxPolicy(memory=96 * MIB)).value == [16 * MIB, 64 * MIB]


# When the monitor goes.


@contextlib.contextmanager
def abandoned_monitor(**options: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any], dict[int, int]]]:
    """A monitor as a process group of its own, what it said, and a pidfd for each of its processes."""
    command = [sys.executable, "-m", "tests.support.abandoned_monitor", json.dumps(options)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as monitor:
        assert monitor.stdout
        said = json.loads(monitor.stdout.readline())
        pidfds = {pid: os.pidfd_open(pid) for pid in (said["zygote"], *said["cells"])}
        try:
            yield monitor, said, pidfds
        finally:
            for pidfd in pidfds.values():
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                os.close(pidfd)
            if said["accomplice"]:
                os.kill(said["accomplice"], signal.SIGKILL)
            monitor.kill()


@pytest.mark.parametrize("accomplice", [False, True], ids=["by the closed socket", "with the socket kept open"])
def test_a_killed_monitor_leaves_no_cell_no_zygote_and_no_directory(tmp_path: Path, accomplice: bool) -> None:
    directory = tmp_path / "runtime"
    directory.mkdir(mode=0o700)
    (directory / "socket").touch()
    options = {"cells": 3, "stopped": 2, "directory": str(directory), "accomplice": accomplice}
    with abandoned_monitor(**options) as (monitor, _, pidfds):
        assert not any(ends_within(pidfd, 0) for pidfd in pidfds.values())
        monitor.kill()
        deadline = time.monotonic() + PATIENCE_S
        assert all(ends_within(pidfd, deadline - time.monotonic()) for pidfd in pidfds.values())
        assert not directory.exists()


def test_the_janitor_removes_nothing_that_others_may_use(tmp_path: Path) -> None:
    directory = tmp_path / "shared"
    directory.mkdir(mode=0o755)
    with abandoned_monitor(cells=1, directory=str(directory)) as (monitor, said, pidfds):
        monitor.kill()
        assert ends_within(pidfds[said["zygote"]], PATIENCE_S)
        assert directory.exists()


def test_ctrl_c_reaches_the_monitor_only() -> None:
    with abandoned_monitor(cells=2) as (monitor, _, pidfds):
        os.killpg(monitor.pid, signal.SIGINT)
        assert monitor.stdout
        assert json.loads(monitor.stdout.readline()) == {"ended": 0}
        assert not any(ends_within(pidfd, 0) for pidfd in pidfds.values())
