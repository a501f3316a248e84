"""What a file says of the flavour's costs: `[costs]`, checked by name, as changes to the flavour's own.

```toml
[costs]
hypercall = 100                # world_switch | hypercall | device_exit | virq: cycles
operations = { ipc = 300 }     # the flavour's own mechanisms, by their cause in the ledger
```

From the command line: `--set costs.hypercall=100`, `--set costs.operations.ipc=300`. What the board's CPU takes is the board's:
`--set board.cpu.timing.load.cycles=2`.
"""

from __future__ import annotations

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import Costs

OPERATIONS = "operations"


def resolve_costs(section: Costs, flavour: str, report: Report) -> dict[str, int]:
    """Key -> cycles ("hypercall", "operations.ipc") of what the file changes; a problem for each that the flavour lacks."""
    given = section.model_dump(exclude={OPERATIONS}, exclude_none=True)
    found = FLAVOURS.get(flavour)
    known = found.costs.operations if found else section.operations
    for name, cycles in section.operations.items():
        if name not in known:
            what = f"no operation of {flavour} is called so; {nearest(name, known)}"
            report.add(f"costs.{OPERATIONS}.{name}", what if known else f"{flavour} has no operations (remove the key)")
        given[f"{OPERATIONS}.{name}"] = cycles
    return given
