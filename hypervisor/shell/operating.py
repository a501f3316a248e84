"""What the commands do that act on a running topology: each function returns the exit status."""

from __future__ import annotations

import json
import sys
from typing import Any

from hypervisor.abi.time import format_time
from hypervisor.shell import runtime_dir
from hypervisor.shell.client import Client, OperatorError
from hypervisor.shell.problems import InputError
from hypervisor.shell.terminal import attach


def client_of(which: str | None) -> Client:
    """A client of the run that is meant; see `address_of`."""
    return Client(address_of(which))


def address_of(which: str | None) -> runtime_dir.Address:
    """Where the run is that is meant, by name or process number.

    Raises:
        InputError: none is running, or it is not clear which one is meant.
    """
    runs = runtime_dir.running()
    if not runs:
        raise InputError("nothing is running (start something: cellvisor run TOPOLOGY)")
    meant = [run for run in runs if which in (None, run.name, str(run.pid))]
    if len(meant) == 1:
        return meant[0]
    names = ", ".join(f"{run.name} ({run.pid})" for run in runs)
    if not meant:
        from hypervisor.shell.topology.problems import nearest  # the package behind it is large

        raise InputError(f'--run: no run is called "{which}"; {nearest(str(which), [run.name for run in runs])}')
    raise InputError(f"say with --run NAME or --run PROCESS which run is meant; running: {names}")


def list_runs(as_json: bool) -> int:
    """Every run with its cells."""
    found = [(address, _status(address)) for address in runtime_dir.running()]
    if as_json:
        print(json.dumps([{"pid": address.pid, **status} for address, status in found if status], indent=2))
        return 0
    for address, status in found:
        _show(address, status)
    if not found:
        print("nothing is running")
    return 0


def _status(address: runtime_dir.Address) -> dict[str, Any] | None:
    try:
        with Client(address) as client:
            return client.ask("status")
    except OperatorError:
        return None


def _show(address: runtime_dir.Address, status: dict[str, Any] | None) -> None:
    if status is None:
        print(f"{address.name}  process {address.pid}  does not answer")
        return
    time = format_time(status["now"], status["hz"])
    print(f"{status['name']}  process {address.pid}  {status['flavour']} on {status['board']}  at {time}")
    width = max(len(cell["name"]) for cell in status["cells"])
    print(f"  {'name':<{width}}  id     mem vcpus state      time")
    for cell in status["cells"]:
        why = f"  {cell['state']}" + (f" ({cell['why']})" if cell["why"] else "")
        memory, ran = f"{cell['memory'] / 2**20:.1f}", f"{cell['ran'] / status['hz']:.1f}"
        row = f"{cell['id']:>2} {memory:>7} {cell['vcpus']:>5} {letters(cell['state'])} {ran:>8}"
        print(f"  {cell['name']:<{width}}  {row}{why}")


LETTERS = {"running": "r", "blocked": "b", "paused": "p", "shut down": "s", "failed": "c", "starting": "d"}
"""State of a cell -> its letter in the column that `xl list` has: running, blocked, paused, shut down, crashed; `d` for one that
is between two lives."""


def letters(state: str) -> str:
    """`xl list`'s column: a letter in its place, dashes in the others."""
    own = LETTERS.get(state, "")
    return "".join(letter if letter == own else "-" for letter in LETTERS.values())


def order(verb: str, cell: str, which: str | None) -> int:
    """Pause, unpause, kill or restart a cell; say what has become of it."""
    with client_of(which) as client:
        answer = client.ask(verb, cell=cell)
    why = f" ({answer['why']})" if answer["why"] else ""
    print(f"{cell}: {answer['state']}{why}")
    return 0


def store_ls(path: str, which: str | None) -> int:
    """A node and all below it, as `xenstore-ls` shows them."""
    with client_of(which) as client:
        answer = client.ask("store", path=path, below=True)
    depth = 0 if path == "/" else path.count("/")
    for node, value in answer["nodes"]:
        name = node.rpartition("/")[2] or "/"
        print(f'{" " * (node.count("/") - depth if node != "/" else 0)}{name} = "{_shown(value)}"')
    if answer["more"]:
        print(f"cellvisor: {len(answer['nodes'])} nodes are shown; name a path below for others", file=sys.stderr)
    return 0


def store_read(path: str, which: str | None) -> int:
    """The value of a node."""
    with client_of(which) as client:
        print(_shown(client.ask("store", path=path, below=False)["nodes"][0][1]))
    return 0


def store_write(path: str, value: str, which: str | None) -> int:
    """Set the value of a node."""
    with client_of(which) as client:
        client.ask("store_write", path=path, value=value.encode())
    return 0


def store_watch(path: str, which: str | None) -> int:
    """Print each change at a node or below it, till the run ends."""
    with client_of(which) as client:
        client.follow("store")
        ended = False
        while not ended:
            ended = client.wait(None).ended
            for _offset, line in client.news():
                change = json.loads(line)
                if change["path"] == path or path == "/" or change["path"].startswith(f"{path}/"):
                    value = "is gone" if change["value"] is None else f'= "{change["value"]}"'
                    print(change["path"], value, flush=True)
    return 0


def _shown(value: bytes) -> str:
    """A value for people: what is no text in figures."""
    text = value.decode("latin-1")
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def console(cell: str, which: str | None) -> int:
    """Be a cell's console."""
    with client_of(which) as client:
        attach(client, cell)
    return 0


def follow_trace(which: str | None) -> int:
    """Print trace records as they come."""
    with client_of(which) as client:
        client.follow("trace")
        seen: int | None = None
        ended = False
        while not ended:
            ended = client.wait(None).ended
            for offset, lines in client.news():
                if seen is not None and offset != seen:
                    print(f"cellvisor: {offset - seen} bytes of the trace were lost here", file=sys.stderr)
                seen = offset + len(lines)
                sys.stdout.write(lines.decode())
            sys.stdout.flush()
    return 0


def top(which: str | None, once: bool) -> int:
    """Watch a run."""
    from hypervisor.shell.top import watch  # psutil and rich, which the other commands do without

    with client_of(which) as client:
        watch(client, once=once)
    return 0
