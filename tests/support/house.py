"""A topology of two Python guests beside its own file: one answers each key that is typed, one ticks away.

house = furnish(place)          # writes house.toml and house_guests.py
cellvisor("run", str(house), place=place)
"""

from __future__ import annotations

from pathlib import Path

TOPOLOGY = """\
name = "house"
board = "arm926"
console = "echo"

[cells.echo]
guest = "house_guests:echo"
priority = 1

[cells.clock]
guest = "house_guests:clock"
priority = 9
"""

GUESTS = '''\
"""Guests of the house."""


def echo(port):
    """Each key as a number, so that nothing is lost on the way to a terminal."""
    port.print("ready")
    while True:
        for byte in port.read():
            port.print(f"<{byte:02x}>")
        port.sleep("5ms")


def clock(port):
    """A round each 10 ms."""
    rounds = 0
    while True:
        port.sleep("10ms")
        port.work(1000)
        rounds += 1
        port.report("rounds", rounds)


def painter(port):
    """What a shell on a terminal says: colours, a question for the cursor, a title, a prompt without an end."""
    port.write(b"\\x1b[31mred\\x1b[0m\\r\\n\\x1b]0;title\\x07bell\\x07\\n\\x1b[6n# ")
    port.sleep("1ms")


def broken(port):
    """Goes wrong."""
    port.work(1000)
    raise ValueError("no more tea")
'''


def furnish(place: Path, topology: str = TOPOLOGY, **guests: str) -> Path:
    """Write the topology and its guests. `guests`: further cells, the guest's function by the cell's name."""
    (place / "house_guests.py").write_text(GUESTS)
    more = [f'\n[cells.{cell}]\nguest = "house_guests:{guest}"\n' for cell, guest in guests.items()]
    path = place / "house.toml"
    path.write_text(topology + "".join(more))
    return path
