"""Campaign files: each mistake is one clear line with file, key and reason; what is right becomes injections."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    "fault[0].at: 2ms does not come: each run ends after 1ms": HEAD + FAULT.replace("5us", "2ms"),
    "fault[0].within: 2ms does not come": HEAD + FAULT.replace('at = "5us"', 'within = ["1us", "2ms"]'),
    "fault[0].within: must be an earlier": HEAD + FAULT.replace('at = "5us"', 'within = ["9us", "2us"]'),
    "may_say[0]": 'may_say = ["("]\n' + HEAD + FAULT,
    "seeds: must be 1..10000 numbers": "seeds = []\n" + HEAD + FAULT,
    "fault: missing": HEAD,
    "fault: there is none": "fault = []\n" + HEAD,
    "for: missing": 'topology = "ping"\n' + FAULT,
    "is not TOML": "topology = ",
    "pingg": HEAD.replace("ping", "pingg") + FAULT,
    "--set": 'set = ["cells.nobody.ram=1MiB"]\n' + HEAD + FAULT,
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
    assert [problem.key for problem in caught.value.problems] == ["fault[0].x", "fault[1].action"]


def test_a_campaign_that_is_not_there_is_told_the_nearest() -> None:
    with pytest.raises(TopologyError, match=r"storage_kill: no such campaign.*did you mean storage_kills\?"):
        load_campaign("storage_kill")


@pytest.mark.parametrize("name", built_in())
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
