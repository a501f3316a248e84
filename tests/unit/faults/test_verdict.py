"""The classifier: what is broken on purpose comes out as escaped, what changes nothing as masked, what never fires as such."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.faults import CellSeen, Rules, Seen, Verdict, judge, wilson

TALKS = {
    "client": frozenset({"server"}),
    "server": frozenset({"client", "far"}),
    "far": frozenset({"server"}),
    "alone": frozenset[str](),
}
RULES = Rules(talks=TALKS)
GUEST_ERROR = "guest fault: RefusedError: hypercall 32: status -11 (line 161 of _call)"


def before(**changes: CellSeen) -> Seen:
    cells = {
        "server": CellSeen("blocked", said="ready\n"),
        "client": CellSeen("shut down", "status 0", said="one\ntwo\n"),
        "far": CellSeen("shut down", "status 0", said="far\n"),
        "alone": CellSeen("blocked", said="tick 1\ntick 2\n", misses={"lost": 1}),
    }
    return Seen({**cells, **changes})


def after(**changes: dict[str, Any]) -> Seen:
    """A run in which the server was killed, with changes to some cells."""
    reference = before()
    changes.setdefault("server", {"state": "failed", "why": "killed", "deaths": ((5, "killed"),)})
    cells = {name: dataclasses.replace(cell, **changes.get(name, {})) for name, cell in reference.cells.items()}
    return Seen(cells, struck=5, noticed=5)


def verdicts(seen: Seen, rules: Rules = RULES) -> dict[str, str]:
    return {name: str(verdict) for name, (verdict, _) in judge("server", before(), seen, rules).cells.items()}


def test_a_no_op_fault_is_masked() -> None:
    judgement = judge("server", before(), dataclasses.replace(before(), struck=5), RULES)
    assert judgement.verdict is Verdict.MASKED
    assert {verdict for verdict, _ in judgement.cells.values()} == {Verdict.MASKED}


def test_a_fault_that_never_fires_is_not_activated() -> None:
    assert judge("server", before(), before(), RULES).verdict is Verdict.NOT_ACTIVATED
    assert judge("server", before(), Seen({}), RULES).verdict is Verdict.NOT_ACTIVATED


def test_a_victim_that_nobody_misses_is_contained() -> None:
    assert judge("server", before(), after(), RULES).verdict is Verdict.CONTAINED


@pytest.mark.parametrize(
    "change",
    [
        {"said": "tick 1\ntick 7\n"},
        {"said": "tick 1\n"},
        {"state": "failed", "why": GUEST_ERROR, "deaths": ((9, GUEST_ERROR),)},
        {"deaths": ((9, "killed"),)},
        {"misses": {"lost": 2}},
        {"misses": {"lost": 1, "missed": 1}},
    ],
)
def test_a_bystander_that_is_broken_has_been_escaped_to(change: dict[str, Any]) -> None:
    judgement = judge("server", before(), after(alone=change), RULES)
    assert judgement.verdict is Verdict.ESCAPED
    assert judgement.cells["alone"][0] is Verdict.ESCAPED
    assert judgement.cells["client"][0] is Verdict.MASKED


def test_a_bystander_may_get_further_since_the_cpu_is_free() -> None:
    assert verdicts(after(alone={"said": "tick 1\ntick 2\ntick 3\n"}))["alone"] == "masked"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"said": "one\n"}, "degraded"),
        ({"why": "status 1", "said": "one\n"}, "degraded"),
        ({"state": "failed", "why": GUEST_ERROR, "deaths": ((9, GUEST_ERROR),)}, "degraded"),
        ({"misses": {"late": 3}}, "degraded"),
        ({"state": "blocked", "why": "", "said": "one\n"}, "hang"),
        ({"said": "one\ntvo\n"}, "escaped"),
        ({"state": "failed", "why": "backstop", "deaths": ((9, "backstop: stopped on the host"),)}, "escaped"),
    ],
)
def test_who_talks_to_the_victim_may_see_errors_and_delays_and_nothing_else(
    change: dict[str, Any], verdict: str
) -> None:
    assert verdicts(after(client=change))["client"] == verdict


def test_what_it_may_say_is_the_campaigns_affair() -> None:
    seen = after(client={"said": "one\nerror: gone\n"})
    assert verdicts(seen)["client"] == "escaped"
    assert verdicts(seen, dataclasses.replace(RULES, may_say=("^error: ",)))["client"] == "degraded"


def test_who_says_more_than_without_the_fault_and_may_is_degraded() -> None:
    reference = before(client=CellSeen("blocked", said="one\n"))
    seen = dataclasses.replace(after(), cells={**after().cells, "client": CellSeen("blocked", said="one\ngone\n")})
    judgement = judge("server", reference, seen, dataclasses.replace(RULES, may_say=("^gone$",)))
    assert judgement.cells["client"] == (Verdict.DEGRADED, 'said "gone"')


def test_what_differs_anyway_is_cut_out() -> None:
    seen = after(client={"said": "one 5 ms\ntwo\n"})
    assert verdicts(seen, dataclasses.replace(RULES, volatile=(r" \d+ ms",)))["client"] == "masked"


def test_a_figure_that_is_a_result_must_be_the_same() -> None:
    seen = after(alone={"figures": {"sent": 3}})
    assert verdicts(seen)["alone"] == "masked"
    assert verdicts(seen, dataclasses.replace(RULES, figures=("sent",)))["alone"] == "escaped"


def test_an_untouchable_cell_has_no_right_to_be_affected() -> None:
    seen = after(client={"said": "one\n"})
    assert verdicts(seen, dataclasses.replace(RULES, untouchable=frozenset({"client"})))["client"] == "escaped"


def test_the_right_to_be_affected_is_passed_on_by_who_is_affected_and_by_driver_domains() -> None:
    struck = dataclasses.replace(after(server={}), struck=5)
    far = {"state": "failed", "why": GUEST_ERROR, "deaths": ((9, GUEST_ERROR),)}

    def of_far(rules: Rules, **changes: dict[str, Any]) -> str:
        seen = after(**{"server": {}, "far": far, **changes})
        assert struck.struck == seen.struck
        return judge("client", before(), seen, rules).cells["far"][0].value

    assert of_far(RULES) == "escaped"
    assert of_far(RULES, server={"said": ""}) == "degraded"
    assert of_far(dataclasses.replace(RULES, relays=frozenset({"server"}))) == "degraded"


def test_a_broken_invariant_or_a_leak_is_an_escape() -> None:
    judgement = judge("server", before(), dataclasses.replace(after(), broken=("leak: 4096 bytes",)), RULES)
    assert (judgement.verdict, judgement.why) == (Verdict.ESCAPED, "leak: 4096 bytes")


def test_the_monitors_end_and_a_run_without_end_are_verdicts_of_their_own() -> None:
    assert judge("server", before(), Seen({}, trouble="status 1"), RULES).verdict is Verdict.MONITOR_FAILURE
    assert judge("server", before(), Seen({}, overdue=True), RULES).verdict is Verdict.HANG


def test_what_was_seen_goes_through_json() -> None:
    seen = after(client={"said": "\xff"})
    assert Seen.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen
    for wrong in ({}, {"cells": 1}, {"cells": {}, "broken": [], "more": 1}):
        with pytest.raises(ValueError, match="not what was seen"):
            Seen.from_dict(wrong)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilsons_interval_holds_the_share_and_stays_in_bounds(hits: int, misses: int) -> None:
    low, high = wilson(hits, hits + misses)
    share = hits / (hits + misses) if hits + misses else 0.5
    assert 0 <= low <= share <= high <= 1
    assert low < high


def test_wilsons_interval_is_that_of_the_books() -> None:
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@pytest.mark.parametrize("field", ["broken", "held"])
def test_an_invariant_that_is_broken_or_anything_that_is_still_held_has_escaped(field: str) -> None:
    seen = dataclasses.replace(after(), **{field: ("leak: 2 grants in use",)})  # type: ignore[arg-type]
    judgement = judge("server", before(), seen, RULES)
    assert (judgement.verdict, judgement.why) == (Verdict.ESCAPED, "leak: 2 grants in use")


def test_memory_that_grows_with_a_restart_is_a_leak() -> None:
    reference, seen = before(server=CellSeen("blocked", bytes=4096)), after(server={"restarts": 1, "bytes": 8192})
    assert "leak: server owns 8192 bytes" in judge("server", reference, seen, RULES).why


def test_an_order_that_the_host_did_not_carry_out_is_no_verdict_on_anybody() -> None:
    seen = dataclasses.replace(after(), undone="the process is running, not stopped")
    judgement = judge("server", before(), seen, RULES)
    assert judgement.verdict is Verdict.NOT_INJECTED
    assert judgement.cells == {}


def test_a_fault_of_the_host_may_change_no_cell() -> None:
    same = dataclasses.replace(before(), struck=5)
    assert judge("", before(), same, RULES).verdict is Verdict.MASKED
    other = dataclasses.replace(after(client={"said": "one\n"}), struck=5)
    assert judge("", before(), other, RULES).verdict is Verdict.ESCAPED


def test_a_run_that_ends_with_one_line_for_want_of_room_is_degraded_only_if_the_host_was_struck() -> None:
    refused = Seen({}, refused="no space left on device; make room there")
    assert judge("", before(), refused, RULES).verdict is Verdict.DEGRADED
    assert judge("server", before(), refused, RULES).verdict is Verdict.MONITOR_FAILURE
    leaking = dataclasses.replace(refused, held=("leak: 1 processes",))
    assert judge("", before(), leaking, RULES).verdict is Verdict.ESCAPED


def test_a_campaign_may_allow_a_death_of_those_that_have_to_do_with_the_victim_and_of_nobody_else() -> None:
    died = {"state": "failed", "why": "page fault: server is gone", "deaths": ((9, "page fault: server is gone"),)}
    rules = dataclasses.replace(RULES, may_die=("^page fault: ",))
    assert verdicts(after(client=died))["client"] == "escaped"
    assert verdicts(after(client=died), rules)["client"] == "degraded"
    assert verdicts(after(alone=died), rules)["alone"] == "escaped"


def test_what_must_not_grow_may_shrink() -> None:
    rules = dataclasses.replace(RULES, no_worse=("latency",))
    reference = before(alone=CellSeen("blocked", worst={"latency": 10}))

    def judged(latency: int) -> str:
        seen = dataclasses.replace(
            after(), cells={**after().cells, "alone": CellSeen("blocked", worst={"latency": latency})}
        )
        return str(judge("server", reference, seen, rules).cells["alone"][0])

    assert [judged(latency) for latency in (9, 10, 11)] == ["masked", "masked", "escaped"]
