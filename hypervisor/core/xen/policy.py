"""Mandatory access control in the manner of sHype: labels, type enforcement, Chinese wall. Pure data and one question.

A policy gives each label two sets. Its *types* say what it may share: two cells may have an event channel or a grant between
them, and a cell may have a device, if they have a type in common. Its *walls* say what it is: no two cells of one conflict
set may run at the same time, so that none can hand the secrets of one customer to a rival of his. Whatever no rule allows
is denied, and nobody's own wish counts: neither the owner of a page nor the control domain can overrule the policy.
(R. Sailer et al., "Building a MAC-Based Security Architecture for the Xen Open-Source Hypervisor", ACSAC 2005.)

>>> policy = Policy.of({"labels": {"client_t": {"types": ["storage"]}, "driver_t": {"types": ["storage", "flash"]}}})
>>> policy.allow("client_t", "driver_t", "grant")
Decision(allowed=True, rule='type enforcement: client_t and driver_t share storage')
>>> policy.allow("client_t", "", "event_channel").rule
'no such label: ""'
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NO_TYPES: frozenset[str] = frozenset()


class Decision(NamedTuple):
    """What a policy says, and by which rule."""

    allowed: bool
    rule: str


@dataclass(frozen=True, slots=True)
class Label:
    """What cells of one label may share (`types`) and what they are (`walls`)."""

    types: frozenset[str] = NO_TYPES
    walls: frozenset[str] = NO_TYPES


@dataclass(frozen=True, slots=True)
class Policy:
    """Labels, types of devices, and conflict sets by name."""

    name: str = ""
    labels: Mapping[str, Label] = field(default_factory=dict)
    devices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    conflicts: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Policy:
        """From the tables of a policy file. Requires: they have been judged (shell/policy_file.py)."""
        labels = {
            name: Label(frozenset(label.get("types", ())), frozenset(label.get("walls", ())))
            for name, label in table.get("labels", {}).items()
        }
        return cls(
            table.get("name") or "",
            labels,
            {name: frozenset(types) for name, types in table.get("devices", {}).items()},
            {name: frozenset(walls) for name, walls in table.get("conflicts", {}).items()},
        )

    @classmethod
    def parse(cls, text: str) -> Policy | None:
        """From a policy file's text; None for "", which means that there is no policy. Requires: as for `of`."""
        return cls.of(tomllib.loads(text)) if text else None

    def allow(self, subject: str, object_: str, operation: str) -> Decision:
        """May a cell of the label `subject` do `operation` to `object_`?

        That is a label too; for "device_assignment" a device. For "cell_creation": may a cell of the label `subject` be
        created while one of the label `object_` runs?

        Raises:
            ValueError: no such operation.
        """
        if operation not in OPERATIONS:
            raise ValueError(f'no operation is called "{operation}"; there are: {", ".join(OPERATIONS)}')
        return OPERATIONS[operation](self, subject, object_)

    def _share(self, subject: str, object_: str) -> Decision:
        unknown = self._unknown(subject, object_)
        return unknown or _common(subject, self.labels[subject].types, object_, self.labels[object_].types)

    def _own(self, subject: str, device: str) -> Decision:
        unknown = self._unknown(subject)
        if unknown is None and device not in self.devices:
            return Decision(False, f'no rule for the device "{device}"')
        return unknown or _common(subject, self.labels[subject].types, device, self.devices[device])

    def _coexist(self, subject: str, running: str) -> Decision:
        unknown = self._unknown(subject, running)
        if unknown is not None:
            return unknown
        mine, theirs = self.labels[subject].walls, self.labels[running].walls
        for name, walls in self.conflicts.items():
            for wall, rival in ((a, b) for a in sorted(mine & walls) for b in sorted(theirs & walls)):
                if wall != rival:
                    why = f"{wall} of {subject} conflicts with {rival} of {running}, which runs"
                    return Decision(False, f"Chinese wall {name}: {why}")
        return Decision(True, f"Chinese wall: {subject} and {running} are in no conflict")

    def _unknown(self, *labels: str) -> Decision | None:
        for label in labels:
            if label not in self.labels:
                return Decision(False, f'no such label: "{label}"')
        return None


def _common(subject: str, mine: frozenset[str], object_: str, theirs: frozenset[str]) -> Decision:
    """Type enforcement: is there a type in common?"""
    both = ", ".join(sorted(mine & theirs))
    if both:
        return Decision(True, f"type enforcement: {subject} and {object_} share {both}")
    have = f"{subject} has {_listed(mine)}, {object_} has {_listed(theirs)}"
    return Decision(False, f"type enforcement: no type in common ({have})")


def _listed(types: Iterable[str]) -> str:
    return ", ".join(sorted(types)) or "none"


OPERATIONS: dict[str, Callable[[Policy, str, str], Decision]] = {
    "event_channel": Policy._share,
    "grant": Policy._share,
    "cell_creation": Policy._coexist,
    "device_assignment": Policy._own,
}
"""What is checked -> by which rule."""
