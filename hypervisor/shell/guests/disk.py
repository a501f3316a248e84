"""A root as a disk: an archive unpacked as a plain user, made into ext4 by e2fsprogs, and given the owners that it should have.

    build_disk(archive, 256 << 20, path)

Nobody mounts anything and nobody is root: `mke2fs -d` takes the files over, and `debugfs` corrects what a plain user cannot give
away, owners and times. So the same archive gives the same bytes, whoever builds it, as long as e2fsprogs is the same.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from cells.personalities.linux.initramfs import MODE, Entry, entries

TOOLS = ("mke2fs", "debugfs", "e2fsck")
NAME = "63656c6c-7669-736f-7200-000000000001"
"""Of the file system, and where its hashes begin: one for all, so that the same files give the same bytes."""
EPOCH = 1_672_531_200
"""2023-01-01, in every time stamp."""
FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,"
    "extra_isize,metadata_csum"
)
"""What ext4 of Debian 12 has, named here because the host's configuration has another opinion."""
CONFIG = "[defaults]\n[fs_types]\n" + "".join(
    f"{kind} = {{\n inode_size = 256\n}}\n" for kind in ("ext4", "default", "floppy", "small", "big")
)
_STAMPS = ("atime", "ctime", "mtime", "crtime")


class NoToolsError(Exception):
    """This host cannot make file systems; the text says what it lacks, or what a tool said."""


def build_disk(archive: bytes, size: int, target: Path) -> None:
    """Make the disk image `target` of `size` bytes with the files of a newc cpio, atomically.

    Raises:
        NoToolsError: e2fsprogs is not on this host, or failed: the files do not fit, for example.
        ValueError: the archive leads out of its root.
        OSError: no room.
    """
    tools = {name: _tool(name) for name in TOOLS}
    found = {_place(entry): entry for entry in entries(archive)}
    found.pop(PurePosixPath(), None)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".disk-") as folder:
        tree, image = Path(folder) / "tree", Path(folder) / "image"
        tree.mkdir()
        _unpack(tree, found)
        config = Path(folder) / "mke2fs.conf"
        config.write_text(CONFIG)
        _run(config, tools["mke2fs"], *_options(tree), str(image), f"{size >> 10}k")
        _run(config, tools["debugfs"], "-w", "-f", "-", str(image), text="\n".join(_owners(found)) + "\n")
        _run(config, tools["e2fsck"], "-fn", str(image))
        image.replace(target)


def _tool(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if path is None:
        raise NoToolsError(f"{name} is not on this host (install the package e2fsprogs)")
    return path


def _options(tree: Path) -> list[str]:
    more = f"hash_seed={NAME},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    shape = ["-b", "4096", "-I", "256", "-m", "0", "-J", "size=8"]
    return ["-q", "-F", "-t", "ext4", "-O", FEATURES, *shape, "-U", NAME, "-L", "root", "-E", more, "-d", str(tree)]


def _run(config: Path, *command: str, text: str = "") -> None:
    """One tool, without the host's configuration and clock."""
    environment = {"PATH": os.environ.get("PATH", ""), "MKE2FS_CONFIG": str(config), "LC_ALL": "C"}
    environment |= {"E2FSPROGS_FAKE_TIME": str(EPOCH), "SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
    complaints = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(_VERSIONS)]
    if done.returncode or complaints:
        said = complaints or done.stdout.splitlines() or [f"status {done.returncode}"]
        raise NoToolsError(f"{Path(command[0]).name}: {said[-1].strip()}")


_VERSIONS = ("mke2fs 1.", "debugfs 1.", "e2fsck 1.")
"""How the tools greet on their standard error."""


def _place(entry: Entry) -> PurePosixPath:
    place = PurePosixPath(entry.name.decode(errors="surrogateescape").lstrip("/"))
    if ".." in place.parts or any(character in str(place) for character in '"\n'):
        raise ValueError(f'the path "{place}" is refused')
    return place


def _unpack(tree: Path, found: dict[PurePosixPath, Entry]) -> None:
    """Make the files, folders and links. Device nodes are the running kernel's business."""
    for place, entry in sorted(found.items(), key=lambda item: str(item[0])):
        path, mode = tree / place, entry.fields[MODE]
        if any((tree / parent).is_symlink() for parent in place.parents):
            raise ValueError(f'"{place}" leads through a link')
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(mode):
            path.mkdir(exist_ok=True)
        elif stat.S_ISLNK(mode):
            path.symlink_to(bytes(entry.content).decode(errors="surrogateescape"))
        elif stat.S_ISREG(mode):
            path.write_bytes(entry.content)
            path.chmod(stat.S_IMODE(mode))


def _modes(found: dict[PurePosixPath, Entry]) -> dict[PurePosixPath, int]:
    """Of all that is there, with folders that nobody named."""
    parents = {parent: stat.S_IFDIR | 0o755 for place in found for parent in place.parents if parent.parts}
    return parents | {place: entry.fields[MODE] for place, entry in found.items()}


def _owners(found: dict[PurePosixPath, Entry]) -> Iterator[str]:
    """Orders for debugfs: what belongs to whom, since when. Modes of folders too: one might not have been writable."""
    for place, mode in _modes(found).items():
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode) or stat.S_ISREG(mode):
            yield from _fields(f"/{place}")
        if stat.S_ISDIR(mode):
            yield f'set_inode_field "/{place}" mode 0{mode:o}'
    yield from (line for path in ("/", "/lost+found") for line in _fields(path))


def _fields(path: str) -> Iterable[str]:
    yield from (f'set_inode_field "{path}" {field} 0' for field in ("uid", "gid"))
    for field in _STAMPS:
        yield f'set_inode_field "{path}" {field} @{EPOCH}'
        yield f'set_inode_field "{path}" {field}_extra 0'
