"""A campaign as users write it, and everything that is wrong with one: file, key, reason, the nearest name.

A key that is wrong is told and left out, so that one look shows all; nothing runs until all is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from hypervisor.abi.time import parse_time
from hypervisor.faults import ACTIONS, POINTS, Key, Order, Verdict
from hypervisor.faults.points import is_compiled_in
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.runs.files import Shelf
from hypervisor.shell.topology.forms import Text, Texts, Time
from hypervisor.shell.topology.parse import explain, place
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import Section, keys_of

MOST = 10_000
"""Draws, repetitions and seeds of a line: a slip of the finger must not start a run of a week."""
TEXT_LIMIT = 64
"""Of a text that an action is told, as abi/faults.py has it."""
BACKSTOP_S = 10.0
"""Host seconds after which a cell that computes, or is stopped, in a turn without an end is said to hang."""
VERDICTS = {str(verdict): verdict for verdict in Verdict}
LIMIT_S = 120.0
"""Host seconds after which a run is said to hang."""


def _known(names: Mapping[str, object]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f'"{value}" is not known; {nearest(value, names)}')
        return value

    return check


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f'"{value}" is no regular expression: {error}') from None
    return value


def _count(value: int) -> int:
    if not 1 <= value <= MOST:
        raise ValueError(f"must be 1..{MOST}, not {value}")
    return value


def _visit(value: int) -> int:
    if value < 1:
        raise ValueError(f"must be 1 for the first visit, or more, not {value}")
    return value


def _probability(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"must be above 0 and at most 1, not {value:g}")
    return value


def _seeds(value: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(value) <= MOST or any(not 0 <= seed < 2**64 for seed in value):
        raise ValueError(f"must be 1..{MOST} numbers from 0 to 2^64 - 1")
    return value


def _tables(value: object) -> object:
    """A topology by its name alone is a table with nothing else in it."""
    return (
        [{"topology": each} if isinstance(each, str) else each for each in value] if isinstance(value, list) else value
    )


def _limit(value: float) -> float:
    if not 0.1 <= value <= 86_400:
        raise ValueError(f"must be 0.1..86400 seconds of the host, not {value:g}")
    return value


Count = Annotated[int, AfterValidator(_count)]
Visit = Annotated[int, AfterValidator(_visit)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(strict=False)]


class FaultSection(Section):
    """One line: what is done to whom, and when. `topologies`, `flavours`: in these only; left out, in all that have the
    cell. What else stands there must be keys of the action (`ACTIONS`).
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    action: Annotated[str, AfterValidator(_known(ACTIONS))]
    name: str = ""
    cell: str = ""
    topologies: Texts = ()
    flavours: Annotated[tuple[Annotated[str, AfterValidator(_known(FLAVOURS))], ...], Field(strict=False)] = ()
    at: Time | None = None
    within: Annotated[tuple[Time, Time] | None, Field(strict=False)] = None
    count: Count = 1
    probability: Annotated[float | None, AfterValidator(lambda p: p if p is None else _probability(p))] = None
    point: Annotated[str | None, AfterValidator(lambda p: p if p is None else _known(POINTS)(p))] = None
    visit: Visit = 1
    times: Count = 1
    every: Time = "10ms"
    hold: Time | None = None

    @property
    def waits(self) -> bool:
        """Whether it strikes at a point in the code, and not at a time or at a record of the trace."""
        return is_compiled_in(self.point or ACTIONS[self.action].point)

    @property
    def values(self) -> dict[str, Any]:
        """What its action is told."""
        return dict(self.model_extra or {})


class Moment(Section):
    """When a fault of a pairwise campaign strikes: at this time if at a time, at this visit if at a point."""

    at: Time
    visit: Visit


class PairwiseSection(Section):
    """Faults that are chosen so that any two of action, place, cell, flavour and moment meet at least once (faults/pairwise.py).
    `but`: actions that are left out.
    """

    moments: Annotated[tuple[Moment, ...], Field(strict=False)]
    but: Annotated[tuple[Annotated[str, AfterValidator(_known(ACTIONS))], ...], Field(strict=False)] = ()


