"""What is said of architectures, held against what was seen: a claim holds or not, or was not tried, and which line shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypervisor.faults import Verdict
from hypervisor.faults.verdict import BAD, SEVERITY
from hypervisor.shell.campaigns.coverage import IDLE
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.campaigns.schema import CampaignFile, ClaimSection


@dataclass(frozen=True)
class Finding:
    """`word`: holds, does not hold, not tried. `seen`: in words; `shown_by`: the injection that fared worst."""

    says: str
    word: str
    tried: int
    seen: str
    shown_by: Result | None


def judge_claims(file: CampaignFile, results: Sequence[Result]) -> list[Finding]:
    """Each by the injections that it is about."""
    names = [fault.name for fault in file.fault]
    return [_judge(claim, [each for each in results if _is_about(claim, each, names)]) for claim in file.claim]


def _is_about(claim: ClaimSection, result: Result, names: Sequence[str]) -> bool:
    line = names[result.fault] if result.fault < len(names) else ""
    wanted = (
        (claim.topologies, result.topology),
        (claim.flavours, result.flavour),
        (claim.actions, result.action),
        (claim.faults, line),
    )
    struck = Verdict(result.verdict) not in IDLE
    return struck and result.victim == claim.cell and all(not among or name in among for among, name in wanted)


def _judge(claim: ClaimSection, results: list[Result]) -> Finding:
    if not results:
        return Finding(claim.says, "not tried", 0, "no injection of this campaign struck there", None)
    worst = max(results, key=lambda result: _severity(claim, result))
    cell, verdict, why = _worst(claim, worst)
    holds = all(_severity(claim, result) <= SEVERITY.index(Verdict(claim.at_worst)) for result in results)
    seen = f"{cell}: {verdict}" + (f" ({why})" if why else "")
    return Finding(claim.says, "holds" if holds else "does not hold", len(results), seen, worst)


def _severity(claim: ClaimSection, result: Result) -> int:
    return SEVERITY.index(Verdict(_worst(claim, result)[1]))


def _worst(claim: ClaimSection, result: Result) -> tuple[str, str, str]:
    """Of those that the claim says are spared, the one that fared worst: cell, verdict, why."""
    if Verdict(result.verdict) in BAD and not result.cells:
        return "the board", result.verdict, result.why
    spared = {
        cell: found
        for cell, found in result.cells.items()
        if cell in claim.spared or (not claim.spared and cell != claim.cell)
    }
    if not spared:
        return "all others", str(Verdict.MASKED), "there are none"
    cell = max(spared, key=lambda name: SEVERITY.index(Verdict(spared[name][0])))
    return cell, *spared[cell]
