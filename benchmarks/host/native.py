"""Compiles yardstick.c: what the emulator is compared with must be C too, and is no part of it."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from cffi import FFI, VerificationError

from benchmarks.host.figure import Unavailable

SOURCE = Path(__file__).with_name("yardstick.c")


@functools.cache
def yardstick() -> Any:
    """The compiled module: `.ffi` and `.lib`.

    Raises:
        Unavailable: there is no C compiler.
    """
    header = SOURCE.with_suffix(".h").read_text()
    builder = FFI()
    builder.cdef("\n".join(line for line in header.splitlines() if not line.startswith("#")))
    builder.set_source(
        "yardstick",
        f'#include "{SOURCE.with_suffix(".h")}"',
        sources=[str(SOURCE)],
        extra_compile_args=["-O2"],
    )
    with tempfile.TemporaryDirectory(prefix="cellvisor-yardstick-") as scratch:
        try:
            made = builder.compile(tmpdir=scratch)
        except VerificationError as error:
            raise Unavailable(f"a C compiler is needed (`apt install gcc`): {error}") from None
        spec = importlib.util.spec_from_file_location("yardstick", made)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
