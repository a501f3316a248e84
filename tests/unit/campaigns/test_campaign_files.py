"""Campaign files: each mistake is one clear line with file, key and reason; what is right becomes injections."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisor.abi.faults import Armed
from hypervisor.faults import ACTIONS
from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.campaigns.schema import built_in
from hypervisor.shell.topology import TopologyError

HEAD = 'topology = "ping"\nfor = "1ms"\n'
FAULT = '[[fault]]\naction = "kill"\ncell = "pong"\nat = "5us"\n'

BAD = {
    "unknown key; did you mean flavours?": 'flavors = ["l4"]\n' + HEAD + FAULT,
    "fault[0].cel: unknown key; did you mean cell?": HEAD
    + '[[fault]]\naction = "kill"\ncell = "pong"\ncel = 1\nat = "5us"\n',
    'fault[0].action: "kil" is not known; did you mean kill?': HEAD + FAULT.replace("kill", "kil"),
    'fault[0].cell: no cell is called "pang"; did you mean pong?': HEAD + FAULT.replace("pong", "pang"),
    "fault[0]: says not when; give at, point, within or probability": HEAD + FAULT.replace('at = "5us"', ""),
    "fault[0]: has at and within; give one": HEAD + FAULT + 'within = ["1us", "2us"]\n',
    "fault[0].count: is for random times": HEAD + FAULT + "count = 3\n",
    'fault[0].at: "5" is not a time': HEAD + FAULT.replace("5us", "5"),
    "fault[0].probability: must be above 0 and at most 1, not 2": HEAD
    + FAULT.replace('at = "5us"', "probability = 2.0"),
    "fault[0].times: must be 1..10000, not 0": HEAD + FAULT + "times = 0\n",
    'flavours[0]: "l5" is not known; known: native, l4, xen, okl4': 'flavours = ["l5"]\n' + HEAD + FAULT,
    'fault[0].point: "exits" is not known; did you mean exit?': HEAD + FAULT.replace('at = "5us"', 'point = "exits"'),
    "fault[0].visit: must be 1 for the first": HEAD + FAULT.replace('at = "5us"', 'point = "exit"\nvisit = 0'),
    "fault[0]: has at and point; give one": HEAD + FAULT + 'point = "exit"\n',
    "fault[0].at: 2ms does not come: each run ends after 0.001 s": HEAD + FAULT.replace("5us", "2ms"),
    "fault[0].within: 2ms does not come": HEAD + FAULT.replace('at = "5us"', 'within = ["1us", "2ms"]'),
    "fault[0].within: must be an earlier": HEAD + FAULT.replace('at = "5us"', 'within = ["9us", "2us"]'),
    "may_say[0]": 'may_say = ["("]\n' + HEAD + FAULT,
    "seeds: must be 1..10000 numbers": "seeds = []\n" + HEAD + FAULT,
    "fault: there is none": HEAD,
    "for: missing": 'topology = "ping"\n' + FAULT,
    "is not TOML": "topology = ",
    "pingg": HEAD.replace("ping", "pingg") + FAULT,
    "--set": 'set = ["cells.nobody.ram=1MiB"]\n' + HEAD + FAULT,
    "topology: missing; name one": 'for = "1ms"\n' + FAULT,
    "topology: give topology or topologies": HEAD.replace("for", 'topologies = ["net"]\nfor') + FAULT,
    'topologies[1].name: a second one is called "ping"': 'topologies = ["ping", "ping"]\nfor = "1ms"\n' + FAULT,
    'fault[0].topologies: none is called "pin"; did you mean ping?': HEAD + FAULT + 'topologies = ["pin"]\n',
    "topologies[0].for: missing": '[[topologies]]\ntopology = "ping"\n' + FAULT,
    "topologies[0].fro: unknown key; did you mean for?": '[[topologies]]\ntopology = "ping"\nfro = "1ms"\n' + FAULT,
    "fault[0].cell: missing; name a cell": HEAD + FAULT.replace('cell = "pong"\n', ""),
    "fault[0].cell: full_disk strikes the host": HEAD + FAULT.replace("kill", "full_disk"),
    "fault[0].action: wild_jump is for a guest of the kind": HEAD + FAULT.replace("kill", "wild_jump"),
    "fault[0].factor: must be 2..1000, not 1": HEAD + FAULT.replace("kill", "slow") + "factor = 1\n",
    "fault[0].fator: unknown key; did you mean factor?": HEAD + FAULT.replace("kill", "slow") + "fator = 3\n",
    "fault[0].point: kill cannot wait there": HEAD + FAULT.replace('at = "5us"', 'point = "message"'),
    "fault[0].point: drop_message strikes at message": HEAD
    + FAULT.replace("kill", "drop_message").replace('at = "5us"', 'point = "core.call"'),
    "pairwise.moments: there is none": HEAD + "[pairwise]\nmoments = []\n",
    'claim[0].cell: no cell is called "pang"': HEAD + FAULT + '[[claim]]\nsays = "so"\ncell = "pang"\n',
    'claim[0].faults: no fault has name = "late"': HEAD
    + FAULT
    + '[[claim]]\nsays = "so"\ncell = "pong"\nfaults = ["late"]\n',
    'claim[0].at_worst: "fine" is not known': HEAD
    + FAULT
    + '[[claim]]\nsays = "so"\ncell = "pong"\nat_worst = "fine"\n',
    'common: no cell is called "x"': 'common = ["x"]\n' + HEAD + FAULT,
    'untouchable: no cell is called "x"': 'untouchable = ["x"]\n' + HEAD + FAULT,
}


@pytest.mark.parametrize("expected", BAD)
def test_a_mistake_is_told_in_one_line(expected: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BAD[expected])
    with pytest.raises(TopologyError) as caught:
        load_campaign(str(path))
    lines = str(caught.value).splitlines()
    assert len(lines) == 1
    assert expected in lines[0]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + FAULT + "x = 1\n" + FAULT.replace("kill", "kil"))
    with pytest.raises(TopologyError) as caught:
        load_campaign(str(path))
    assert [problem.key for problem in caught.value.problems] == ["fault[1].action", "fault[0].x"]


def test_a_campaign_that_is_not_there_is_told_the_nearest() -> None:
    with pytest.raises(TopologyError, match=r"storage_kill: no such campaign.*did you mean storage_kills\?"):
        load_campaign("storage_kill")


@pytest.mark.parametrize("name", [name for name in built_in() if name != "pairwise"])  # that has a test of its own
def test_a_built_in_campaign_can_be_run(name: str) -> None:
    campaign = load_campaign(name)
    assert campaign.injections
    assert campaign.file.description
    assert {injection.flavour for injection in campaign.injections} == set(campaign.flavours)


def test_a_topology_may_lie_beside_its_campaign(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text('board = "arm926"\nfor = "1ms"\n[cells.hog]\nimage = "hog"\n')
    path = tmp_path / "mine.toml"
    path.write_text(HEAD.replace("ping", "device.toml") + FAULT.replace("pong", "*"))
    [injection] = load_campaign(str(path)).injections
    assert injection.cell == "hog"


SEVERAL = """
for = "1ms"
flavours = ["l4", "okl4"]
[[topologies]]
topology = "ping"
seeds = [1, 2]
[[topologies]]
topology = "storage"
name = "disk"
for = "2ms"
flavours = ["xen"]
[[fault]]
action = "kill"
cell = "*"
at = "5us"
[[fault]]
action = "drop_message"
cell = "*"
topologies = ["ping"]
flavours = ["l4"]
visit = 3
"""


def test_several_topologies_have_what_the_campaign_says_and_what_they_say_themselves(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SEVERAL)
    campaign = load_campaign(str(tmp_path / "mine.toml"))
    kills = {(each.topology, each.flavour, each.seed) for each in campaign.injections if each.action == "kill"}
    assert kills == {*(("ping", flavour, seed) for flavour in ("l4", "okl4") for seed in (1, 2)), ("disk", "xen", 1)}
    drops = [each for each in campaign.injections if each.action == "drop_message"]
    assert {(each.topology, each.flavour) for each in drops} == {("ping", "l4")}
    assert all(Armed.from_text(each.steps[0].data.encode()).visit == 3 for each in drops)
    assert campaign.devices["disk", "xen", 1].duration == 2 * campaign.devices["ping", "l4", 1].duration


def test_a_sample_is_spread_evenly_and_the_same_each_time() -> None:
    campaign = load_campaign("kills")
    assert len(campaign.injections) >= 1000
    sample = campaign.sample(45).injections
    assert len(set(sample)) == 45
    assert sample == campaign.sample(45).injections
    assert {(each.topology, each.flavour) for each in sample} == {
        (topology, flavour) for topology in campaign.topologies for flavour in campaign.flavours
    }


def test_pairs_are_covered_within_the_time_that_there_is() -> None:
    campaign = load_campaign("pairwise")
    assert len(campaign.injections) <= 1500
    assert {each.action for each in campaign.injections} == set(ACTIONS) - set(campaign.file.pairwise.but)  # type: ignore[union-attr]
