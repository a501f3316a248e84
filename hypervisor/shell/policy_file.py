"""A policy file of labels and rules: its form, everything that is wrong with it, and the `Policy` that it makes.

```toml
types = ["storage"]                  # type enforcement: who has one in common may talk and share
walls = ["bank", "game"]             # Chinese wall: what cells are

[labels.client_t]                    # a cell's `label`
types = ["storage"]
walls = ["bank"]

[conflicts]                          # of the walls of one set only one may run at a time
money = ["bank", "game"]

[devices]                            # which types a device has
flash0 = ["storage"]
```

Types and walls are declared before they are used, so that a slip of the pen is a problem and not a hole: a mistyped type would
quietly deny, a mistyped wall quietly allow. As with topologies, one pass finds every problem, each a line of file, key, reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from boards import toml
from hypervisor.core.xen.policy import Policy
from hypervisor.shell.topology.forms import Text
from hypervisor.shell.topology.parse import explain, place
from hypervisor.shell.topology.problems import Report, nearest


def _once(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for number, name in enumerate(value) if name in value[:number]]
    if twice:
        raise ValueError(f'names "{twice[0]}" twice (name each once)')
    return value


Names = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_once)]


class Table(BaseModel):
    """A table of the file: no key but the declared ones, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LabelTable(Table):
    """What cells of one label may share, and what they are."""

    types: Names = ()
    walls: Names = ()


class PolicyFile(Table):
    """A whole policy."""

    name: str = ""
    description: str = ""
    types: Names = ()
    walls: Names = ()
    labels: dict[str, LabelTable]
    conflicts: dict[str, Names] = Field(default_factory=dict)
    devices: dict[str, Names] = Field(default_factory=dict)


KEYS: dict[str, type[Table]] = {"": PolicyFile, "labels": LabelTable}
"""Which table is found under a top-level key."""


def read_policy(text: str, report: Report) -> Policy | None:
    """The policy that a file's text says; None if anything is wrong with it, which is then in the report."""
    before = len(report.problems)
    try:
        table = toml.loads(text)
    except toml.TomlError as error:
        why, _, where = str(error).rpartition(" (")
        report.add(where.strip("()").removeprefix("at "), f"is not TOML: {why}")
        return None
    try:
        file = PolicyFile.model_validate(table)
    except ValidationError as error:
        for detail in error.errors():
            report.add(place(detail["loc"]), _why(detail))
        return None
    for key, why in _contradictions(file):
        report.add(key, why)
    return Policy.of(table) if len(report.problems) == before else None


def judge_cells(policy: Policy, cells: Iterable[tuple[str, str, str, Iterable[str]]], report: Report) -> None:
    """Do cells and policy fit together? `cells`: (key, name, label, devices); problems are the topology's."""
    for key, name, label, devices in cells:
        if not label:
            why = f"missing; under a policy a cell without a label may do nothing ({nearest('', policy.labels)})"
            report.add(f"{key}.label", why)
            continue
        if label not in policy.labels:
            report.add(f"{key}.label", f'the policy has no label "{label}"; {nearest(label, policy.labels)}')
            continue
        for device in devices:
            decision = policy.allow(label, device, "device_assignment")
            if not decision.allowed:
                report.add(f"{key}.devices", f"the policy denies {name} {device}: {decision.rule}")


def _why(detail: Any) -> str:
    """A problem of form in our words."""
    if detail["type"] == "extra_forbidden":
        *table, word = detail["loc"]
        section = KEYS[str(table[0]) if table else ""]
        return f"unknown key; {nearest(str(word), section.model_fields)}"
    return explain(detail)


def _contradictions(file: PolicyFile) -> Iterator[tuple[str, str]]:
    """What is well formed and makes no sense: (key, why)."""
    if not file.labels:
        yield "labels", "there is none (without one nobody may do anything)"
    yield from _undeclared(file)
    for name, walls in file.conflicts.items():
        if len(walls) < 2:
            yield f"conflicts.{name}", "needs two walls or more: a single one conflicts with nothing"
    for name, label in file.labels.items():
        for conflict, walls in file.conflicts.items():
            both = sorted(set(label.walls) & set(walls))
            if len(both) > 1:
                yield (
                    f"labels.{name}.walls",
                    f"{' and '.join(both)} conflict by conflicts.{conflict}: nobody can be both",
                )


def _undeclared(file: PolicyFile) -> Iterator[tuple[str, str]]:
    declared: Mapping[str, tuple[str, ...]] = {"type": file.types, "wall": file.walls}
    used = [(f"labels.{name}.types", "type", label.types) for name, label in file.labels.items()]
    used += [(f"labels.{name}.walls", "wall", label.walls) for name, label in file.labels.items()]
    used += [(f"conflicts.{name}", "wall", walls) for name, walls in file.conflicts.items()]
    used += [(f"devices.{name}", "type", types) for name, types in file.devices.items()]
    for key, kind, names in used:
        for name in names:
            if name not in declared[kind]:
                yield key, f'no {kind} "{name}" is declared; {nearest(name, declared[kind])}'
