"""`cellvisor check IMAGE`: our kernels, images with and without symbols, and files that are none."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cells.machine.images import ImageError
from cells.machine.symbols import Symbol, map_of, read_map
from cells.programs.arm import built_in
from cells.wren import FLAVOURS
from hypervisor.abi.sensitive import Fate
from hypervisor.cli import app
from hypervisor.shell.sensitive.code import code_of
from hypervisor.shell.sensitive.command import find_image
from hypervisor.shell.sensitive.scan import scan
from hypervisor.shell.topology import sources
from tests.support.elves import kernel

MRC, NOP = 0xEE110F10.to_bytes(4, "little"), 0xE1A00000.to_bytes(4, "little")
DEPRIVILEGED = [flavour for flavour in FLAVOURS if flavour != "native"]


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *words])
    return result.exit_code, result.output


# ---- our kernel


def test_the_native_kernel_has_sensitive_instructions_of_every_class() -> None:
    status, output = run("wren.native", "--json")
    told = json.loads(output)
    assert status == 1
    assert min(told["counts"].values()) > 0
    assert told["inexact"] == ""
    kinds = {each["kind"] for each in told["instructions"]}
    assert kinds >= {"MCR p15", "MRC p15", "MSR CPSR_c", "MOVS/SUBS pc", "MRS SPSR", "LDM with ^", "STM with ^", "WFI"}
    places = {each["symbol"].partition("+")[0] for each in told["instructions"]}
    assert places >= {"_start", "native_enter", "machine_idle"}


@pytest.mark.parametrize("flavour", DEPRIVILEGED)
def test_a_kernel_for_user_mode_has_none(flavour: str) -> None:
    assert run(f"wren.{flavour}") == (0, f"wren.{flavour}: no sensitive instruction: it can run in user mode\n")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_search_in_our_kernels_has_symbols_and_finds_code(flavour: str) -> None:
    path = sources.kernels() / f"wren.{flavour}.elf"
    code = code_of("k", path.read_bytes(), path.with_suffix(".map").read_text())
    assert code.why_inexact == ""
    assert sum(len(region.content) for region in code.regions) > 25_000
    assert {"kernel_main", "machine_run"} <= set(code.symbols.values())


def test_each_line_names_address_function_instruction_and_what_becomes_of_it() -> None:
    _, output = run("wren.native")
    (idle,) = [line for line in output.splitlines() if "wfi" in line and "machine_idle" in line]
    address, symbol, text, fate = idle.split()
    assert int(address, 16) > 0
    assert (symbol.partition("+")[0], text, fate) == ("machine_idle", "wfi", "silent")
    assert "WFI: sleeps at once: nobody is asked who else could run (A8.8.425)" in output


# ---- other files


def test_an_image_without_symbols_is_looked_through_and_that_is_said(tmp_path: Path) -> None:
    image = tmp_path / "hello.elf"
    image.write_bytes(built_in("hello"))
    status, output = run(str(image))
    assert status == 1
    assert "inexact: it has no mapping symbols: data may be among these" in output


def test_data_amid_code_is_not_listed_if_a_map_says_where_it_is(tmp_path: Path) -> None:
    image = tmp_path / "k.elf"
    image.write_bytes(with_section(NOP + MRC + MRC + MRC))
    assert len(list(scan(code_of("k", image.read_bytes())))) == 3
    image.with_suffix(".map").write_text(
        "00000000 a $a\n00000000 t start\n00000008 a $d\n0000000c a $a\n0000000c t end\n"
    )
    status, output = run(str(image), "--json")
    told = json.loads(output)
    assert status == 1
    assert [(each["address"], each["symbol"]) for each in told["instructions"]] == [(4, "start+0x4"), (12, "end")]


def with_section(code: bytes) -> bytes:
    """A little ELF with an executable section `.text` and no symbols."""
    names = b"\0.text\0.names\0"
    whole = bytearray(kernel(b""))
    at = len(whole)
    whole += code + names
    table = len(whole)
    for name, kind, flags, offset, size in (
        (0, 0, 0, 0, 0),
        (1, 1, 6, at, len(code)),
        (7, 3, 0, at + len(code), len(names)),
    ):
        whole += struct.pack("<10I", name, kind, flags, 0, offset, size, 0, 0, 4, 0)
    struct.pack_into("<I", whole, 32, table)
    struct.pack_into("<3H", whole, 46, 40, 3, 2)
    return bytes(whole)


def test_of_a_zimage_the_decompressor_is_looked_through_and_not_what_is_packed() -> None:
    image = bytearray(0x80)
    struct.pack_into("<3I", image, 0x24, 0x016F2818, 0, 0x80)
    image[0x48:0x4C] = MRC
    image[0x60:0x63] = b"\x1f\x8b\x08"
    image[0x70:0x74] = MRC
    code = code_of("zImage", bytes(image))
    assert [(found.address, found.rule.fate) for found in scan(code)] == [(0x48, Fate.TRAPS)]
    assert "compressed kernel is not looked into" in code.why_inexact


def test_a_flat_file_is_code_from_its_beginning(tmp_path: Path) -> None:
    image = tmp_path / "flat.bin"
    image.write_bytes(NOP + bytes(4) + MRC)
    status, output = run(str(image))
    assert status == 1
    assert output.startswith("00000008 ")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x7fELF" + bytes(100), "is a damaged ELF"),
        (b"\x1f\x8b\x08" + bytes(50), "is compressed (gzip): unpack it first"),
    ],
)
def test_what_is_no_image_is_one_line_and_exit_status_2(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    status, output = run(str(path))
    assert status == 2
    assert why in output
    assert output.count("\n") == 1


def test_topologies_are_still_topologies() -> None:
    assert run("ticker") == (0, "ticker: no problems\n")
    assert run("wren") == (0, "wren: no problems\n")
    assert find_image("ticker.toml") is None
    assert find_image("no such thing") is None


# ---- maps


def test_a_map_says_what_the_symbols_say() -> None:
    assert read_map("00008000 t main\n00008004 a $d\n", "m") == [Symbol(0x8000, "t", "main"), Symbol(0x8004, "a", "$d")]
    with pytest.raises(ImageError, match=r"^m: is no map: line 2 is not an address, a letter and a name$"):
        read_map("00008000 t main\nmain\n", "m")


def test_an_image_without_symbols_has_an_empty_map() -> None:
    assert map_of(kernel()) == ""
