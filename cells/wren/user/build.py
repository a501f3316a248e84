"""Compiles and links the programs of wren's user land: `programs()` gives every ELF by name.

The tool chain is that of the bare-metal images (`cells.programs.arm.build`), at its version: the same bytes on every host.

Theory: an ELF is linked to fixed addresses (ET_EXEC at 0x10000) with two segments of different rights, so that a kernel must
honour them; there is no interpreter and no relocation. Offsets in the file are congruent to addresses modulo a page, as
exec needs to map it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cells.programs.arm import build as arm
from cells.wren.user import KITS, LIBRARY

SOURCES = Path(__file__).parent
COMPILE = (
    *("cc", "-c", "-target", "arm-freestanding-eabi", "-mcpu=arm926ej_s", "-marm", "-mno-unaligned-access"),
    *("-std=c11", "-Wall", "-Wextra", "-Werror", "-Os", "-fno-pic", "-ffreestanding", "-fno-builtin", "-fno-common"),
    *("-fno-sanitize=all", "-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-fno-exceptions", "-ffunction-sections", "-fdata-sections", "-g0", "-fno-ident", "-fomit-frame-pointer"),
)
LINK = (
    *("ld.lld", "-static", "--gc-sections", "--strip-all", "--build-id=none", "-z", "norelro", "-z", "nognustack"),
    *("-z", "max-page-size=4096", "-z", "noseparate-code", "--fatal-warnings", "-T", "src/image.ld"),
)


def programs() -> dict[str, bytes]:
    """Every ELF by name, built from the sources as they are.

    Raises:
        arm.BuildError: the tool chain is missing or refused a source; the message is the compiler's.
    """
    with _workshop() as work:
        library = [_compile(f"src/{source}", work) for source in LIBRARY]
        kits = {name: [_compile(f"src/{source}", work) for source in kit] for name, kit in KITS.items()}
        return {name: _link(name, [*library, *kit], work) for name, kit in kits.items()}


def own(source: Path) -> bytes:
    """A program from one C file of one's own, with a `main` of its own, and the library.

    Raises:
        arm.BuildError: as above.
        OSError: there is no such file.
    """
    return all_own([source])[source.stem]


def all_own(sources: Iterable[Path]) -> dict[str, bytes]:
    """Such a program of each file, by its name without the ending; the library is compiled once. Raises as `own`."""
    with _workshop() as work:
        library = [_compile(f"src/{name}", work) for name in LIBRARY if name != "multicall.c"]
        made = {}
        for source in sources:
            (work / "own.c").write_bytes(source.read_bytes())
            made[source.stem] = _link("own", [*library, _compile("own.c", work)], work)
        return made


@contextmanager
def _workshop() -> Iterator[Path]:
    """A directory to build in; our sources are `src` in it."""
    arm.check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "src").symlink_to(SOURCES, target_is_directory=True)
        yield work


def _compile(source: str, work: Path) -> str:
    """The object file of one source, by name."""
    made = f"{Path(source).name}.o"
    arm.zig([*COMPILE, "-Isrc", source, "-o", made], work)
    return made


def _link(name: str, objects: list[str], work: Path) -> bytes:
    """The ELF of these objects."""
    arm.zig([*LINK, *objects, "-o", name], work)
    return (work / name).read_bytes()
