"""However a run ends, nothing of it is left a second later: no process, no segment, no socket, no directory, no file.

The runs are `cellvisor run` in processes of their own, with cells of all kinds, one of which is stopped on the host. What they
could leave outside of their processes would be in the runtime directory, in the temporary one, in /dev/shm, or among the
sockets of the host; segments have no names and end with the last process that has them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from cells.order import GuestError
from hypervisor import launch
from hypervisor.shell.topology import TopologyError
from tests.support.live import Traces, cells, gone, until
from tests.support.patience import PATIENCE_S
from tests.support.session import COMMAND, environment

pytestmark = pytest.mark.slow

CELLS = 4
TOPOLOGY = """
name = "leaky"
board = "arm926"
[cells.rt]
image = "ticker"
priority = 9
[cells.hog]
image = "hog"
[cells.shell]
guest = "tests.support.guests:shell"
[cells.stopped]
guest = "tests.support.guests:listener"
"""
LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])


@dataclass
class Running:
    """A run that is under way, with a hold on each of its processes."""

    place: Path
    monitor: subprocess.Popen[bytes]
    zygote: int
    pidfds: list[int]
    shared_memory: set[str]

    def leftovers(self) -> list[str]:
        """What is there of it, outside of its processes."""
        found = [str(path) for path in self.place.rglob("*") if path.name not in ("leaky.toml", "tmp", "output")]
        found += [line for line in Path("/proc/net/unix").read_text().splitlines() if str(self.place) in line]
        return found + sorted(set(os.listdir("/dev/shm")) - self.shared_memory)  # noqa: PTH208

    def said(self) -> str:
        return (self.place / "output").read_text()


def start(place: Path, *options: str) -> Running:
    """The command as a shell would start it: a process group of its own."""
    (place / "leaky.toml").write_text(TOPOLOGY)
    (place / "tmp").mkdir()
    shared_memory = set(os.listdir("/dev/shm"))  # noqa: PTH208
    with (place / "output").open("wb") as output:
        monitor = subprocess.Popen(
            [*COMMAND, "run", "leaky.toml", *options],
            cwd=place,
            env=environment(place, {"TMPDIR": str(place / "tmp")}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    family = psutil.Process(monitor.pid)
    assert until(lambda: [*place.glob("*/address.json")] != []), (place / "output").read_text()
    (zygote,) = [process for process in family.children() if process.name() == "cell zygote"]
    assert len(zygote.children()) == CELLS
    processes = [monitor.pid, *(process.pid for process in family.children(recursive=True))]
    (stopped,) = [process for process in zygote.children() if process.name() == "stopped"]
    stopped.send_signal(signal.SIGSTOP)
    return Running(place, monitor, zygote.pid, [os.pidfd_open(pid) for pid in processes], shared_memory)


@pytest.fixture
def running(place: Path) -> Iterator[Callable[..., Running]]:
    """Starts runs; whatever a test has left of them is killed."""
    with ExitStack() as stack:

        def begin(*options: str) -> Running:
            run = start(place, *options)
            for pidfd in run.pidfds:
                stack.callback(os.close, pidfd)
                stack.callback(kill, pidfd)
            stack.callback(run.monitor.wait)
            stack.callback(run.monitor.kill)
            return run

        yield begin


def kill(pidfd: int) -> None:
    if not gone([pidfd], 0):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def assert_nothing_left(run: Running) -> None:
    assert gone(run.pidfds), run.said()
    assert until(lambda: not run.leftovers()), run.leftovers()


@LINKS
def test_after_the_end_of_a_run(running: Callable[..., Running], link: str) -> None:
    run = running("--for", "100ms", "--pace", "0.5", "--link", link)
    assert run.monitor.wait(PATIENCE_S) in (0, 1)  # 1: the stopped cell had a turn and has failed
    assert_nothing_left(run)


@LINKS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_after_a_signal(running: Callable[..., Running], link: str, number: signal.Signals) -> None:
    run = running("--for", "9000s", "--link", link)
    os.killpg(run.monitor.pid, number)
    assert_nothing_left(run)
    assert run.monitor.wait() == 128 + number
    assert "trace sha256" in run.said()


@LINKS
def test_after_two_signals_in_a_row(running: Callable[..., Running], link: str) -> None:
    run = running("--for", "9000s", "--link", link)
    for _ in range(2):
        os.killpg(run.monitor.pid, signal.SIGINT)
    assert_nothing_left(run)


@LINKS
@pytest.mark.parametrize("victims", ["the monitor", "the zygote", "both"])
def test_after_kill_9(running: Callable[..., Running], place: Path, link: str, victims: str) -> None:
    run = running("--for", "9000s", "--link", link)
    if victims != "the monitor":
        os.kill(run.zygote, signal.SIGSTOP if victims == "both" else signal.SIGKILL)
    if victims != "the zygote":
        run.monitor.kill()
    if victims == "both":
        os.kill(run.zygote, signal.SIGKILL)
    assert_nothing_left(run)


@LINKS
def test_after_an_exception_in_a_python_program(link: str) -> None:
    before = Traces()
    with pytest.raises(ZeroDivisionError), launch(cells(a="hog", b="listener"), link=link) as run:
        run.until("1ms")
        raise ZeroDivisionError
    before.check()


def test_after_an_exception_in_the_middle_of_a_turn() -> None:
    def give_up(cell: str, data: bytes) -> None:
        raise ZeroDivisionError

    before = Traces()
    with launch(cells(a="hog", b="listener"), overrides=["board.cores=2"]) as run:
        run.on_output.append(give_up)
        with pytest.raises(ZeroDivisionError):
            run.until("100ms")
    before.check()


@LINKS
def test_after_a_launch_that_fails(tmp_path: Path, link: str) -> None:
    before = Traces()
    memory = memoryview(b"cannot be sent")
    with pytest.raises(GuestError):
        launch(cells(a="hog", b="python"), guests={"b": lambda port: memory[0]}, link=link, out=tmp_path / "out")
    with pytest.raises(TopologyError):
        launch(cells(a={"guest": "hog", "unknown": 1}), link=link)
    before.check()
    assert list(tmp_path.iterdir()) == []


FORGETFUL = """
import gc
from hypervisor import launch
from tests.support.live import cells
run = launch(cells(a="hog"), link="zmq")
run.until("1ms")
del run
gc.collect()
print("went on", flush=True)
"""


def test_after_a_program_that_forgets_to_close_its_run(tmp_path: Path) -> None:
    environment_ = environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL],
        env=environment_,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "went on\n"


@LINKS
def test_after_many_runs_and_many_lives(link: str) -> None:
    before = Traces()
    with launch(cells(a={"guest": "listener", "on_crash": "restart", "max_restarts": 30}), link=link) as run:
        for _ in range(20):
            run.restart("a")
            run.until(run.now + 1000)
        assert len(before.left().split(", ")) < 8, before.left()
    before.check()
