"""A small Python guest: works, sleeps, prints, and reports how far it came."""

from __future__ import annotations

from cells.port import Port


def main(port: Port, period: str = "10ms", work: str = "1ms") -> None:
    """Each `period`, compute for `work`; print every hundredth round."""
    due, rounds = port.now, 0
    while True:
        port.work(port.cycles(work))
        rounds += 1
        if rounds % 100 == 1:
            port.print(f"counter: round {rounds}")
        port.report("rounds", rounds)
        port.heartbeat()
        due += port.cycles(period)
        port.sleep_until(due)
