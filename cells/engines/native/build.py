"""Build `_native`, the C extension of the ARM engine and of the world switch, from every C file of this folder.

The declarations that Python sees are the folder's headers without their preprocessor lines (integer `#define`s stay), so
a new pair of files needs no word here; `*internal.h` is for the C files alone. The extension does not link to Unicorn.

    python cells/engines/native/build.py        builds in place, for work on a checkout

setup.py names `ffibuilder` for the building of wheels.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sysconfig
import tempfile
from pathlib import Path

from cffi import FFI

MODULE = "cells.engines.native._native"
FOLDER = Path(__file__).parent
_CONSTANT = re.compile(r"#define\s+\w+\s+-?(0x[0-9a-fA-F]+|\d+)\s*(/\*.*\*/)?\s*$")

# Called by C with Unicorn's arguments; arm.py defines them.
CALLBACKS = """
extern "Python+C" uint64_t device_read(void *uc, uint64_t offset, unsigned int size, void *handle);
extern "Python+C" void device_write(void *uc, uint64_t offset, unsigned int size, uint64_t value, void *handle);
"""


def require_compiler() -> None:
    """Stop with one sentence if C cannot be compiled here."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(command[0]) is None:
        raise SystemExit(
            f"cellvisor needs a C compiler ({command[0]}) to build its ARM engine: install gcc or clang,"
            " for example with `apt install gcc`, or name one in the environment variable CC."
        )
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        raise SystemExit(
            "cellvisor needs the C headers of Python (Python.h) to build its ARM engine: install them,"
            " for example with `apt install python3-dev`."
        )


def headers(folder: Path) -> list[Path]:
    """The headers that Python sees too."""
    return sorted(path for path in folder.glob("*.h") if not path.name.endswith("internal.h"))


def declarations(folder: Path) -> str:
    """What cffi parses: the headers without their preprocessor lines."""
    lines = [line for path in headers(folder) for line in path.read_text().splitlines()]
    return "\n".join(line for line in lines if not line.startswith("#") or _CONSTANT.match(line))


def builder(folder: Path) -> FFI:
    """The module's builder; its paths are relative to the current directory if `folder` is."""
    ffi = FFI()
    ffi.cdef(declarations(folder) + CALLBACKS)
    ffi.set_source(
        MODULE,
        "#include <stdint.h>\n" + "".join(f'#include "{path.name}"\n' for path in headers(folder)),
        sources=[str(path) for path in sorted(folder.glob("*.c")) if path.name != "_native.c"],
        include_dirs=[str(folder)],
        depends=[str(path) for path in sorted(folder.glob("*.h"))],
        libraries=["dl", "pthread"],
        # Counters that are added side by side as one vector wait for each other in the store buffer: a tenth of a loop's speed.
        extra_compile_args=["-O2", "-fno-tree-slp-vectorize", "-Wall", "-Wextra"],
    )
    return ffi


def build_in_place() -> Path:
    """Compile elsewhere, then put the finished module beside this file, so that nobody imports half of one."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(builder(FOLDER.resolve()).compile(tmpdir=scratch))
        fresh = FOLDER.resolve() / (made.name + ".new")
        shutil.copy(made, fresh)
    return fresh.replace(fresh.with_suffix(""))


require_compiler()
ffibuilder = builder(FOLDER)

if __name__ == "__main__":
    print(build_in_place())
