"""One script on one root under two kernels: what each command of `commands.sh` printed, and its status.

said = personality()                        # the Linux-like personality, in this process
said["pipes"].text, said["pipes"].status
said = debian(place)                        # Debian's unmodified kernel in a machine cell; a directory for its archive

python -m tests.support.armel               # record what Debian's kernel says: expected.txt
python -m tests.support.armel compare       # and print where the personality says something else
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

from hypervisor import launch
from hypervisor.shell.guests import resolve
from hypervisor.shell.guests.initramfs import joined, newc, program
from tests.support.linux import HZ, LinuxBench

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.txt"
ROOT = "debian:armel"
ENVIRONMENT = ("HOME=/", "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "TERM=vt100", "USER=root")
RAM = 128 << 20
STEP, LONGEST = 1_000, 900_000
"""Milliseconds of virtual time: how often the console is read, and when to give up."""
HEAD = f"""#!/bin/dash
# Nowhere but in a cell: the first process of the root says what it is.
grep -q {ROOT} /init || exit 99
mkdir /tmp/w || exit 98
"""
END = "@end@"
_SECTION = re.compile(r"@(\d+)@\n(.*?)@=(\d+)@\n", re.DOTALL)


class Said(NamedTuple):
    """What a command did."""

    text: str
    status: int


def commands() -> dict[str, str]:
    """Name -> command, in their order."""
    text = (HERE / "commands.sh").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in text.split("\n#: ")[1:]]
    return {name: command.rstrip("\n") for name, _, command in parts}


def script(count: int | None = None) -> bytes:
    """The script that runs them all, or the first of them."""
    rows = [
        f"echo @{number}@\n(\ncd /tmp/w || exit 97\n{command}\n) < /dev/null 2>&1\necho @=$?@\n"
        for number, command in enumerate(list(commands().values())[:count])
    ]
    return (HEAD + "".join(rows) + f"echo {END}\n").encode()


def archive(count: int | None = None) -> bytes:
    """The root with the script."""
    return joined([resolve(ROOT).path.read_bytes(), newc([program("script", script(count))])])


def read(console: bytes, count: int | None = None) -> dict[str, Said]:
    """What stands on the console.

    Raises:
        AssertionError: not all commands came to their end.
    """
    text = console.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    names = list(commands())[:count]
    found = {names[int(number)]: Said(said, int(status)) for number, said, status in _SECTION.findall(text)}
    assert list(found) == names, f"it ended in {len(found)} of {len(names)}: {text[-1000:]}"
    return found


@functools.cache
def personality(count: int | None = None) -> dict[str, Said]:
    """All commands, or the first of them, under the Linux-like personality on the CPU that Debian's kernel has."""
    bench = LinuxBench(
        archive(count), ["/bin/dash", "/script"], ram=RAM, environment=ENVIRONMENT, end=LONGEST * HZ // 1000
    )
    bench.run()
    return read(bench.output, count)


def debian(place: Path, kernel: str = "debian:marvell", board: str = "arm926") -> dict[str, Said]:
    """Under Debian's kernel; `place`: a directory for its archive."""
    initrd = place / "armel.cpio"
    initrd.write_bytes(archive())
    cell = {"kernel": kernel, "initrd": str(initrd), "append": "quiet -- /bin/dash /script", "ram": "256MiB"}
    with launch({"name": "linux", "board": board, "cells": {"linux": cell}}, flavour="native") as run:
        for time in range(STEP, LONGEST, STEP):
            run.until(f"{time}ms")
            if END.encode() in run.console("linux") or run.state("linux") in ("failed", "shut down"):
                break
        return read(run.console("linux"))


def write(said: dict[str, Said]) -> str:
    """As a file that people can read: bars before what was printed."""
    rows = []
    for name, (text, status) in said.items():
        lines = "".join(f"| {line}\n" for line in text.split("\n"))
        rows.append(f"#: {name}\n{lines}= {status}\n")
    return "".join(rows)


def expected() -> dict[str, Said]:
    """What was recorded."""
    found: dict[str, Said] = {}
    name, lines = "", list[str]()
    for row in EXPECTED.read_text(encoding="utf-8").splitlines():
        if row.startswith("#: "):
            name, lines = row[3:], []
        elif row.startswith("= "):
            found[name] = Said("\n".join(lines), int(row[2:]))
        else:
            lines.append(row[2:])
    return found


def differences(one: dict[str, Said], other: dict[str, Said]) -> dict[str, tuple[Said | None, Said | None]]:
    """Name -> both, where they are not the same."""
    return {name: (one.get(name), other.get(name)) for name in {**one, **other} if one.get(name) != other.get(name)}
