"""Builds the kernel and its user land: `python -m cells.wren.build [--check] [FLAVOUR ... | user]`.

Theory: an image is the kernel (the `*.c` of `PARTS`, the same objects in all of them), one machine layer (`machine/FLAVOUR*`) and
what of `cells/programs/arm` that layer uses. The tool chain is the pinned one of the bare-metal images (there: why the bytes
are the same on every host). Without names everything is built and written; `--check` writes nothing and says which committed file
differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cells.machine.symbols import map_of
from cells.programs.arm.build import COMPILE, LINK, SIZE_LIMIT, TOOLCHAIN, BuildError, check_toolchain, zig
from cells.wren import FLAVOURS, initramfs
from hypervisor.abi.info_page import FlavourNumber

WREN = Path(__file__).parent
IMAGES = WREN / "images"
ARM = WREN.parent / "programs" / "arm"
USER = "user"
"""Beside the flavours: what else can be built."""
PARTS = ("kernel", "files", "devices")
"""Directories of the kernel: the kernel proper, and what stands beside it."""
SHARED: Mapping[FlavourNumber, tuple[str, ...]] = {
    FlavourNumber.NATIVE: ("uart.c", "interrupts.c", "alarm.c", "hypercalls.c"),
    FlavourNumber.L4: ("hypercalls.c", "connections.c", "l4.c"),
    FlavourNumber.XEN: ("xen.c", "xen_store.c", "xen_channel.c"),
    FlavourNumber.OKL4: ("hypercalls.c", "connections.c", "okl4.c"),
}
"""Files of `cells/programs/arm` that a machine layer uses."""
BY_PAGE = frozenset({FlavourNumber.L4, FlavourNumber.OKL4})
"""Layers that have a hypercall page: `machine/by_page.c` is in them, too."""
_SMALL = {"-O2": "-Os"}
KERNEL_COMPILE = (
    *(_SMALL.get(word, word) for word in COMPILE),
    *("-mllvm", "-inline-threshold=0"),  # smaller by 4 %, and functions keep their names
    *("-mglobal-merge", "-mllvm", "-arm-promote-constant"),  # and another 1.5 %
    *("-Isrc/wren", "-Isrc/arm"),
)
_NAMED = tuple(word for word in LINK if word != "--strip-all")
"""To link an image with its symbols, of which its map is made: `cellvisor check IMAGE` and people read it."""


def sources(flavour: str) -> list[str]:
    """The files of one image, relative to the work directory, in a fixed order."""
    layer = [
        path for pattern in ("common*.[cS]", f"{flavour}*.[cS]") for path in sorted((WREN / "machine").glob(pattern))
    ]
    if len(layer) < 2:  # its C file and its start code
        raise BuildError(f"there is no machine layer for {flavour} (machine/{flavour}.c, machine/{flavour}_start.S)")
    number = FlavourNumber[flavour.upper()]
    if number in BY_PAGE:
        layer.append(WREN / "machine" / "by_page.c")
    kernel = [f"src/wren/{part}/{path.name}" for part in PARTS for path in sorted((WREN / part).glob("*.c"))]
    return [
        *kernel,
        *(f"src/wren/machine/{path.name}" for path in layer),
        *(f"src/arm/{name}" for name in SHARED[number]),
    ]


def build_kernels(flavours: Iterable[str] = FLAVOURS) -> dict[Path, bytes]:
    """The image of each flavour, and its map, by path.

    Raises:
        BuildError: the tool chain is missing, is another version, or refused a source.
    """
    check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "src").mkdir()
        (work / "src" / "wren").symlink_to(WREN, target_is_directory=True)
        (work / "src" / "arm").symlink_to(ARM, target_is_directory=True)
        objects: dict[str, str] = {}
        made: dict[Path, bytes] = {}
        for flavour in flavours:
            made |= _image(flavour, objects, work)
        return made


def _image(flavour: str, objects: dict[str, str], work: Path) -> dict[Path, bytes]:
    """One kernel and its map; `objects` has what was compiled already."""
    files = sources(flavour)
    for source in files:
        if source not in objects:
            objects[source] = source.replace("/", "_") + ".o"
            zig([*KERNEL_COMPILE, source, "-o", objects[source]], work)
    name = f"wren.{flavour}"
    image, named = (_linked(flags, [objects[source] for source in files], work) for flags in (LINK, _NAMED))
    if len(image) >= SIZE_LIMIT:
        raise BuildError(f"{name}.elf has {len(image)} bytes; the limit is {SIZE_LIMIT}")
    return {IMAGES / f"{name}.elf": image, IMAGES / f"{name}.map": map_of(named).encode()}


def _linked(flags: Sequence[str], objects: Sequence[str], work: Path) -> bytes:
    zig([*flags, "-T", "src/wren/machine/wren.ld", *objects, "-o", "linked.elf"], work)
    return (work / "linked.elf").read_bytes()


def build_user() -> dict[Path, bytes]:
    """The user land: the initial RAM disk by its path.

    Raises:
        BuildError: see above.
    """
    return {IMAGES / name: data for name, data in initramfs.build_user().items()}


def build(names: Sequence[str]) -> dict[Path, bytes]:
    """What the names say, the manifest included.

    Raises:
        BuildError: see above.
    """
    made = build_kernels([name for name in names if name != USER])
    if USER in names:
        made |= build_user()
    return {**made, IMAGES / "manifest.json": manifest(made).encode()}


def manifest(made: Mapping[Path, bytes]) -> str:
    """Sizes and SHA-256 sums of all images as JSON: those just made, and those that lie there."""
    there = {path: path.read_bytes() for path in IMAGES.glob("*") if path.suffix in (".elf", ".map", ".cpio")}
    entries = {
        path.name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for path, data in sorted({**there, **made}.items())
        if path.parent == IMAGES
    }
    return json.dumps({"toolchain": f"ziglang=={TOOLCHAIN}", "images": entries}, indent=2) + "\n"


def differences(made: Mapping[Path, bytes]) -> list[str]:
    """The committed files that differ from what was made, relative to this directory."""
    return [
        str(path.relative_to(WREN)) for path, data in made.items() if not path.exists() or path.read_bytes() != data
    ]


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(
        prog="python -m cells.wren.build", description="Build the kernel and its user land."
    )
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    known = (*FLAVOURS, USER)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to build: {', '.join(known)}; all if none is named"
    )
    chosen = parser.parse_args(arguments)
    for name in chosen.names:
        if name not in known:
            parser.error(f'"{name}" is not known; choose from {", ".join(known)}')
    try:
        made = build(chosen.names or known)
    except (BuildError, OSError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    if chosen.check:
        stale = differences(made)
        print("\n".join(f"{name} differs" for name in stale) or "all images are up to date")
        return 1 if stale else 0
    for path, data in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    print("\n".join(f"{path.name}: {len(data)} bytes" for path, data in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
