"""The files that wren (or any Linux) starts with: a cpio archive ("newc") of its programs.

    build_user() == {"initramfs.cpio": ...}

`python -m cells.wren.initramfs FILE.c ... [-o FILE.cpio]` makes one with programs of your own beside ours, each in /bin under its
file's name.

Layout: kernel documentation, "initramfs buffer format". The same input gives the same bytes on every host: no times, owner root,
inode numbers in order, no compression (wren does not unpack; a compressor's output depends on its version).
"""

from __future__ import annotations

import argparse
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cells.wren.user import CRIMES, NAMES

SIZE_LIMIT = 64 * 1024
FOLDERS = ("bin", "dev", "etc", "tmp")
DEVICES = {"dev/console": (5, 1), "dev/null": (1, 3)}
"""Major and minor numbers: kernel documentation, "devices.txt"."""
LOOK = """\
# What a person would type first: /bin/sh /etc/look
echo one two three | wc
echo "two  words" 'and $NAME' > /tmp/q && cat /tmp/q
cat < /tmp/q | cat | cat >> /tmp/r; wc /tmp/q /tmp/r
false || echo false; true && echo true; false && echo not this
NAME=value
echo $NAME '$NAME' "$NAME!" \\$NAME $NONE.
nothing_there
echo status $?
cat /tmp/none 2> /tmp/error; cat /tmp/error
rm /tmp/q /tmp/r /tmp/error; echo x > /tmp/f; ls /tmp; rm /tmp/f /tmp/f
sleep 0 & wait; echo waited
echo "no end
exit 0
"""
"""A script for the shell, in /etc."""
TRAILER = "TRAILER!!!"
BLOCK = 512


@dataclass(frozen=True)
class Entry:
    """One file, folder, link or device."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def newc(entries: Iterable[Entry]) -> bytes:
    """A cpio of these entries."""
    parts = [_record(number, entry) for number, entry in enumerate(entries, start=1)]
    image = b"".join(parts) + _record(0, Entry(TRAILER, 0))
    return image + bytes(-len(image) % BLOCK)


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _aligned(head) + _aligned(entry.content)


def _aligned(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def scripts() -> dict[str, str]:
    """Name -> text of the files in /etc. `tests` and `crimes` are for init: one program with its arguments a line."""
    tests = [f"/bin/{name}" for name in NAMES["check"]]
    crimes = [f"/bin/crash {crime}" for crime in CRIMES]
    return {"tests": _lines([*tests, "/bin/sh /etc/look"]), "crimes": _lines(crimes), "look": LOOK}


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def archive(elves: Mapping[str, bytes]) -> bytes:
    """The initramfs of these ELF files, with a link in /bin for each of their programs; /init is `init`, if they have it.

    A link stands behind what it leads to: wren resolves it while it unpacks."""
    entries = [Entry(path, stat.S_IFDIR | 0o755) for path in FOLDERS]
    entries += [Entry(path, stat.S_IFCHR | 0o666, device=device) for path, device in DEVICES.items()]
    for name, content in elves.items():
        entries.append(Entry(f"bin/{name}", stat.S_IFREG | 0o755, content))
        entries += [Entry(f"bin/{link}", stat.S_IFLNK | 0o777, name.encode()) for link in NAMES.get(name, ())]
    entries += [Entry(f"etc/{name}", stat.S_IFREG | 0o644, text.encode()) for name, text in scripts().items()]
    if "box" in elves:
        entries.append(Entry("init", stat.S_IFLNK | 0o777, b"bin/init"))
    return newc(entries)


def build_user() -> dict[str, bytes]:
    """Every image that user land consists of, by file name.

    Raises:
        BuildError: the tool chain is missing, refused a source, or the result is too large.
    """
    from cells.programs.arm.build import BuildError
    from cells.wren.user.build import programs

    made = archive(programs())
    if len(made) >= SIZE_LIMIT:
        raise BuildError(f"initramfs.cpio has {len(made)} bytes; the limit is {SIZE_LIMIT}")
    return {"initramfs.cpio": made}


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 2: the build failed."""
    from cells.programs.arm.build import BuildError
    from cells.wren.user.build import own, programs

    parser = argparse.ArgumentParser(
        prog="python -m cells.wren.initramfs", description="An archive with your programs."
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="FILE.c", help="a C file with a main")
    parser.add_argument("-o", dest="output", type=Path, help="the archive; beside the first file if it is not named")
    chosen = parser.parse_args(arguments)
    try:
        made = archive(programs() | {source.stem: own(source) for source in chosen.sources})
        output = chosen.output or chosen.sources[0].with_suffix(".cpio")
        output.write_bytes(made)
    except (BuildError, OSError) as error:
        print(f"initramfs: {error}", file=sys.stderr)
        return 2
    print(f"{output}: {len(made)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
