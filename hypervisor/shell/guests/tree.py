"""All files of a package, as an archive that a Linux can have as its root.

    image = tree(path_of_deb, leave=["usr/share/doc/*"])

What the package's scripts would do on a machine is not done: nothing of a package is ever run here. Owners and times are not
kept (everything belongs to root), so that the same package gives the same bytes.
"""

from __future__ import annotations

import fnmatch
import lzma
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from debian.arfile import ArError
from debian.debfile import DebFile

from .debian import content_of, place_of
from .errors import FetchError
from .initramfs import Entry, newc


def tree(path: Path, leave: Sequence[str] = ()) -> bytes:
    """A newc cpio of a package, without what fits one of the patterns (`*` goes over slashes, too).

    Raises:
        FetchError: it is no package, leads out of its root, or holds what is neither file, folder nor link.
    """
    try:
        with path.open("rb") as file, DebFile(fileobj=file).data.tgz() as tar:
            return newc(_entries(tar, path.name, leave))
    except (ArError, tarfile.TarError, lzma.LZMAError, EOFError, OSError, UnicodeDecodeError) as error:
        raise FetchError(f"{path.name} is not a package that can be read: {error}") from None


def _entries(tar: tarfile.TarFile, package: str, leave: Sequence[str]) -> Iterator[Entry]:
    for member in tar:
        name = place_of(member.name, package).as_posix()
        if name != "." and not any(fnmatch.fnmatchcase(name, pattern) for pattern in leave):
            yield _entry(tar, member, name, package)


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
