"""Python guests for tests, by what they do. Topologies name them as `tests.support.guests:NAME`; see `live.cells`."""

from __future__ import annotations

from cells.port import Port


def shell(port: Port) -> None:
    """Answers lines: a session."""
    port.print("ready")
    while True:
        for line in port.read_line().split():
            port.work(50_000 * len(line))
            port.print(f"{line.decode()}? at {port.now}")


def hog(port: Port) -> None:
    """Computes without end and says so at times."""
    rounds = 0
    while True:
        port.work(70_000)
        rounds += 1
        if rounds % 10 == 0:
            port.print("hog", rounds)


def sleeper(port: Port) -> None:
    """Sleeps most of the time."""
    while True:
        port.sleep("3ms")
        port.work(20_000)
        port.print("awake", port.now)


def listener(port: Port) -> None:
    """Waits for a line for ever."""
    port.print("listening")
    port.print("heard", port.read_line().strip().decode())


def gambler(port: Port) -> None:
    """Lets chance decide, and the order of a set."""
    while True:
        port.work(port.random.randrange(1, 400_000))
        port.print(port.random.random(), {"storage", "net", "console"})


def witness(port: Port, lines: int = 10) -> int:
    """Says the same, whoever else runs; ends with status 7."""
    for line in range(lines):
        port.work(30_000)
        port.print("witness", line)
        port.sleep("1ms")
    return 7


def testimony(lines: int = 10) -> bytes:
    """What a witness says."""
    return b"".join(b"witness %d\n" % line for line in range(lines))


def beating(port: Port, beats: int = 0) -> None:
    """A heartbeat each millisecond, for ever or so often; then it only computes."""
    beat = 0
    while not beats or beat < beats:
        port.heartbeat()
        port.sleep("1ms")
        beat += 1
    while True:
        port.work(100_000)
