"""The benchmark programs on the Linux-like personality: they do what they say, and what is measured is what is listed."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import subprocess
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from benchmarks.operations import FILE, operations, rows, streams
from benchmarks.programs import APPLICATIONS, DYNAMIC, IMAGES, TOOLS, build, images
from cells.programs.arm.build import TOOLCHAIN
from cells.wren import build as wren
from tests.support.linux import LinuxBench, archive

LINUX_ONLY = {"select_tcp_10", "select_tcp_100", "tcp", "udp", "bw_tcp", "bw_udp", "semaphore"}
"""Operations for which the personality has no calls: TCP/IP and System V semaphores."""
QUICK = (
    "null",
    "read",
    "stat",
    "select_10",
    "signal_catch",
    "prot_fault",
    "pipe",
    "unix",
    "fork_execve",
    "page_fault",
    "ctx_2p_4k",
)


@cache
def shell() -> bytes:
    """The root that wren has: its shell, its devices."""
    return (wren.IMAGES / "initramfs.cpio").read_bytes()


def run(commands: Sequence[Sequence[str]], architecture: str = "v5te") -> LinuxBench:
    """The commands one after the other, in the directory of the programs; all must end well."""
    script = "".join(" ".join(words) + " || exit 1\n" for words in commands)
    root = shell() + archive({**images(), "script": script.encode()})
    bench = LinuxBench(root, ["/bin/sh", "/script"], architecture=architecture)
    assert bench.run() == 0, bench.output
    return bench


def lines(bench: LinuxBench) -> list[str]:
    """What was printed."""
    return bench.output.decode().replace("\r\n", "\n").splitlines()


def content(bench: LinuxBench, path: str) -> bytes:
    """A file of the cell, when all is over."""
    inode = bench.kernel.vfs.find(path.encode())
    return bytes(inode.read(0, inode.size))  # type: ignore[attr-defined]


def few(name: str) -> list[str]:
    """An operation's command, with three iterations."""
    command = operations()[name].command
    return [*command[:2], "3", *command[3:]]


def test_every_operation_has_a_mark_of_its_own_and_a_program_that_is_there() -> None:
    listed = operations().values()
    sent = streams().values()
    assert len({one.id for one in (*listed, *sent)}) == len(listed) + len(sent)
    named = {words[0] for operation in listed for words in (operation.argv, *operation.prepare)}
    named |= {stream.argv[0] for stream in sent}
    started = {operation.argv[2].removeprefix("./") for operation in listed if operation.argv[1] == "run"}
    assert named | started <= set(images())
    assert all(operation.iterations > 0 and operation.what for operation in listed)


def test_rows_are_made_of_operations_and_named_as_the_surveys() -> None:
    for figure in {row.figure for row in rows()}:
        lines = (FILE.parent / "paper" / f"{figure}.csv").read_text().splitlines()
        wanted = {line["row"] for line in csv.DictReader(line for line in lines if not line.startswith("#"))}
        made = {row.name for row in rows() if row.figure == figure}
        assert {name.removesuffix(".short").removesuffix(".loopback") for name in made} <= wanted, figure
    assert all(set(row.terms) <= {*operations(), *streams()} for row in rows())


def test_the_manifest_names_every_program_with_its_sum() -> None:
    told = json.loads((IMAGES / "manifest.json").read_text())
    sums = {f"{n}.elf": {"sha256": hashlib.sha256(d).hexdigest(), "size": len(d)} for n, d in images().items()}
    assert told == {"toolchain": f"ziglang=={TOOLCHAIN}", "images": sums}
    assert set(images()) == {*TOOLS, *DYNAMIC, *APPLICATIONS}


def test_operations_of_linux_run_as_often_as_asked() -> None:
    assert lines(run([few(name) for name in QUICK])) == [f"{operations()[name].argv[1]}: 3 times" for name in QUICK]


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["v5te", "v6k", "v7a"])
def test_all_operations_run_that_have_their_calls(architecture: str) -> None:
    names = [n for n, o in operations().items() if n not in LINUX_ONLY and o.argv[0] == "lat" and o.argv[1] != "run"]
    told = lines(run([few(name) for name in names], architecture))
    assert told == [f"{operations()[name].argv[1]}: 3 times" for name in names]


def test_sums_are_what_python_says_of_the_same_file() -> None:
    bench = run([["./generate", "text", "1500", "t"], ["./crc32", "t"], ["./sha", "t"]])
    text = content(bench, "/t")
    assert lines(bench) == [f"{zlib.crc32(text):08x} {len(text)}", hashlib.sha1(text).hexdigest()]


def test_words_are_found_sorted_and_spelled_as_python_finds_sorts_and_spells_them() -> None:
    commands = ["generate text 2000 t", "generate words 300 w", "search t w 5", "generate wrong 600 x", "spell w x"]
    bench = run([f"./{command}".split() for command in commands])
    text, words = content(bench, "/t").decode(), content(bench, "/w").decode().split()
    told = lines(bench)
    assert told[:5] == [f"{w} {sum(text.startswith(w, at) for at in range(len(text)))}" for w in words[:5]]
    spelled = "".join(c if c.isalpha() else " " for c in content(bench, "/x").decode().lower()).split()
    known = {word + ending for word in words for ending in ("", "s", "ed", "ing", "ly")}
    wrong = [word for word in spelled if word not in known]
    assert told[-1] == f"{len(wrong)} of {len(spelled)}"
    assert [line.split(":")[0] for line in told[5:-1]] == wrong