class ClaimSection(Section):
    """Something that is said of an architecture, and the injections that can refute it: those into `cell`, by `actions` or the
    lines called `faults`, in `topologies`, under `flavours`. It holds if none of `spared` (all others, if left out) fares worse
    than `at_worst`.
    """

    says: Text
    cell: Text
    topologies: Texts = ()
    flavours: Annotated[tuple[Annotated[str, AfterValidator(_known(FLAVOURS))], ...], Field(strict=False)] = ()
    actions: Annotated[tuple[Annotated[str, AfterValidator(_known(ACTIONS))], ...], Field(strict=False)] = ()
    faults: Texts = ()
    spared: Texts = ()
    at_worst: Annotated[str, AfterValidator(_known(VERDICTS))] = Verdict.DEGRADED


class DeviceKeys(Section):
    """What a campaign says about a device; those of the campaign itself are for every topology that does not say otherwise."""

    set: Texts = ()
    flavours: Annotated[tuple[Annotated[str, AfterValidator(_known(FLAVOURS))], ...], Field(strict=False)] = ()
    seeds: Annotated[tuple[int, ...], Field(strict=False), AfterValidator(_seeds)] = (1,)
    for_: Time | None = Field(alias="for", default=None)
    limit: Annotated[float, AfterValidator(_limit)] = LIMIT_S
    untouchable: Texts = ()
    common: Texts = ()
    patience: Annotated[float, AfterValidator(_limit)] = BACKSTOP_S
    may_say: Patterns = ()
    may_die: Patterns = ()
    volatile: Patterns = ()
    figures: Texts = ()
    no_worse: Texts = ()


class TopologySection(DeviceKeys):
    """One of several topologies of a campaign. `name`: what the campaign calls it; the topology's own name if left out."""

    topology: Text
    name: str = ""

    @property
    def label(self) -> str:
        """Its name in this campaign."""
        return self.name or Path(self.topology).stem


class CampaignFile(DeviceKeys):
    """A whole campaign."""

    description: str = ""
    topology: Text | None = None
    topologies: Annotated[tuple[TopologySection, ...], Field(strict=False), BeforeValidator(_tables)] = ()
    fault: Annotated[tuple[FaultSection, ...], Field(strict=False)] = ()
    pairwise: PairwiseSection | None = None
    claim: Annotated[tuple[ClaimSection, ...], Field(strict=False)] = ()

    def devices(self) -> tuple[TopologySection, ...]:
        """Its topologies, each with all keys: its own, else the campaign's."""
        sections = self.topologies or (TopologySection(topology=self.topology or ""),)
        shared = {key: getattr(self, key) for key in DeviceKeys.model_fields if key in self.model_fields_set}
        return tuple(
            section.model_copy(
                update={key: value for key, value in shared.items() if key not in section.model_fields_set}
            )
            for section in sections
        )


CAMPAIGNS = Shelf("campaign", "campaigns")


def built_in() -> list[str]:
    """Names of the built-in campaigns."""
    return CAMPAIGNS.names()


def read(name: str) -> tuple[str, Path, CampaignFile]:
    """A campaign by built-in name or path: the name that it goes by, its file, its content.

    Raises:
        TopologyError: with everything that is wrong.
    """
    return CAMPAIGNS.read(name, _parse)


def _parse(data: dict[str, Any], report: Report) -> CampaignFile | None:
    try:
        file = CampaignFile.model_validate(data)
    except ValidationError as error:
        for detail in error.errors():
            report.add(place(detail["loc"]), _explain(detail))
        _judge_those_in_form(data, report)
        return None
    _judge_topologies(file, report)
    if not file.fault and file.pairwise is None:
        report.add("fault", "there is none; write [[fault]]")
    if file.pairwise is not None and not file.pairwise.moments:
        report.add("pairwise.moments", 'there is none; write for example [{ at = "1ms", visit = 1 }]')
    for number, fault in enumerate(file.fault):
        _judge(f"fault[{number}]", fault, report)
    return file


def _judge_those_in_form(data: Mapping[str, Any], report: Report) -> None:
    """Lines whose form is right, in a file that has others."""
    lines = data.get("fault")
    for number, line in enumerate(lines if isinstance(lines, list) else []):
        with suppress(ValidationError):
            _judge(f"fault[{number}]", FaultSection.model_validate(line), report)


