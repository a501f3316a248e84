"""The coverage-guided fuzzer (atheris, the extra `fuzz`): `nice python -m tests.fuzz [NAME [--for 60s]]`; no NAME: their list.

What does harm is written to tests/fuzz/corpus/NAME, where it is a test from then on: mend, then give it a name that says what
it was. The time is the host's: it shapes no run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from tests.fuzz.target import CORPUS, TARGETS, Target

OURS = ["hypervisor", "cells", "devices", "boards", "benchmarks", "elftools", "fdt", "tomllib"]
"""Packages whose branches guide the search."""
UNITS = {"s": 1, "m": 60, "h": 3600}
MEMORY_MIB = 2048
SECONDS_EACH = 10
"""An input that takes longer does harm."""


def seconds(text: str) -> int:
    """A duration such as 90, "60s" or "5m"."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    return int(float(number) * UNITS[unit])


def fuzz(chosen: Target, duration: int) -> None:
    """Search until the time is over or something is found; does not return."""
    import atheris

    kept = CORPUS / chosen.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        for number, seed in enumerate(chosen.seeds()):
            Path(work, f"seed{number}").write_bytes(seed)
        for case in chosen.cases():
            Path(work, case.name).write_bytes(case.read_bytes())
        options = [
            f"-max_total_time={duration}",
            f"-max_len={chosen.longest}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-timeout={SECONDS_EACH}",
            f"-artifact_prefix={kept}/found-",
        ]
        atheris.Setup([sys.argv[0], *options, work], chosen.run)
        atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--for", dest="duration", type=seconds, default=60, metavar="60s")
    asked = parser.parse_args()
    if asked.name is None:
        importlib.import_module("tests.fuzz.targets")
        print("\n".join(TARGETS))
        return
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not there: pip install 'cellvisor[fuzz]'")
    with atheris.instrument_imports(include=OURS, enable_loader_override=False):
        importlib.import_module("tests.fuzz.targets")
    if asked.name not in TARGETS:
        sys.exit(f'no target is called "{asked.name}"; there are {", ".join(TARGETS)}')
    fuzz(TARGETS[asked.name], asked.duration)


if __name__ == "__main__":
    main()
