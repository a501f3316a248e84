"""Builds the bare-metal images with a pinned tool chain: `python -m cells.programs.arm.build [--check | --header | FILE.c]`.

The compiler is clang as the PyPI package `ziglang` carries it (extra `toolchain`), at the one version that
`TOOLCHAIN` names: the same sources give the same bytes on every host. `--check` builds in a temporary directory and
says which committed file differs; `--header` only writes `info_page.h`, which needs no compiler; `FILE.c` is a guest of
one's own, whose image is written beside it."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cells.programs.arm import NAMES
from hypervisor.abi.info_page import c_header

TOOLCHAIN = "0.13.0"
"""The version of `ziglang` that made the committed images."""
SOURCES = Path(__file__).parent
IMAGES = SOURCES / "images"
COMMON = (
    *("start.S", "runtime.c", "hypercalls.c", "uart.c", "console.c", "interrupts.c", "timer.c", "vectors.c"),
    *("connections.c", "okl4.c", "l4.c", "xen.c", "xen_store.c", "xen_channel.c"),
)
PARAVIRTUAL = ("pv_start.S", "runtime.c", "pv.c", "pv_user.S")
KITS = {"pv_demo": PARAVIRTUAL, "crook": (*COMMON, "crook_l4.c", "crook_xen.c", "crook_ring.c")}
"""What an image is linked with, if not with `COMMON`."""
SIZE_LIMIT = 64 * 1024
COMPILE = (
    *("cc", "-c", "-target", "arm-freestanding-eabi", "-mcpu=arm926ej_s", "-marm", "-mno-unaligned-access"),
    *("-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIE", "-ffreestanding", "-fno-builtin", "-fno-common"),
    # Nothing that a freestanding guest has no use for: no checks that call a library, no unwinding, no debug paths.
    *(
        "-fno-sanitize=all",
        "-fno-stack-protector",
        "-fno-unwind-tables",
        "-fno-asynchronous-unwind-tables",
        "-fno-exceptions",
    ),
    *("-ffunction-sections", "-fdata-sections", "-g0", "-fno-ident"),
)
LINK = (
    *("ld.lld", "-pie", "--no-dynamic-linker", "--gc-sections", "--strip-all", "--build-id=none", "--hash-style=sysv"),
    *("-z", "norelro", "-z", "notext", "-z", "max-page-size=16", "-z", "nognustack", "--fatal-warnings"),
)


class BuildError(Exception):
    """The tool chain is missing, is another version, or refused a source."""


def check_toolchain() -> None:
    """The compiler is there, at the version that makes our bytes.

    Raises:
        BuildError: it is not.
    """
    """Raises BuildError unless the pinned version is installed."""
    try:
        found = version("ziglang")
    except PackageNotFoundError:
        raise BuildError("ziglang is not installed: pip install 'cellvisor[toolchain]'") from None
    if found != TOOLCHAIN:
        raise BuildError(f"ziglang is {found}; the images are made with {TOOLCHAIN}")


def zig(arguments: list[str], work: Path) -> None:
    """Run one tool of the package in `work`, where its caches go too; sources are named relative to it."""
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(work / "cache"),
        "ZIG_LOCAL_CACHE_DIR": str(work / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(done.stderr.strip() or f"{arguments[0]} failed")


def _compile(source: str, work: Path) -> str:
    """The object file of one source, by name."""
    made = Path(source).with_suffix(".o").name
    zig([*COMPILE, f"src/{source}", "-o", made], work)
    return made


def build_all() -> dict[str, bytes]:
    """Every image by name, built from the sources as they are.

    Raises:
        BuildError: see there; the message is the compiler's.
    """
    check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "src").symlink_to(SOURCES, target_is_directory=True)
        kits = {kit: [_compile(source, work) for source in kit] for kit in {COMMON, *KITS.values()}}
        return {name: _image(name, kits[KITS.get(name, COMMON)], work) for name in NAMES}


def build_own(source: Path) -> bytes:
    """An image from one file of one's own, linked with what all share.

    Raises:
        BuildError: see there.
        OSError: there is no such file.
    """
    check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "src").symlink_to(SOURCES, target_is_directory=True)
        (work / "own.c").write_bytes(source.read_bytes())
        zig([*COMPILE, "-Isrc", "own.c", "-o", "own.o"], work)
        return _linked("own", [*(_compile(common, work) for common in COMMON), "own.o"], work)


def _image(name: str, common: list[str], work: Path) -> bytes:
    """One program linked with what all share."""
    return _linked(name, [*common, _compile(f"{name}.c", work)], work)


def _linked(name: str, objects: list[str], work: Path) -> bytes:
    """The image of these objects."""
    zig([*LINK, "-T", "src/image.ld", *objects, "-o", f"{name}.elf"], work)
    image = (work / f"{name}.elf").read_bytes()
    if len(image) >= SIZE_LIMIT:
        raise BuildError(f"{name}.elf has {len(image)} bytes; the limit is {SIZE_LIMIT}")
    return image


def manifest(images: dict[str, bytes]) -> str:
    """See `manifest_of`; names without ".elf"."""
    return manifest_of({f"{name}.elf": data for name, data in images.items()})


def manifest_of(files: Mapping[str, bytes]) -> str:
    """Sizes and SHA-256 sums of files as JSON."""
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
    return json.dumps({"toolchain": f"ziglang=={TOOLCHAIN}", "images": sums}, indent=2) + "\n"


def products(images: dict[str, bytes]) -> dict[Path, bytes]:
    """Every file that a build writes, by path."""
    made = {IMAGES / f"{name}.elf": data for name, data in images.items()}
    return {**made, IMAGES / "manifest.json": manifest(images).encode(), SOURCES / "info_page.h": c_header().encode()}


def differences(made: dict[Path, bytes]) -> list[str]:
    """The committed files that differ from what was made, relative to the sources."""
    return [
        str(path.relative_to(SOURCES)) for path, data in made.items() if not path.exists() or path.read_bytes() != data
    ]


def deliver(make: Callable[[], Mapping[Path, bytes]], *, check: bool, what: str = "images") -> int:
    """What a command does with the files that `make` gives by path: write them or, with `check`, only compare.

    Returns the exit status: 1: a file is out of date, 2: the build failed.
    """
    try:
        made = make()
    except (BuildError, OSError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    if check:
        stale = [path.name for path, data in made.items() if not path.exists() or path.read_bytes() != data]
        print("\n".join(f"{name} differs" for name in stale) or f"all {what} are up to date")
        return 1 if stale else 0
    for path, data in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    print("\n".join(f"{path.name}: {len(data)} bytes" for path, data in made.items()))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(
        prog="python -m cells.programs.arm.build", description="Build the bare-metal images."
    )
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    parser.add_argument("--header", action="store_true", help="only write info_page.h; needs no compiler")
    parser.add_argument("source", nargs="?", type=Path, help="one C file of your own: its image is written beside it")
    chosen = parser.parse_args(arguments)
    header = SOURCES / "info_page.h"
    if chosen.header:
        header.write_text(c_header())
        return 0
    if not chosen.check and not chosen.source:
        header.write_text(c_header())  # before the compiler reads it
    try:
        own = chosen.source
        made = {own.with_suffix(".elf"): build_own(own)} if own else products(build_all())
    except (BuildError, OSError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    if chosen.check:
        stale = differences(made)
        print("\n".join(f"{name} differs" for name in stale) or "all images are up to date")
        return 1 if stale else 0
    for path, data in made.items():
        path.write_bytes(data)
    print("\n".join(f"{path.name}: {len(data)} bytes" for path, data in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