def _judge_topologies(file: CampaignFile, report: Report) -> None:
    """At least one; each with a name of its own, and an end."""
    if bool(file.topology) == bool(file.topologies):
        report.add(
            "topology",
            "missing; name one, or several as topologies = [...]"
            if not file.topology
            else "give topology or topologies",
        )
        return
    devices = file.devices()
    names = [device.label for device in devices]
    for number, device in enumerate(devices):
        key = f"topologies[{number}]" if file.topologies else ""
        if device.for_ is None:
            report.add(f"{key}.for" if key else "for", "missing; say how long each run is in virtual time")
        if names.index(device.label) != number:
            report.add(f"{key}.name", f'a second one is called "{device.label}"; give it a name of its own')
    named = [(f"fault[{number}]", fault.topologies) for number, fault in enumerate(file.fault)]
    named += [(f"claim[{number}]", claim.topologies) for number, claim in enumerate(file.claim)]
    lines = [fault.name for fault in file.fault if fault.name]
    for number, claim in enumerate(file.claim):
        for name in claim.faults:
            if name not in lines:
                report.add(f"claim[{number}].faults", f'no fault has name = "{name}"; {nearest(name, lines)}')
    for key, wanted in named:
        for name in wanted:
            if name not in names:
                report.add(f"{key}.topologies", f'none is called "{name}"; {nearest(name, names)}')


def _judge(key: str, fault: FaultSection, report: Report) -> None:
    """What the keys of one line mean together."""
    action = ACTIONS[fault.action]
    triggers = [name for name in ("at", "point", "within", "probability") if getattr(fault, name) is not None]
    if not triggers and not fault.waits:
        report.add(key, "says not when; give at, point, within or probability")
    elif not fault.waits and triggers[0] in ("at", "point") and len(triggers) > 1:
        report.add(key, f"has {' and '.join(triggers)}; give one (probability may stand with within)")
    elif fault.at is not None and fault.within is not None:
        report.add(key, "has at and within; give one")
    elif not fault.within and triggers and triggers[0] in ("at", "point") and fault.count > 1:
        report.add(f"{key}.count", "is for random times; write times = N to do it again and again in one run")
    if action.guests and not fault.cell:
        report.add(f"{key}.cell", 'missing; name a cell, or "*" for each in turn')
    if not action.guests and fault.cell:
        report.add(f"{key}.cell", f"{action.name} strikes the host, and no cell; leave it out")
    _judge_place(key, fault, report)
    _judge_values(key, fault, report)


def _judge_place(key: str, fault: FaultSection, report: Report) -> None:
    """Whether its action makes sense at its point."""
    action, point = ACTIONS[fault.action], POINTS.get(fault.point or "")
    if point is None or not is_compiled_in(point.name):
        return
    if Order.INJECT not in action.orders:
        report.add(
            f"{key}.point",
            f"{action.name} cannot wait there; give at, or a point of the trace (cellvisor inject --list)",
        )
    elif action.points and point.name not in action.points:
        report.add(f"{key}.point", f"{action.name} strikes at {' or '.join(action.points)}")
    elif point.actions and action.name not in point.actions:
        report.add(f"{key}.point", f"{action.name} makes no sense there: {', '.join(point.actions)}")


def _judge_values(key: str, fault: FaultSection, report: Report) -> None:
    """The keys that only its action has."""
    known = {each.name: each for each in ACTIONS[fault.action].keys}
    for name, value in fault.values.items():
        if name not in known:
            report.add(f"{key}.{name}", f"unknown key; {nearest(name, [*keys_of(FaultSection), *known])}")
        elif why := _wrong(known[name], value):
            report.add(f"{key}.{name}", why)


def _no_time(value: object) -> str:
    try:
        parse_time(str(value), 10**9)
    except ValueError as error:
        return str(error)
    return ""


def _wrong(key: Key, value: object) -> str:
    """What is wrong with the value of a key, "" if nothing is."""
    if key.form == "time":
        return _no_time(value)
    if key.form == "text":
        return "" if isinstance(value, str) and len(value) <= TEXT_LIMIT else f"must be a short text, not {value!r}"
    known = type(value) is int and key.least <= value <= key.most
    return "" if known else f"must be {key.least}..{key.most}, not {value!r}"


def _explain(detail: ErrorDetails) -> str:
    """A problem of form in the words of topologies."""
    if detail["type"] == "extra_forbidden":
        section = TopologySection if len(detail["loc"]) > 1 else CampaignFile
        return f"unknown key; {nearest(str(detail['loc'][-1]), keys_of(section))}"
    return explain(detail)
