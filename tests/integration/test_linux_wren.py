"""wren's programs under the personality say what they say on wren, which says what Debian's kernel says (test_wren_native.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.linux import CPUS, LinuxBench
from tests.support.wren import ARCHIVE, CRIMES, TESTS, read, transcript


@pytest.mark.parametrize("architecture", sorted(CPUS))
@pytest.mark.parametrize("script", [TESTS, CRIMES], ids=["tests", "crimes"])
def test_programs_cannot_tell_it_from_a_kernel_in_c(script: str, architecture: str) -> None:
    bench = LinuxBench(Path(ARCHIVE).read_bytes(), ["/init", script], architecture=architecture)
    assert bench.run() == 0
    said, wanted = read(bench.output), transcript("native", script)
    assert said.text.splitlines() == wanted.text.splitlines()
    assert said.worst == wanted.worst
