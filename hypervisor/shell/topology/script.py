"""The section `[[inputs]]`: what comes from outside at given times, as if a person were there.

```toml
[[inputs]]
at = "800ms"
touch = [160, 120]               # a pixel of the screen; the pen is lifted after `hold`, 60ms unless said

[[inputs]]
at = "2s"
cell = "amss"
type = "ring 5551234\\n"          # at its console

[[inputs]]
at = "3s"
cell = "linux"
order = "kill"                   # restart, pause, unpause
```

They are inputs like those of a person: written to inputs.jsonl, and a replay takes them from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypervisor.shell.inputs import InputKind, Touch
from hypervisor.shell.topology.cells import Context
from hypervisor.shell.topology.problems import nearest
from hypervisor.shell.topology.schema import File, Input
from hypervisor.shell.topology.spec import CellSpec, InputSpec

WAYS = ("touch", "type", "order")
"""What an input can be; each has exactly one."""
MODEL = "touch"
"""The device model that is touched."""


def resolve_inputs(file: File, cells: Sequence[CellSpec], context: Context) -> tuple[InputSpec, ...]:
    """The script in the order of time; with problems in the report it serves for nothing."""
    found: list[InputSpec] = []
    for number, entry in enumerate(file.inputs):
        key = f"inputs[{number}]"
        ways = [way for way in WAYS if getattr(entry, way) is not None]
        if len(ways) != 1:
            context.report.add(
                key, f"has {' and '.join(ways) or 'nothing that happens'}; give one of {', '.join(WAYS)}"
            )
        elif ways == ["touch"]:
            found += _touches(key, entry, cells, context)
        else:
            found += _to_cell(key, entry, cells, context)
    return tuple(sorted(found, key=lambda each: each.at))


def _to_cell(key: str, entry: Input, cells: Sequence[CellSpec], context: Context) -> Iterator[InputSpec]:
    """Something typed, or an order."""
    names = [cell.name for cell in cells]
    if entry.cell is None:
        context.report.add(f"{key}.cell", "missing; it says whose console or who is meant")
    elif entry.cell not in names:
        context.report.add(f"{key}.cell", f'no cell is called "{entry.cell}"; {nearest(entry.cell, names)}')
    else:
        kind = InputKind.CONSOLE if entry.type is not None else InputKind(entry.order or "")
        yield InputSpec(context.cycles(f"{key}.at", entry.at), kind, entry.cell, (entry.type or "").encode())


def _touches(key: str, entry: Input, cells: Sequence[CellSpec], context: Context) -> Iterator[InputSpec]:
    """The pen comes down, and is lifted."""
    panels = [spec.name for spec in context.board.physical if spec.model == MODEL] if context.board else []
    screens = {device: cell.name for cell in cells for device in cell.devices if device in panels}
    device = entry.device or next(iter(screens), "")
    if device not in screens:
        why = (
            f'nobody drives a touch screen "{device}"; {nearest(device, screens)}'
            if device
            else "no cell has a touch screen"
        )
        context.report.add(f"{key}.touch", why)
        return
    assert entry.touch is not None
    down, hold = context.cycles(f"{key}.at", entry.at), context.cycles(f"{key}.hold", entry.hold)
    try:
        for at, pressed in ((down, 1), (down + hold, 0)):
            yield InputSpec(at, InputKind.TOUCH, screens[device], Touch.on_pixel(device, *entry.touch, pressed).data)
    except ValueError as error:
        context.report.add(f"{key}.touch", str(error))
