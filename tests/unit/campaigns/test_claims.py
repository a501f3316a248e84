"""What is said of an architecture holds, does not, or was not tried; and the injection that shows it is the worst of those."""

from __future__ import annotations

from typing import Any

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns.claims import Finding, judge_claims
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.campaigns.schema import CampaignFile


def result(number: int, cells: dict[str, str], **changes: Any) -> Result:
    fields = {"topology": "t", "flavour": "l4", "action": "kill", "cell": "driver", "verdict": "contained", **changes}
    told = {name: (verdict, "") for name, verdict in cells.items()}
    return Result(id=f"{number}", seed=1, fault=0, at=5, why="", cells=told, **fields)


def judged(results: list[Result], **claim: Any) -> Finding:
    faults = [{"action": "kill", "cell": "driver", "at": "5us", "name": "first"}]
    says = {"says": "it spares the client", "cell": "driver", **claim}
    file = CampaignFile.model_validate({"topology": "t", "for": "1ms", "fault": faults, "claim": [says]})
    [finding] = judge_claims(file, results)
    return finding


HARMLESS = result(1, {"driver": "contained", "client": "masked", "other": "degraded"})
HARMFUL = result(2, {"driver": "contained", "client": "degraded", "other": "masked"})


def test_it_holds_if_none_that_is_spared_fares_worse_than_it_says() -> None:
    assert judged([HARMLESS, HARMFUL]).word == "holds"
    assert judged([HARMLESS], spared=["client"], at_worst="masked").word == "holds"
    found = judged([HARMLESS, HARMFUL], spared=["client"], at_worst="masked")
    assert (found.word, found.seen, found.tried) == ("does not hold", "client: degraded", 2)
    assert found.shown_by is HARMFUL


def test_what_is_not_about_it_says_nothing() -> None:
    assert judged([HARMFUL], flavours=["xen"]).word == "not tried"
    assert judged([HARMFUL], actions=["loop"]).word == "not tried"
    assert judged([HARMFUL], faults=["first"]).word == "holds"
    idle = result(3, {"client": "masked"}, verdict=str(Verdict.NOT_ACTIVATED))
    assert judged([idle]).word == "not tried"


def test_a_monitor_that_fails_spares_nobody() -> None:
    found = judged([HARMLESS, result(4, {}, verdict="monitor-failure")])
    assert (found.word, found.seen) == ("does not hold", "the board: monitor-failure")
