"""The monitor's interrupt controller: which line is up, and which vCPU has to know.

What a single line does is in `interrupt_line`; this file chooses between lines and says whose they are. Higher priority
numbers win, as with vCPUs; of equal ones the lower line. A line is unmasked when it is routed. There is no running
priority: an active line holds back itself only, other lines may be acknowledged meanwhile.

Two kinds of callers. The board and the monitor: `route`, `unroute`, `set_level`, `pend`. Guests, with their own vCPU
as the first argument: `mask`, `unmask`, `ack`, `eoi`; these refuse what is not theirs and change nothing then. What can
make a line deliverable answers with the vCPUs that have one more deliverable line by it, for the monitor to tell them.

>>> controller = InterruptController(lines=4)
>>> controller.route(2, vcpu=0, priority=1)
frozenset()
>>> controller.set_level(2, True), controller.deliverable(0)
(frozenset({0}), True)
>>> controller.ack(0), controller.deliverable(0)
(2, False)
"""

from __future__ import annotations

from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused, require_none
from hypervisor.core.interrupt_line import NOBODY, TRANSITIONS, Input, Line, LineState, Roused


class InterruptController:
    """Lines 0..lines-1. A line number that does not exist is refused as a bad argument."""

    def __init__(self, lines: int) -> None:
        self._lines = [Line() for _ in range(lines)]

    # ---- the board and the monitor

    def route(self, line: int, vcpu: int, priority: int = 0) -> Roused:
        """Give a line to a vCPU, unmasked.

        Raises:
            Refused: it is somebody's already.
        """
        entry = self._line(line)
        if entry.vcpu is not None:
            raise Refused(Status.NOT_YOURS, f"line {line} is routed to vCPU {entry.vcpu}")
        entry.vcpu, entry.priority = vcpu, priority
        return entry.audience()

    def unroute(self, line: int) -> None:
        """Take a line from its vCPU, if any: its active state, mask and latch are forgotten, its input is not."""
        level = self._line(line).level
        self._lines[line] = Line(LineState.PENDING if level else LineState.INACTIVE, level)

    def set_level(self, line: int, level: bool) -> Roused:
        """A device drives its line."""
        entry = self._line(line)
        if entry.level == level:
            return NOBODY
        entry.level = level
        if level:
            return entry.step(Input.ASSERT)
        return NOBODY if entry.latched else entry.step(Input.DEASSERT)

    def pend(self, line: int) -> Roused:
        """Software makes the line pending, once: until it is acknowledged."""
        entry = self._line(line)
        entry.latched = True
        return entry.step(Input.ASSERT)

    # ---- guests

    def mask(self, vcpu: int, line: int) -> None:
        """Keep the line from `vcpu`. It may become pending meanwhile.

        Raises:
            Refused: not its line.
        """
        self._owned(vcpu, line).masked = True

    def unmask(self, vcpu: int, line: int) -> Roused:
        """Let the line through again.

        Raises:
            Refused: not its line.
        """
        entry = self._owned(vcpu, line)
        was_masked, entry.masked = entry.masked, False
        return entry.audience() if was_masked else NOBODY

    def ack(self, vcpu: int) -> int | None:
        """The deliverable line of highest priority, now active; None if there is none."""
        mine = [(-e.priority, line) for line, e in enumerate(self._lines) if e.vcpu == vcpu and e.deliverable]
        if not mine:
            return None
        line = min(mine)[1]
        entry = self._lines[line]
        entry.latched = False
        entry.step(Input.ACK_HELD if entry.level else Input.ACK)
        return line

    def eoi(self, vcpu: int, line: int) -> Roused:
        """The vCPU is done with an active line; while its input is high, it comes again.

        Raises:
            Refused: not its line, or not active.
        """
        entry = self._owned(vcpu, line)
        if Input.EOI not in TRANSITIONS[entry.state]:
            raise Refused(Status.WRONG_STATE, f"line {line} is not active")
        return entry.step(Input.EOI)

    # ---- questions

    def deliverable(self, vcpu: int) -> bool:
        """Would `ack` give this vCPU a line?"""
        return any(entry.vcpu == vcpu and entry.deliverable for entry in self._lines)

    def pending(self, vcpu: int, line: int) -> bool:
        """Could `ack` give this line to this vCPU, sooner or later?"""
        entry = self._line(line)
        return entry.vcpu == vcpu and entry.deliverable

    def lines_of(self, vcpu: int) -> tuple[int, ...]:
        """The lines that are routed to it."""
        return tuple(line for line, entry in enumerate(self._lines) if entry.vcpu == vcpu)

    def owner(self, line: int) -> int | None:
        """The vCPU that the line is routed to."""
        return self._line(line).vcpu

    def level(self, line: int) -> bool:
        """What its device drives it to."""
        return self._line(line).level

    def state(self, line: int) -> LineState:
        """The line's state."""
        return self._line(line).state

    def check_invariants(self) -> None:
        """A line is pending exactly when it has a reason; only a routed one is active or masked.

        Raises:
            InvariantBroken: it is not so.
        """
        problems = []
        for number, line in enumerate(self._lines):
            pending, active = line.state.value
            if pending != (line.level or line.latched):
                problems.append(f"interrupts: line {number} is pending without a reason, or the reverse: {line}")
            if line.vcpu is None and (active or line.masked):
                problems.append(f"interrupts: line {number} is nobody's, yet active or masked: {line}")
        require_none(problems)

    def _line(self, line: int) -> Line:
        if not 0 <= line < len(self._lines):
            raise Refused(Status.BAD_ARGUMENT, f"there is no line {line}, only 0..{len(self._lines) - 1}")
        return self._lines[line]

    def _owned(self, vcpu: int, line: int) -> Line:
        entry = self._line(line)
        if entry.vcpu != vcpu:
            raise Refused(Status.NOT_YOURS, f"line {line} is not routed to vCPU {vcpu}")
        return entry
