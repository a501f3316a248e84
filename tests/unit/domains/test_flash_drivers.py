"""The flash drivers against the device models, and a disk on them whose driver is killed at any access."""

from __future__ import annotations

import random

import pytest

from cells.domains.drivers.failure import DeviceError
from cells.domains.drivers.nand import NandFlash
from cells.domains.drivers.nor import NorFlash
from cells.domains.ftl import FlashDisk
from cells.domains.media import NandMedium, NorMedium
from devices import MODELS
from tests.support.driver_port import DriverPort
from tests.support.links import KilledError

NOR = {"size": 128 << 10, "block": 16 << 10}
NAND = {"blocks": 512, "bad_blocks": 3}


def nor_port(**params):
    return DriverPort(flash0=(MODELS["nor_flash"], {**NOR, **params}))


def nand_port(**params):
    return DriverPort(nand0=(MODELS["nand_flash"], {**NAND, **params}))


def nor_disk(port: DriverPort) -> FlashDisk:
    return FlashDisk(NorMedium(NorFlash(port, port.base("flash0"), port.line("flash0"))), port.print)


def nand_disk(port: DriverPort) -> FlashDisk:
    return FlashDisk(NandMedium(NandFlash(port, port.base("nand0"), port.line("nand0"))), port.print)


def test_the_nor_driver_reads_the_sizes_from_the_chip():
    flash = NorFlash(port := nor_port(), port.base("flash0"))
    assert (flash.size, flash.block_size, flash.blocks) == (128 << 10, 16 << 10, 8)


def test_what_is_programmed_into_nor_is_read_until_it_is_erased():
    port = nor_port()
    flash = NorFlash(port, port.base("flash0"), port.line("flash0"))
    data = random.Random(1).randbytes(256)
    flash.program(16384 + 64, data)
    assert flash.read(16384 + 32, 320) == b"\xff" * 32 + data + b"\xff" * 32
    flash.erase(1)
    assert flash.read(16384 + 64, 256) == b"\xff" * 256
    assert not port.acknowledged
    assert not port.levels.get(0)
    assert port.bench.misuses == []


@pytest.mark.parametrize(("make", "flash", "limit"), [(nor_port, NorFlash, "1200ms"), (nand_port, NandFlash, "8ms")])
def test_an_erase_whose_interrupt_is_lost_is_found_to_be_done_soon_after(make, flash, limit):
    port = make()
    (name, _), *_ = port.devices
    chip = flash(port, port.base(name), port.line(name))
    port.wait_irq = port.sleep_until
    before = port.now
    chip.erase(0)
    assert port.now - before < port.cycles(limit)


def test_a_disk_that_died_while_it_wrote_into_a_block_that_has_gone_bad_since_is_there_again():
    port = nor_port()
    disk = nor_disk(port)
    disk.write(0, b"\x01" * disk.sector_size)
    block, medium = disk._open, disk._medium
    medium._flash.program(medium._place(block, disk._used[block]), b"\x11" * disk.sector_size)
    port.device("flash0").state.spoiled.append(block)
    again = nor_disk(port.forget())
    assert f"flash: block {block} is given up" in "".join(port.lines)
    again.write(9, b"\x99" * again.sector_size)
    assert again.read(9, 1) == b"\x99" * again.sector_size
    assert again.read(0, 1) == b"\x01" * again.sector_size


def test_the_nor_driver_says_so_when_a_block_is_worn_out():
    port = nor_port(endurance=1)
    flash = NorFlash(port, port.base("flash0"), port.line("flash0"))
    flash.erase(0)
    with pytest.raises(DeviceError, match="erase block 0"):
        flash.erase(0)
    flash.erase(1)


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("kill_at", range(1, 36))
def test_a_new_nor_driver_leads_the_chip_out_of_any_command_and_harms_nothing(kill_at, resets):
    port = nor_port()
    port.resets = resets
    keep, lose = b"CL" + random.Random(2).randbytes(62), random.Random(3).randbytes(64)
    NorFlash(port, port.base("flash0")).program(0, keep)
    flash = NorFlash(port, port.base("flash0"))
    port.kill_at = kill_at
    with pytest.raises(KilledError):
        flash.program(64, lose)
        flash.erase(2)
        flash.program(128, lose)
    port.forget()
    again = NorFlash(port, port.base("flash0"), port.line("flash0"))
    assert again.read(0, 64) == keep
    found = again.read(64, 64)
    assert found in {b"\xff" * 64, lose[:32] + b"\xff" * 32, lose}
    assert again.read(192, 1024) == b"\xff" * 1024
    again.program(256, keep)
    assert again.read(256, 64) == keep


def test_nand_pages_and_spare_bytes_move_by_jobs():
    port = nand_port()
    flash = NandFlash(port, port.base("nand0"), port.line("nand0"))
    assert flash.blocks == 512
    page = random.Random(4).randbytes(2112)
    flash.program(64, page)
    assert flash.read(64, 0, 2112) == page
    assert flash.read(64, 2048, 64, 2) == page[2048:] + b"\xff" * 64
    flash.erase(1)
    assert flash.read(64, 0, 2112) == b"\xff" * 2112
    assert not port.acknowledged
    assert port.bench.misuses == []


def test_a_disk_on_nand_stays_off_the_bad_blocks():
    port = nand_port()
    disk = nand_disk(port)
    assert "3 bad" in port.lines[0]
    data = random.Random(5).randbytes(2048 * 30)
    disk.write(100, data)
    assert disk.read(100, 30) == data
    bad = port.device("nand0").bad
    assert all(page // 64 not in bad for page in port.device("nand0").state.pages)


@pytest.mark.slow
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(("port", "make", "sector"), [(nor_port, nor_disk, 512), (nand_port, nand_disk, 2048)])
def test_a_disk_keeps_what_was_written_whenever_its_driver_is_killed(port, make, sector, resets):
    port = port()
    port.resets = resets
    chance = random.Random(6)
    disk, expected = make(port), {}
    for _ in range(25):
        port.kill_at = chance.randrange(1, 1500)
        try:
            for _ in range(6):
                number, data = chance.randrange(20), chance.randbytes(sector)
                was = expected.get(number, bytes(sector))
                expected[number] = None
                disk.write(number, data)
                expected[number] = data
        except KilledError:
            disk = make(port.forget())
            found = disk.read(number, 1)
            assert found in {was, data}
            expected[number] = found
        port.kill_at = 0
    disk = make(port.forget())
    assert all(disk.read(number, 1) == data for number, data in expected.items())
