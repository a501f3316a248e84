"""The kernel's images: small, complete, and exactly what their sources give."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re

import pytest

from cells.machine.images import recognise
from cells.programs.arm.build import SIZE_LIMIT, TOOLCHAIN
from cells.wren import FLAVOURS, build
from hypervisor.abi.info_page import FlavourNumber

needs_toolchain = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_image_says_its_flavour_and_where_it_wants_to_be(flavour: str) -> None:
    image = recognise("k", (build.IMAGES / f"wren.{flavour}.elf").read_bytes())
    assert image.notes == (FlavourNumber[flavour.upper()], 0xC000_0000)
    assert image.movable
    assert image.relocations


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_image_is_small_and_has_a_map_beside_it(flavour: str) -> None:
    assert (build.IMAGES / f"wren.{flavour}.elf").stat().st_size < SIZE_LIMIT
    assert " t kernel_main\n" in (build.IMAGES / f"wren.{flavour}.map").read_text()


def test_the_manifest_names_every_image_with_its_sum() -> None:
    told = json.loads((build.IMAGES / "manifest.json").read_text())
    there = {
        path.name: path.read_bytes() for path in build.IMAGES.iterdir() if path.suffix in (".elf", ".map", ".cpio")
    }
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in there.items()}
    assert told == {"toolchain": f"ziglang=={TOOLCHAIN}", "images": sums}


README = (build.WREN / "README.md").read_text()
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def code_lines(part: str) -> int:
    """Lines of the C files and headers of a part that are neither empty nor comment."""
    texts = [COMMENT.sub("", path.read_text()) for path in (build.WREN / part).glob("*.[ch]")]
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def test_the_kernel_is_as_small_as_its_readme_says() -> None:
    found = re.search(r"\(([\d,]+) lines of C", README)
    assert found is not None
    lines = sum(code_lines(part) for part in build.PARTS)
    assert abs(lines - int(found[1].replace(",", ""))) <= 50


def test_the_readme_names_each_system_call_there_is() -> None:
    calls = re.findall(r"\[\d+\] = sys_\w+", (build.WREN / "kernel" / "calls.c").read_text())
    named = re.search(r"Calls: `([^`]+)`", README)
    assert named is not None
    assert len(named[1].split()) == len(calls)
    assert f"{len(calls) + 1} system calls" in " ".join(README.split())


@needs_toolchain
@pytest.mark.slow
def test_the_committed_bytes_are_what_the_sources_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out == "all images are up to date\n"


def test_an_unknown_name_is_refused_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build.main(["zen"])
    assert caught.value.code == 2
    assert '"zen" is not known; choose from native, l4, xen, okl4, user' in capsys.readouterr().err
