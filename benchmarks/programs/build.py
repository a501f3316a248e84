"""Compiles and links the benchmark programs: `python -m benchmarks.programs.build [--check]`.

The tool chain is that of the bare-metal images (`cells.programs.arm.build`), at its version: the same bytes on every host.
`lat` and `hello` are linked with the library of wren's programs, as those are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.programs import APPLICATIONS, DYNAMIC, IMAGES, KIT, TOOLS
from cells.programs.arm import build as arm
from cells.wren.user import LIBRARY
from cells.wren.user import build as wren

SOURCES = Path(__file__).parent
DYNAMIC_LINK = (
    *("ld.lld", "--gc-sections", "--strip-all", "--build-id=none", "-z", "norelro", "-z", "max-page-size=4096"),
    *("--fatal-warnings", "-dynamic-linker", "/lib/ld-linux.so.3"),
)
APPLICATION = (
    *("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-g0", "-fno-sanitize=all", "-fno-stack-protector"),
    # Floating point must not be contracted: the host's results are to be the same bit by bit.
    *("-ffp-contract=off", "-fno-ident", "-ffunction-sections", "-fdata-sections"),
)
ON_ARM = (
    *("-target", "arm-freestanding-eabi", "-mcpu=arm926ej_s", "-marm", "-mno-unaligned-access", "-ffreestanding"),
    *("-fno-builtin", "-fno-pic", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fno-exceptions"),
)
ARM_LINK = (
    *("cc", "-target", "arm-freestanding-eabi", "-mcpu=arm926ej_s", "-static", "-nostdlib", "-s"),
    *("-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,norelro", "-Wl,-T,src/image.ld"),
)
LIBC_LINK = (
    *("ld.lld", "-shared", "-soname", "libc.so.6", "--version-script", "ours/dynamic/libc.map", "--build-id=none"),
    *("libc.c.o", "-o", "libc.so"),
)
Compile = Callable[[str], str]


def programs() -> dict[str, bytes]:
    """Every program by name, built from the sources as they are.

    Raises:
        arm.BuildError: the tool chain is missing or refused a source; the message is the compiler's.
    """
    with _workshop() as work:
        return {**_tools(work), **_dynamic(work), **_applications(work)}


@contextmanager
def _workshop() -> Iterator[Path]:
    """A directory to build in: our sources are `ours` in it, those of wren's library `src`."""
    arm.check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "ours").symlink_to(SOURCES, target_is_directory=True)
        (work / "src").symlink_to(wren.SOURCES, target_is_directory=True)
        yield work


def _tools(work: Path) -> dict[str, bytes]:
    """What is linked with wren's library."""
    compiled = partial(_compile, work, (*wren.COMPILE, "-Isrc"))
    library = [compiled(f"src/{name}") for name in LIBRARY if name != "multicall.c"]
    made = {}
    for name, sources in TOOLS.items():
        arm.zig([*wren.LINK, *library, *(compiled(f"ours/{source}") for source in sources), "-o", name], work)
        made[name] = (work / name).read_bytes()
    return made


def _dynamic(work: Path) -> dict[str, bytes]:
    """What is linked against Debian's C library when it starts; here against a list of its names."""
    compiled = partial(_compile, work, wren.COMPILE)
    compiled("ours/dynamic/libc.c")
    arm.zig([*LIBC_LINK], work)
    made = {}
    for name, sources in DYNAMIC.items():
        arm.zig([*DYNAMIC_LINK, *(compiled(f"ours/{source}") for source in sources), "libc.so", "-o", name], work)
        made[name] = (work / name).read_bytes()
    return made


def _applications(work: Path) -> dict[str, bytes]:
    """What computes, with the compiler's own library for long division and floating point."""
    compiled = partial(_compile, work, (*APPLICATION, *ON_ARM, "-Isrc", "-c"))
    kit = [compiled(f"ours/{source}") for source in (*KIT, "apps/kit_arm.c", "apps/start.S")]
    made = {}
    for name, sources in APPLICATIONS.items():
        arm.zig([*ARM_LINK, *kit, *(compiled(f"ours/{source}") for source in sources), "-o", name], work)
        made[name] = (work / name).read_bytes()
    return made


def for_host(names: Iterable[str], directory: Path) -> dict[str, Path]:
    """Applications as programs of this host, by the same compiler from the same sources; made in `directory`.

    Raises:
        arm.BuildError: as `programs`.
    """
    made = {name: directory / name for name in names}
    with _workshop() as work:
        for name, path in made.items():
            sources = [f"ours/{source}" for source in (*KIT, "apps/kit_host.c", *APPLICATIONS[name])]
            arm.zig([*APPLICATION, *sources, "-o", str(path)], work)
    return made


def _compile(work: Path, flags: tuple[str, ...], source: str) -> str:
    """The object file of one source, by name."""
    made = f"{Path(source).name}.o"
    arm.zig([*flags, source, "-o", made], work)
    return made


def _products() -> dict[Path, bytes]:
    """Every file that a build writes, by path."""
    made = {f"{name}.elf": data for name, data in programs().items()}
    return {
        **{IMAGES / name: data for name, data in made.items()},
        IMAGES / "manifest.json": arm.manifest_of(made).encode(),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.programs.build", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    return arm.deliver(_products, check=parser.parse_args(arguments).check, what="benchmark programs")


if __name__ == "__main__":
    sys.exit(main())
