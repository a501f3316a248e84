"""Benchmark programs for ARM Linux, ours, in C: what is linked from what, and the committed images. See README.md."""

from __future__ import annotations

from pathlib import Path

IMAGES = Path(__file__).parent / "images"
LAT = (
    *("lat/lat.c", "lat/lat_calls.c", "lat/lat_files.c", "lat/lat_signals.c", "lat/lat_talks.c", "lat/lat_tasks.c"),
    *("lat/lat_pages.c", "lat/lat_rings.c", "lat/lat_memories.c", "lat/lat_streams.c"),
)
TOOLS: dict[str, tuple[str, ...]] = {
    "lat": LAT,
    "hello": ("lat/hello.c",),
    **{name: (f"macro/{name}.c",) for name in ("ui", "save", "mix")},
}
"""Programs that only a Linux runs: ELF -> its sources; linked with the library of wren's programs."""

DYNAMIC: dict[str, tuple[str, ...]] = {
    "lat_dyn": ("dynamic/start.S", "dynamic/lat_dyn.c"),
    "hello_dyn": ("dynamic/start.S", "dynamic/hello_dyn.c"),
}
"""Programs that are linked against a C library of Debian's (armel, glibc 2.34 or later) when they start."""

KIT = ("apps/kit.c", "apps/kit_math.c")
"""What applications share on every machine; `kit_arm.c` and `start.S` on ARM, `kit_host.c` on the host."""
APPLICATIONS: dict[str, tuple[str, ...]] = {
    **{
        name: (f"apps/{name}.c",)
        for name in (
            "generate",
            "crc32",
            "sha",
            "adpcm",
            "fft",
            "search",
            "sort",
            "spell",
            "typeset",
            "tiff",
            "speak",
            "page",
        )
    },
    "jpeg": ("apps/jpeg.c", "apps/jpeg_encode.c", "apps/jpeg_decode.c", "apps/dct.c"),
    "gsm": ("apps/gsm.c", "apps/gsm_encode.c", "apps/gsm_decode.c", "apps/gsm_tables.c"),
    "subband": ("apps/subband.c", "apps/subband_bank.c", "apps/dct.c"),
    "film": ("apps/film.c", "apps/dct.c"),
}
"""Programs that compute: ELF -> its own sources; the same sources make a program of the host."""


def images() -> dict[str, bytes]:
    """Every committed program by name."""
    return {path.stem: path.read_bytes() for path in sorted(IMAGES.glob("*.elf"))}
