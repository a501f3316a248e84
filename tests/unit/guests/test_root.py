"""A root out of whole packages: their files in one archive, pinned and checked one by one."""

from __future__ import annotations

import hashlib
import stat
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cells.personalities.linux.initramfs import Entry, entries
from hypervisor.shell.guests import GuestMissing, guest_file, resolve
from hypervisor.shell.guests.catalog import Catalog, catalog, root
from hypervisor.shell.guests.errors import FetchError
from hypervisor.shell.guests.tree import tree
from tests.unit.guests.conftest import deb_of

ROOT = root(
    "debian:toy",
    "armel",
    ["one", "two"],
    ["usr/share/doc", "usr/share/doc/*"],
    title="",
    links={"bin/awk": "mawk"},
    own={"etc/passwd": "passwd", "init": "init.armel"},
)
BOOK = Catalog("bookworm", "main", (ROOT,))


def member(name: str, kind: bytes, target: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


ONE = {
    "./bin": member("./bin", tarfile.DIRTYPE),
    "./bin/one": b"the first",
    "./bin/again": member("./bin/again", tarfile.LNKTYPE, "./bin/one"),
    "./bin/short": member("./bin/short", tarfile.SYMTYPE, "one"),
    "./usr/share/doc/one": b"nobody reads this",
}


@pytest.fixture
def fetched(mirror: Any, fetcher: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(guest_file, "catalog", lambda: BOOK)
    mirror.add("one", "1-1", ONE)
    mirror.add("two", "2-1", {"./lib/two": b"the second"})
    mirror.publish()
    maker = replace(fetcher(), catalog=BOOK)
    maker.fetch([ROOT])
    return maker


def found() -> dict[bytes, Entry]:
    return {entry.name: entry for entry in entries(resolve("debian:toy").path.read_bytes())}


def test_it_holds_the_files_of_all_packages_and_what_their_scripts_would_have_made(fetched: Any) -> None:
    content = {name: bytes(entry.content) for name, entry in found().items()}
    assert content[b"bin/one"] == content[b"bin/again"] == b"the first"
    assert content[b"bin/short"] == b"one"
    assert content[b"lib/two"] == b"the second"
    assert content[b"bin/awk"] == b"mawk"
    assert content[b"etc/passwd"].startswith(b"root:x:0:0:")
    assert {b"dev", b"proc", b"sys", b"tmp", b"dev/console"} <= set(content)
    assert not any(b"doc" in name for name in content)


def test_modes_are_kept_and_scripts_of_ours_can_be_executed(fetched: Any) -> None:
    modes = {name: entry.fields[1] for name, entry in found().items()}
    assert modes[b"bin"] == stat.S_IFDIR | 0o755
    assert modes[b"tmp"] == stat.S_IFDIR | 0o1777
    assert modes[b"init"] == stat.S_IFREG | 0o755
    assert modes[b"etc/passwd"] == stat.S_IFREG | 0o644


def test_the_root_says_what_it_is_made_of(fetched: Any, mirror: Any) -> None:
    one = resolve("debian:toy")
    assert (one.package, one.architecture, one.name) == ("2 packages", "armel", "debian:toy")
    assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert one.signature == mirror.key.extract_certificate().fingerprint
    assert resolve("debian:toy") == one


def test_a_damaged_root_is_built_again_and_a_damaged_package_is_told(fetched: Any, cache: Any) -> None:
    one = resolve("debian:toy")
    one.path.write_bytes(b"spoilt")
    assert hashlib.sha256(resolve("debian:toy").path.read_bytes()).hexdigest() == one.sha256
    one.path.unlink()
    next(cache.root.glob("two_*/tree")).write_bytes(b"spoilt")
    with pytest.raises(GuestMissing, match="is damaged: its SHA-256 is not the recorded one"):
        resolve("debian:toy")


def test_a_package_that_is_not_there_makes_no_root(fetched: Any, cache: Any) -> None:
    text = cache.lock_file.read_text()
    cache.lock_file.write_text(text[: text.index("[[guest]]", text.index("[[guest]]") + 1)])
    with pytest.raises(GuestMissing, match='the root "debian:toy" is not fetched, or not whole'):
        resolve("debian:toy")


def test_each_package_is_pinned_by_itself(fetched: Any, cache: Any) -> None:
    pins = cache.entries()
    assert set(pins) == {("debian:toy/one", "armel"), ("debian:toy/two", "armel")}
    other = replace(pins["debian:toy/two", "armel"], deb_sha256="0" * 64)
    again = replace(fetched, pins=pins | {other.key: other}, update=False)
    cache.path(other, "tree").unlink()
    with pytest.raises(FetchError, match="two 2-1 on the mirror has another SHA-256 than the one pinned"):
        again.fetch([ROOT])


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("./dev/null", tarfile.CHRTYPE), "is neither file, folder nor link: refused"),
        (member("../outside", tarfile.DIRTYPE), "leads out of it: refused"),
    ],
)
def test_what_no_root_should_hold_is_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    path = tmp_path / "odd.deb"
    path.write_bytes(deb_of({info.name: info}))
    with pytest.raises(FetchError, match=message):
        tree(path)


def test_debians_root_names_each_package_once_and_is_pinned() -> None:
    (debian,) = catalog().named("debian:armel")
    names = [one.package for one in debian.members]
    assert sorted(set(names)) == names
    assert {"dash", "coreutils", "libc6", "grep", "sed", "mawk", "python3-minimal"} <= set(names)
