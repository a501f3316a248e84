"""The figures' machinery: turns, targets, verdicts; and the programs that they measure. No speed is asserted here."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from benchmarks.host import __main__ as command
from benchmarks.host import integer_loop
from benchmarks.host.figure import Figure, Setting, Target, Unavailable
from benchmarks.host.raw import RawCpu
from benchmarks.samples import Sample, read
from cells.machine.images import recognise


def setting(tmp_path: Path, rounds: int = 1) -> Setting:
    return Setting(rounds, quick=True, scratch=tmp_path, facts={})


def test_variants_take_turns_and_each_begins_once(tmp_path: Path) -> None:
    order: list[str] = []
    found = setting(tmp_path, rounds=3).in_turns({name: lambda name=name: order.append(name) for name in "abc"})
    assert "".join(order) == "abcbcacab"
    assert [len(results) for results in found.values()] == [3, 3, 3]


def test_a_target_finds_its_sample_by_its_dimensions_and_looks_at_the_median(tmp_path: Path) -> None:
    make = setting(tmp_path).sample
    samples = [make("f", "t", "us", [9.0], cpus="one"), make("f", "t", "us", [1.0, 9.0, 2.0], cpus="two")]
    target = Target("t", "<=", 2.0, "", {"cpus": "two"})
    assert target.sample(samples) is samples[1]
    assert target.met(samples[1])
    assert not target._replace(bound=1.9).met(samples[1])
    assert not target._replace(relation=">=", bound=2.1).met(samples[1])
    assert Target("u", "<=", 1.0, "").sample(samples) is None


@pytest.mark.parametrize(("value", "status", "word"), [(1.0, 0, "met"), (3.0, 1, "missed")])
def test_the_command_writes_samples_and_judges_them(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    value: float,
    status: int,
    word: str,
) -> None:
    def run(setting: Setting) -> Iterator[Sample]:
        yield setting.sample("fake", "t", "us", [value] * setting.rounds)

    fake = Figure("fake", "a fake", (Target("t", "<=", 2.0, "what it means"), Target("u", "<=", 2.0, "no sample")), run)
    monkeypatch.setitem(command.FIGURES, "fake", fake)
    assert command.main(["fake", "--rounds", "4", "--out", str(tmp_path / "out")]) == status
    assert read(tmp_path / "out" / "fake.jsonl")[0].values == (value,) * 4
    shown = capsys.readouterr().out
    assert re.search(rf"<= 2 +{word}\b", shown)
    assert "not measured" in shown


def test_what_the_host_cannot_measure_is_said_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(setting: Setting) -> Iterator[Sample]:
        raise Unavailable("fetch it first")
        yield

    monkeypatch.setitem(command.FIGURES, "fake", Figure("fake", "a fake", (), run))
    assert command.main(["fake", "--out", str(tmp_path)]) == 2
    assert "fake: fetch it first" in capsys.readouterr().err


def test_an_unknown_figure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["fastest"])
    assert stopped.value.code == 2
    assert "fastest" in capsys.readouterr().err


def test_the_linux_program_of_the_loop_is_a_static_arm_executable() -> None:
    elf = ELFFile(io.BytesIO(integer_loop.linux_program(7)))
    (segment,) = elf.iter_segments()
    assert (elf["e_machine"], elf["e_type"], segment["p_type"]) == ("EM_ARM", "ET_EXEC", "PT_LOAD")
    code = segment.data()[elf["e_entry"] - segment["p_vaddr"] :]
    assert code == integer_loop.program(7)


def test_the_loop_is_a_bare_metal_image_too() -> None:
    assert recognise("loop.bin", integer_loop.program(7)).kind == "raw"


@pytest.mark.slow
def test_the_counting_hook_counts_what_raw_unicorn_runs() -> None:
    ram = bytearray(1 << 20)
    code = integer_loop.program(1000)
    ram[0x8000 : 0x8000 + len(code)] = code
    cpu = RawCpu("926", ram, "count_block")
    cpu.run(0x8000, until=0x8000 + 4 * len(integer_loop.START + integer_loop.LOOP))
    assert cpu.count == len(integer_loop.START) + 1000 * len(integer_loop.LOOP)
