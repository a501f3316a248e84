"""All files of a package, as an archive that a Linux can have as its root; of a kernel's package some of its modules.

    image = tree(path_of_deb, leave=["usr/share/doc/*"])
    image = tree(path_of_deb, modules=["ext4", "virtio_blk"])

What the package's scripts would do on a machine is not done: nothing of a package is ever run here. Owners and times are not
kept (everything belongs to root), so that the same package gives the same bytes. For modules the list of who needs whom is
made, `modules.dep`, which depmod(8) would make on a machine: each module says itself what it depends on.
"""

from __future__ import annotations

import fnmatch
import lzma
import posixpath
import re
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from debian.arfile import ArError
from debian.debfile import DebFile

from .debian import content_of, place_of
from .errors import FetchError
from .initramfs import Entry, newc

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
"""What a module says of itself in its section .modinfo: strings that end with NUL (Linux, scripts/mod/modpost.c)."""
_SOFT = {"ext4": ("crc32c_generic",), "xen_netback": ("bridge",)}
"""What a module asks the kernel to find while it is used, by an alias: nobody answers in a small root, so it comes before."""


def tree(path: Path, leave: Sequence[str] = (), modules: Sequence[str] = ()) -> bytes:
    """A newc cpio of a package, without what fits one of the patterns (`*` goes over slashes, too); or of these modules only.

    Raises:
        FetchError: it is no package, leads out of its root, holds what is neither file, folder nor link, or lacks a module.
    """
    try:
        with path.open("rb") as file, DebFile(fileobj=file).data.tgz() as tar:
            return newc(_modules(tar, path.name, modules) if modules else _entries(tar, path.name, leave))
    except (ArError, tarfile.TarError, lzma.LZMAError, EOFError, OSError, UnicodeDecodeError) as error:
        raise FetchError(f"{path.name} is not a package that can be read: {error}") from None


def _entries(tar: tarfile.TarFile, package: str, leave: Sequence[str]) -> Iterator[Entry]:
    for member in tar:
        name = place_of(member.name, package).as_posix()
        if name != "." and not any(fnmatch.fnmatchcase(name, pattern) for pattern in leave):
            yield _entry(tar, member, name, package)


def _modules(tar: tarfile.TarFile, package: str, names: Sequence[str]) -> list[Entry]:
    """The modules of these names with their folders, and `modules.dep`."""
    found: dict[str, Entry] = {}
    for member in tar:
        place = place_of(member.name, package)
        name = place.stem.replace("-", "_")
        if place.suffix == ".ko" and name in names and name not in found:
            found[name] = _entry(tar, member, place.as_posix(), package)
            if len(found) == len(names):
                break
    if missing := set(names) - set(found):
        raise FetchError(f"{package} holds no module {', '.join(sorted(missing))}")
    base = "/".join(next(iter(found.values())).path.split("/")[:3])  # lib/modules/VERSION
    table = Entry(f"{base}/modules.dep", stat.S_IFREG | 0o644, _dependencies(found, base, package))
    folders = {parent for entry in (*found.values(), table) for parent in _parents(entry.path)}
    return [*(Entry(path, stat.S_IFDIR | 0o755) for path in sorted(folders)), *found.values(), table]


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _dependencies(found: Mapping[str, Entry], base: str, package: str) -> bytes:
    """A line for each module: its path, and those of all that have to be loaded before, the last needed first."""
    lines = []
    for name, entry in found.items():
        needed = [found[other].path.removeprefix(f"{base}/") for other in _needed(name, found, package)]
        lines.append(f"{entry.path.removeprefix(base + '/')}: {' '.join(needed)}".rstrip() + "\n")
    return "".join(lines).encode()


def _needed(name: str, found: Mapping[str, Entry], package: str) -> list[str]:
    """All that a module needs, nearest first, each once."""
    needed: list[str] = []
    for direct in (*_direct(found[name]), *_SOFT.get(name, ())):
        if direct not in found:
            raise FetchError(f"module {name} of {package} needs {direct}, which the catalog does not name")
        needed += [direct, *_needed(direct, found, package)]
    return list(dict.fromkeys(reversed(needed)))[::-1]


def _direct(entry: Entry) -> list[str]:
    said = _DEPENDS.search(entry.content)
    names = said.group(1).decode("ascii", "replace") if said else ""
    return [name.replace("-", "_") for name in names.split(",") if name]


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, package: str) -> Entry:
    if member.isdir():
        return Entry(name, stat.S_IFDIR | member.mode & 0o7777)
    if member.issym():
        return Entry(name, stat.S_IFLNK | 0o777, member.linkname.encode())
    if member.islnk():  # a second name of a file that came before: a file of its own here
        member = tar.getmember(member.linkname)
    if not member.isreg():
        raise FetchError(f'"{member.name}" in {package} is neither file, folder nor link: refused')
    return Entry(name, stat.S_IFREG | member.mode & 0o7777, content_of(tar, member))
