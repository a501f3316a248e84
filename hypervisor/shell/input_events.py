"""What an input from outside is to the monitor: one event for each kind.

event_of(Input(step, time, InputKind.CONSOLE, "linux", b"ls\\n"), cell=0)     # Typed(0, b"ls\\n")
"""

from __future__ import annotations

from collections.abc import Callable

from devices.touch import TOUCH
from hypervisor.abi.faults import Armed
from hypervisor.core import events as on
from hypervisor.core.lives import KILLED
from hypervisor.shell.inputs import Input, InputKind, Touch, stream_news, window


def _touched(taken: Input, cell: int) -> on.Event:
    device, *place = Touch.parse(taken.data)
    return on.DeviceTouched(cell, device, TOUCH.pack(*place))


def _stored(taken: Input, _cell: int) -> on.Event:
    path, _, value = taken.data.partition(b"\0")
    return on.StoreWritten(path.decode("latin-1"), value)


EVENTS: dict[InputKind, Callable[[Input, int], on.Event]] = {
    InputKind.UNTIL: lambda taken, cell: on.StopSet(int(taken.data)),
    InputKind.KILL_AT: lambda taken, cell: on.KillPlanned(cell, int(taken.data), KILLED),
    InputKind.DIED: lambda taken, cell: on.KillPlanned(cell, taken.time, taken.data.decode()),  # which is due at once
    InputKind.INJECT: lambda taken, cell: on.FaultOrdered(cell, Armed.from_text(taken.data)),
    InputKind.CONSOLE: lambda taken, cell: on.Typed(cell, taken.data),
    InputKind.RESIZE: lambda taken, cell: on.WindowChanged(cell, *window(taken.data)),
    InputKind.END: lambda taken, cell: on.InputEnded(cell),
    InputKind.STREAM: lambda taken, cell: on.StreamTold(cell, *stream_news(taken.data)),
    InputKind.TOUCH: _touched,
    InputKind.STORE: _stored,
}
"""All others are orders of the operator's, by their names."""


def event_of(taken: Input, cell: int) -> on.Event:
    """The event of an input. `cell`: the number of the cell that it names, -1 for none."""
    found = EVENTS.get(taken.kind)
    return found(taken, cell) if found is not None else on.OperatorAsked(str(taken.kind), cell)
