"""A campaign as users write it, and everything that is wrong with one: file, key, reason, the nearest name.

A key that is wrong is told and left out, so that one look shows all; nothing runs until all is right.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from hypervisor.faults import ACTIONS, POINTS
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.topology.problems import Problem, Report, TopologyError, nearest
from hypervisor.shell.topology.schema import Section, Text, Texts, Time, explain, keys_of, place

MOST = 10_000
"""Draws, repetitions and seeds of a line: a slip of the finger must not start a run of a week."""
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


def _limit(value: float) -> float:
    if not 0.1 <= value <= 86_400:
        raise ValueError(f"must be 0.1..86400 seconds of the host, not {value:g}")
    return value


Count = Annotated[int, AfterValidator(_count)]
Visit = Annotated[int, AfterValidator(_visit)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(strict=False)]


class FaultSection(Section):
    """One line: what is done to whom, and when."""

    action: Annotated[str, AfterValidator(_known(ACTIONS))]
    cell: Text
    at: Time | None = None
    within: Annotated[tuple[Time, Time] | None, Field(strict=False)] = None
    count: Count = 1
    probability: Annotated[float | None, AfterValidator(lambda p: p if p is None else _probability(p))] = None
    point: Annotated[str | None, AfterValidator(lambda p: p if p is None else _known(POINTS)(p))] = None
    visit: Visit = 1
    times: Count = 1
    every: Time = "10ms"
    hold: Time = "10ms"


class CampaignFile(Section):
    """A whole campaign."""

    description: str = ""
    topology: Text
    set: Texts = ()
    flavours: Annotated[tuple[Annotated[str, AfterValidator(_known(FLAVOURS))], ...], Field(strict=False)] = ()
    seeds: Annotated[tuple[int, ...], Field(strict=False), AfterValidator(_seeds)] = (1,)
    for_: Time = Field(alias="for")
    limit: Annotated[float, AfterValidator(_limit)] = LIMIT_S
    untouchable: Texts = ()
    may_say: Patterns = ()
    volatile: Patterns = ()
    figures: Texts = ()
    fault: Annotated[tuple[FaultSection, ...], Field(strict=False)]


def campaigns() -> Path:
    """The directory of the built-in campaigns."""
    return Path(str(files("boards"))) / "campaigns"


def built_in() -> list[str]:
    """Names of the built-in campaigns."""
    return sorted(path.stem for path in campaigns().glob("*.toml"))


def read(name: str) -> tuple[str, Path, CampaignFile]:
    """A campaign by built-in name or path: the name that it goes by, its file, its content.

    Raises:
        TopologyError: with everything that is wrong.
    """
    path = campaigns() / f"{name}.toml" if name in built_in() else Path(name)
    label = name if name in built_in() else str(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _alone(label, f"no such campaign, and no such file ({nearest(path.stem, built_in())})") from None
    except OSError as error:
        raise _alone(label, f"cannot be read: {(error.strerror or str(error)).lower()} (give a TOML file)") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _alone(label, f"is not TOML: {error}") from None
    report = Report(label)
    file = _parse(data, report)
    if file is None or report.problems:
        raise TopologyError(report.problems)
    return path.stem, path, file


def _parse(data: dict[str, Any], report: Report) -> CampaignFile | None:
    try:
        file = CampaignFile.model_validate(data)
    except ValidationError as error:
        for detail in error.errors():
            report.add(place(detail["loc"]), _explain(detail))
        return None
    if not file.fault:
        report.add("fault", "there is none; write [[fault]]")
    for number, fault in enumerate(file.fault):
        _judge(f"fault[{number}]", fault, report)
    return file


def _judge(key: str, fault: FaultSection, report: Report) -> None:
    """What the keys of one line mean together."""
    triggers = [name for name in ("at", "point", "within", "probability") if getattr(fault, name) is not None]
    if not triggers:
        report.add(key, "says not when; give at, point, within or probability")
    elif triggers[0] in ("at", "point") and len(triggers) > 1:
        report.add(key, f"has {' and '.join(triggers)}; give one (probability may stand with within)")
    elif triggers[0] in ("at", "point") and fault.count > 1:
        report.add(f"{key}.count", "is for random times; write times = N to do it again and again in one run")


def _explain(detail: ErrorDetails) -> str:
    """A problem of form in the words of topologies."""
    if detail["type"] == "extra_forbidden":
        section = FaultSection if len(detail["loc"]) > 1 else CampaignFile
        return f"unknown key; {nearest(str(detail['loc'][-1]), keys_of(section))}"
    return explain(detail)


def _alone(file: str, why: str) -> TopologyError:
    return TopologyError([Problem(file, "", why)])
