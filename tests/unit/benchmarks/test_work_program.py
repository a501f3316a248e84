"""The program whose speed is measured: it is what its source says, and does the same wherever it runs."""

from __future__ import annotations

import hashlib

import pytest

from benchmarks.host.personality import COMPUTING, WORKS
from benchmarks.host.programs import SOURCE, image
from benchmarks.host.raw_program import RawProgram
from tests.support.linux import LinuxBench, archive


def test_the_image_is_what_its_source_gives() -> None:
    pytest.importorskip("ziglang", reason="the tool chain is optional: pip install 'cellvisor[toolchain]'")
    from cells.wren.user.build import own

    assert own(SOURCE) == image()


@pytest.mark.parametrize("work", COMPUTING)
def test_computing_gives_the_same_number_under_a_kernel_and_without(work: str) -> None:
    bench = LinuxBench(archive({"bin/work": image()}), ["/bin/work", work, "2"])
    assert bench.run() == 0
    raw = RawProgram(image(), ["work", work, "2"])
    raw.run()
    assert bench.output.replace(b"\r", b"") == raw.output
    assert len(raw.output) > 4


def test_the_digest_is_that_of_the_bytes() -> None:
    words, word = bytearray(), 1
    for _ in range(1 << 14):
        for shift in (13, -17, 5):
            word ^= word << shift & 0xFFFF_FFFF if shift > 0 else word >> -shift
        words += word.to_bytes(4, "big")
    digest = hashlib.sha256(bytes(words) * 2).digest()
    raw = RawProgram(image(), ["work", "sha256", "2"])
    raw.run()
    assert int(raw.output, 16) == int.from_bytes(digest[:4], "big") ^ int.from_bytes(digest[28:], "big")


@pytest.mark.parametrize(("work", "said"), [("getppid", b"0"), ("fork", b"3"), ("exec", b"3")])
def test_calls_are_made_as_often_as_asked(work: str, said: bytes) -> None:
    bench = LinuxBench(archive({"bin/work": image()}), ["/bin/work", work, "3"])
    assert bench.run() == 0
    assert bench.output.split() == [said]
    assert bench.kernel.cpu.vcpu.svc >= 3


def test_all_works_that_are_measured_are_known_to_the_program() -> None:
    for work in WORKS:
        bench = LinuxBench(archive({"bin/work": image()}), ["/bin/work", work, "0"])
        assert bench.run() == 0, work
