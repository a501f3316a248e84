"""Each target takes its seeds, the kept cases that once did harm, and what little changes make of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import targets
from tests.fuzz.target import CORPUS, TARGETS, Target

assert targets
CHANGED = 12
"""Changed seeds of each target: the fuzzer makes millions (`python -m tests.fuzz`)."""
CASES = [(target, path) for target in TARGETS.values() for path in target.cases()]


def changed(seed: bytes, luck: random.Random) -> bytes:
    """A seed with a few bytes overwritten, cut, doubled or put in."""
    data = bytearray(seed)
    for _ in range(luck.randrange(1, 5)):
        at = luck.randrange(len(data) + 1)
        piece = luck.choice([luck.randbytes(luck.randrange(5)), b"\xff" * 4, bytes(4), bytes(data[at : at + 8])])
        data[at : at + luck.choice([0, len(piece), len(piece) * 4])] = piece
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_takes_its_seeds_and_small_changes_of_them(target: Target) -> None:
    luck = random.Random(target.name)
    seeds = [b"", *target.seeds()]
    for seed in seeds:
        target.run(seed)
    for _ in range(CHANGED):
        target.run(changed(luck.choice(seeds), luck)[: target.longest])


@pytest.mark.parametrize(("target", "path"), CASES, ids=[f"{target.name}-{path.name}" for target, path in CASES])
def test_what_once_did_harm_does_none(target: Target, path: Path) -> None:
    target.run(path.read_bytes())


def test_every_kept_case_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= set(TARGETS)
