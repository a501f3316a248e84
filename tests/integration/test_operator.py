"""The side door of a running topology, from another process: look, hold, kill, start anew, listen."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hypervisor.abi.messages import pack
from hypervisor.shell import runtime_dir
from hypervisor.shell.client import Client, OperatorError
from tests.support.house import furnish
from tests.support.live import until
from tests.support.patience import PATIENCE_S
from tests.support.session import COMMAND, cellvisor, environment

pytestmark = pytest.mark.slow


@pytest.fixture
def house(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the house, which runs in a process of its own; it must end well, with nothing left."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    command = [*COMMAND, "run", str(furnish(place)), "--pace", "1"]
    process = subprocess.Popen(command, cwd=place, env=environment(place), stdout=subprocess.DEVNULL)
    try:
        assert until(lambda: bool(runtime_dir.running()) or process.poll() is not None)
        (address,) = runtime_dir.running()
        with Client(address) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert list(place.glob("cellvisor-*")) == []


def state(client: Client, cell: str) -> str:
    (found,) = [one for one in client.ask("status")["cells"] if one["name"] == cell]
    return str(found["state"])


def rounds(client: Client) -> int:
    """How much the clock has done."""
    return int(client.ask("status")["cells"][1]["ran"])


def test_a_paused_cell_holds_while_the_others_go_on(house: Client) -> None:
    assert house.ask("pause", cell="echo")["state"] == "paused"
    before = rounds(house)
    assert until(lambda: rounds(house) > before)
    assert state(house, "echo") == "paused"
    with pytest.raises(OperatorError, match=r"^echo is paused already$"):
        house.ask("pause", cell="echo")
    assert house.ask("unpause", cell="echo")["state"] in ("running", "blocked")
    with pytest.raises(OperatorError, match=r"^echo is not paused: it is (running|blocked)$"):
        house.ask("unpause", cell="echo")


def test_virtual_time_stands_still_while_all_cells_are_paused(house: Client) -> None:
    house.ask("pause", cell="echo")
    house.ask("pause", cell="clock")
    held = house.ask("status")["now"]
    assert [house.ask("status")["now"] for _ in range(50)] == [held] * 50
    house.ask("unpause", cell="clock")
    assert until(lambda: house.ask("status")["now"] > held)


def test_a_killed_cell_stays_dead_until_it_is_restarted(house: Client) -> None:
    answer = house.ask("kill", cell="echo")
    assert (answer["state"], answer["why"]) == ("failed", "killed")
    with pytest.raises(OperatorError, match=r"^echo has ended already$"):
        house.ask("kill", cell="echo")
    with pytest.raises(OperatorError, match=r"^echo has ended$"):
        house.ask("type", cell="echo", data=b"x")
    assert house.ask("restart", cell="echo")["state"] in ("running", "blocked")
    house.follow("console/echo")
    house.ask("type", cell="echo", data=b"x")
    assert b"<78>" in heard(house, b"<78>")


def heard(client: Client, wanted: bytes) -> bytes:
    """What the stream said until `wanted` came."""
    said = b""
    while wanted not in said:
        assert not client.wait(PATIENCE_S).ended
        said += b"".join(data for _, data in client.news())
    return said


def test_the_trace_is_followed_in_whole_lines_without_a_gap(house: Client) -> None:
    house.follow("trace")
    lines, at = b"", None
    while lines.count(b"\n") < 20:
        house.wait(PATIENCE_S)
        for offset, data in house.news():
            assert at in (None, offset)
            lines, at = lines + data, offset + len(data)
    records = [json.loads(line) for line in lines.splitlines()]
    assert {"t", "k"} <= set(records[0])
    assert "clock" in {record["cell"] for record in records}


def test_nonsense_is_refused_and_the_run_goes_on(house: Client) -> None:
    for verb, arguments, why in [
        ("fly", {}, r"not a request"),
        ("kill", {}, r"not a request"),
        ("kill", {"cell": "ecko"}, r'^no cell is called "ecko"; did you mean echo\?$'),
        ("type", {"cell": "echo", "data": "text"}, r"^data must be at most 4096 bytes$"),
        ("type", {"cell": "echo", "data": bytes(5000)}, r"^data must be at most 4096 bytes$"),
    ]:
        with pytest.raises(OperatorError, match=why):
            house.ask(verb, **arguments)
    house._requests.send(b"\xc1\xff")
    for number in ("1" * 40, float("inf"), [], None):
        house._requests.send(pack({"id": number, "verb": "status"}))
    house._requests.send(pack({"id": 1, "verb": "watch", "display": "lcd0", "seen": float("inf")}))
    assert state(house, "echo") in ("running", "blocked")


def test_the_commands_find_the_run_and_say_what_they_have_done(house: Client, place: Path) -> None:
    listed = cellvisor("list", place=place).stdout.splitlines()
    assert listed[0].startswith(f"house  process {house.address.pid}  okl4 on arm926  at ")
    assert listed[1].split() == ["name", "id", "mem", "vcpus", "state", "time"]
    assert [line.split()[:4] for line in listed[2:]] == [["echo", "0", "1.0", "1"], ["clock", "1", "1.0", "1"]]
    assert all(re.fullmatch(r"(r-|-b)----", line.split()[4]) for line in listed[2:])
    (found,) = json.loads(cellvisor("list", "--json", place=place).stdout)
    assert (found["pid"], [cell["name"] for cell in found["cells"]]) == (house.address.pid, ["echo", "clock"])
    assert cellvisor("pause", "clock", "--run", "house", place=place).stdout == "clock: paused\n"
    assert cellvisor("unpause", "clock", place=place).stdout in ("clock: running\n", "clock: blocked\n")
    wrong = cellvisor("kill", "clock", "--run", "hause", place=place)
    assert (wrong.returncode, wrong.stderr) == (2, 'cellvisor: --run: no run is called "hause"; did you mean house?\n')
    top = cellvisor("top", "--once", place=place).stdout.splitlines()
    assert top[0] == f"house: okl4 on arm926, process {house.address.pid}"
    assert top[3].split()[:3] == ["cell", "state", "share"]
    assert [line.split()[0] for line in top[4:]] == ["echo", "clock", "monitor"]
    assert all(line.endswith("MiB") for line in top[4:])


def test_a_run_that_is_killed_ends_for_its_listeners_and_is_swept_away(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    command = [*COMMAND, "run", str(furnish(place)), "--pace", "1"]
    process = subprocess.Popen(command, cwd=place, env=environment(place), stdout=subprocess.DEVNULL)
    assert until(lambda: bool(runtime_dir.running()))
    with Client(runtime_dir.running()[0]) as client:
        client.follow("console/clock")
        process.kill()
        process.wait()
        assert client.wait(PATIENCE_S).ended
        with pytest.raises(OperatorError, match=r"^house \(process \d+\) has ended$"):
            client.ask("status")
    assert until(lambda: not list(place.glob("cellvisor-*")))
    assert runtime_dir.running() == []


def test_several_runs_must_be_told_apart(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    command = [*COMMAND, "run", str(furnish(place)), "--pace", "1"]
    processes = [
        subprocess.Popen(command, cwd=place, env=environment(place), stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    try:
        assert until(lambda: len(runtime_dir.running()) == 2)
        done = cellvisor("kill", "echo", place=place)
        assert done.returncode == 2
        assert done.stderr.startswith(
            "cellvisor: say with --run NAME or --run PROCESS which run is meant; running: house ("
        )
        pid = str(processes[0].pid)
        assert cellvisor("kill", "echo", "-r", pid, place=place).stdout == "echo: failed (killed)\n"
    finally:
        for process in processes:
            process.terminate()
        ends = [process.wait(PATIENCE_S) for process in processes]
    assert ends == [143, 143]


def test_the_store_of_a_run_under_xen_is_read_written_and_watched(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    command = [*COMMAND, "run", str(furnish(place)), "--pace", "1", "--flavour", "xen", "--out", str(place / "run")]
    process = subprocess.Popen(command, cwd=place, env=environment(place), stdout=subprocess.DEVNULL)
    try:
        assert until(lambda: bool(runtime_dir.running()) or process.poll() is not None)
        with Client(runtime_dir.running()[0]) as client:
            client.follow("store")
            listed = cellvisor("xenstore", "ls", "/local/domain", place=place).stdout
            assert 'name = "echo"' in listed
            assert cellvisor("xenstore", "write", "/local/domain/1/data/note", "here", place=place).returncode == 0
            assert cellvisor("xenstore", "read", "/local/domain/1/data/note", place=place).stdout == "here\n"
            client.wait(PATIENCE_S)
            assert b'{"path": "/local/domain/1/data/note", "value": "here"}' in b"".join(
                line for _, line in client.news()
            )
            with pytest.raises(OperatorError, match=r"^/nowhere: ENOENT"):
                client.ask("store", path="/nowhere", below=False)
            with pytest.raises(
                OperatorError, match=r"^echo has not said that it understands poweroff \(cellvisor kill"
            ):
                client.ask("shutdown", cell="echo")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    inputs = [json.loads(line) for line in (place / "run" / "inputs.jsonl").read_text().splitlines()]
    assert [each["data"] for each in inputs if each["kind"] == "store"] == ["/local/domain/1/data/note\u0000here"]


def test_where_there_is_no_store_that_is_said(house: Client) -> None:
    with pytest.raises(OperatorError, match=r"^there is no store under this architecture$"):
        house.ask("store", path="/", below=True)
    with pytest.raises(OperatorError, match=r"^such a guest understands no such request \("):
        house.ask("reboot", cell="echo")
