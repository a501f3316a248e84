"""One broken file per rule: `tests/topologies/bad/NAME.toml` begins with the problems that it has, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisor.shell.topology import check

BAD = Path(__file__).parents[2] / "topologies" / "bad"
EXPECT = "# expect: "


def expected(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(EXPECT) for line in lines if line.startswith(EXPECT)]


@pytest.mark.parametrize("path", sorted(BAD.glob("*.toml")), ids=lambda path: path.stem)
def test_a_bad_topology_has_exactly_the_problems_in_its_head(path: Path) -> None:
    problems = check(path)

    assert [f"{problem.key}: {problem.why}" for problem in problems] == expected(path)
    assert expected(path), f"{path.name} must begin with {EXPECT}KEY: TEXT"


@pytest.mark.parametrize("path", sorted(BAD.glob("*.toml")), ids=lambda path: path.stem)
def test_each_line_names_the_file_that_is_to_be_mended(path: Path) -> None:
    for problem in check(path):
        assert Path(problem.file).is_file()
        assert str(problem).startswith(f"{problem.file}: {problem.key}: ")
        assert "\n" not in str(problem)


def test_the_broken_programs_beside_the_topologies_are_what_they_seem() -> None:
    header = bytes(0x24) + (0x016F2818).to_bytes(4, "little") + bytes(4) + (64).to_bytes(4, "little")
    zimage = header.ljust(64, b"\0")
    cpio = b"070701" + b"%08X" * 13 % (*[0] * 11, 11, 0) + b"TRAILER!!!\0" + bytes(3)

    assert (BAD / "files" / "whole.zimage").read_bytes() == zimage
    assert (BAD / "files" / "short.zimage").read_bytes() == zimage[:60]
    assert (BAD / "files" / "whole.cpio").read_bytes() == cpio
    assert (BAD / "files" / "short.cpio").read_bytes() == cpio[:112]
