"""The real Debian guests: fetched, whole, and what the boards expect. Needs `scripts/fetch_guests`."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys

import pytest

from hypervisor.shell.guests import GuestFile, GuestMissing, resolve

pytestmark = [pytest.mark.guests, pytest.mark.slow]

ZIMAGE_MAGIC = (0x24, 0x016F2818)  # offset and value, Linux: Documentation/arch/arm/booting.rst
ELF_ARM = 40  # e_machine, ELF for the Arm Architecture
SOFT_FLOAT, HARD_FLOAT = 0x200, 0x400  # e_flags, the same


def guest(name: str, architecture: str | None = None, file: str | None = None) -> GuestFile:
    try:
        return resolve(name, architecture, file=file)
    except GuestMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", ["debian:marvell", "debian:rpi", "debian:armmp"])
def test_a_kernel_is_a_zimage_with_the_recorded_hash(name: str) -> None:
    kernel = guest(name)
    content = kernel.path.read_bytes()
    offset, magic = ZIMAGE_MAGIC
    assert struct.unpack_from("<I", content, offset)[0] == magic
    assert hashlib.sha256(content).hexdigest() == kernel.sha256
    assert len(kernel.signature) == 40, "fetched with its signature checked"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("debian:marvell", ["CONFIG_ARCH_MULTI_V5=y", "CONFIG_MACH_KIRKWOOD=y", "CONFIG_CPU_FEROCEON=y"]),
        ("debian:rpi", ["CONFIG_ARCH_MULTI_V6=y", "CONFIG_ARCH_BCM2835=y"]),
        ("debian:armmp", ["CONFIG_ARCH_MULTI_V7=y", "CONFIG_ARCH_VIRT=y", "CONFIG_XEN=y"]),
    ],
)
def test_a_kernel_was_built_for_its_board(name: str, options: list[str]) -> None:
    lines = guest(name, file="config").path.read_text(encoding="utf-8").splitlines()
    # An initramfs that mounts devtmpfs, and a page of the cell reached through /dev/mem: what our /init needs.
    assert {*options, "CONFIG_BLK_DEV_INITRD=y", "CONFIG_DEVTMPFS=y", "CONFIG_DEVMEM=y"} <= set(lines)


@pytest.mark.parametrize(("architecture", "floats"), [("armel", SOFT_FLOAT), ("armhf", HARD_FLOAT)])
def test_the_initramfs_holds_a_static_busybox_for_the_architecture(architecture: str, floats: int) -> None:
    image = guest("debian:busybox", architecture).path.read_bytes()
    at = image.index(b"\x7fELF")
    machine, flags = struct.unpack_from("<H", image, at + 18)[0], struct.unpack_from("<I", image, at + 36)[0]
    assert (machine, flags & (SOFT_FLOAT | HARD_FLOAT)) == (ELF_ARM, floats)
    assert b"/lib/ld-linux" not in image, "a static program names no loader"
    for applet in (b"cttyhack", b"setsid", b"devmem", b"poweroff"):
        assert b"\0" + applet + b"\0" in image


def test_the_command_finds_everything_in_place_without_a_network() -> None:
    for name, architecture in (("debian:marvell", None), ("debian:rpi", None), ("debian:armmp", None)):
        guest(name, architecture)
    guest("debian:busybox", "armel")
    guest("debian:busybox", "armhf")
    guest("debian:bash")
    guest("debian:armel")
    guest("debian:drivers")
    guest("debian:armhf")
    command = [sys.executable, "-m", "hypervisor.shell.guests", "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [row["name"] for row in json.loads(done.stdout)] == [
        "debian:marvell",
        "debian:rpi",
        "debian:armmp",
        "debian:busybox",
        "debian:busybox",
        "debian:bash",
        "debian:armel",
        "debian:drivers",
        "debian:armhf",
    ]