def noise(bench: LinuxBench, before: str, after: str, delay: int = 0) -> float:
    """Power of the difference of two files of samples, over that of the first."""
    one, other = (memoryview(content(bench, name)).cast("h") for name in (before, after))
    pairs = list(zip(one, other[delay:], strict=False))
    return sum((x - y) ** 2 for x, y in pairs) / sum(x * x for x, _ in pairs)


def test_sound_survives_its_codecs_with_little_noise() -> None:
    commands = ["generate sound 2400 s"]
    for program, encode in (("adpcm", "encode"), ("gsm", "encode"), ("subband", "fast")):
        commands += [f"{program} {encode} s {program}.e", f"{program} decode {program}.e {program}.d"]
    bench = run([f"./{command}".split() for command in commands])
    assert [len(content(bench, f"/{name}.e")) for name in ("adpcm", "gsm")] == [1200, 15 * 33]
    assert noise(bench, "/s", "/adpcm.d") < 0.03  # 15 dB
    assert noise(bench, "/s", "/gsm.d") < 0.1  # 10 dB, what speech coding leaves of chords
    assert noise(bench, "/s", "/subband.d", delay=481) < 0.1  # 481: the filter bank's delay


def pixels(bench: LinuxBench, path: str) -> bytes:
    """Of a PPM."""
    return content(bench, path).split(b"\n255\n", 1)[1]


def test_a_picture_survives_jpeg_with_little_change() -> None:
    bench = run([f"./{c}".split() for c in ("generate gray 32 p", "jpeg encode p j 90", "jpeg decode j q")])
    one, other = pixels(bench, "/p"), pixels(bench, "/q")
    assert len(one) == len(other) == 32 * 32
    assert sum(abs(x - y) for x, y in zip(one, other, strict=True)) < 3 * len(one)
    data = content(bench, "/j")
    assert data[:4] == b"\xff\xd8\xff\xdb"
    assert data[-2:] == b"\xff\xd9"


def test_the_tiffs_of_a_picture_have_its_size_and_its_shades() -> None:
    commands = ["generate gray 40 g", "tiff bw g bw", "tiff dither g di", "tiff median g me"]
    bench = run([f"./{command}".split() for command in commands])
    gray = pixels(bench, "/g")
    assert content(bench, "/bw")[-1600:] == gray
    ink = sum(byte.bit_count() for byte in content(bench, "/di")[-40 * 5 :])
    assert abs(ink * 255 - sum(gray)) < 0.05 * sum(gray)  # dithering keeps the light
    palette, chosen = content(bench, "/me")[134 : 134 + 512], content(bench, "/me")[-1600:]
    assert max(abs(palette[2 * n + 1] - shade) for n, shade in zip(chosen, gray, strict=True)) <= 8


def test_larger_work_is_done_without_a_fault() -> None:
    bench = run([f"./{c}".split() for c in ("ui make u 3", "ui load u", "save make d", "save copy d e 2", "mix 2 1")])
    screen, saved, mixed = lines(bench)
    assert screen.startswith("screen ")
    assert saved == "2 files, 43684 bytes"
    assert mixed == "2 tasks, 1 rounds, 0 bad"
    assert content(bench, "/e/image1") == content(bench, "/d/image1")


def test_a_transform_back_gives_the_waves_again() -> None:
    told = lines(run([["./fft", "3", "64", "inverse"], ["./fft", "3", "64", "fixed"]]))
    assert int(told[2].removeprefix("error ")) < 10  # 1e-8, of waves of up to 3000
    assert told[0] == told[3]  # the strongest line is the same in fixed point


WORK = (
    *("generate text 3000 t", "generate words 1000 w", "generate wrong 1500 x", "generate sound 3000 s"),
    *("generate picture 40 p", "generate gray 40 g", "generate page 4 pg", "sha t w x s p g pg", "sort w"),
    *("search t w 9", "spell w x", "typeset t ps", "tiff bw p t1", "tiff dither p t2", "tiff median p t3"),
    *("fft 4 256", "fft 4 256 fixed", "fft 4 256 inverse", "adpcm encode s a", "adpcm decode a ao"),
    *("gsm encode s gs", "gsm decode gs go", "subband encode s su", "subband decode su so", "subband fast s sf"),
    *("jpeg encode p pj", "jpeg decode pj po", "jpeg encode g gj", "film encode 64 48 13 f", "film decode f fo"),
    *("generate text 30 tt", "speak tt sp", "page pg pp 100"),
    "crc32 ps t1 t2 t3 a ao gs go su so sf pj po gj f fo sp pp",
)


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")
@pytest.mark.parametrize("architecture", ["v5te", "v6k", "v7a"])
def test_every_output_is_that_of_the_same_source_on_the_host(architecture: str, tmp_path: Path) -> None:
    made = build.for_host(APPLICATIONS, tmp_path)
    told = []
    for program, *words in (command.split() for command in WORK):
        done = subprocess.run([made[program], *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        told += done.stdout.splitlines()
    assert lines(run([f"./{command}".split() for command in WORK], architecture)) == told


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")
def test_the_committed_programs_are_what_their_sources_give() -> None:
    assert build.programs() == images()
