"""Fetching whole: what is right arrives and is found again; what is pinned is taken; two fetches do not meet."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hypervisor.shell.guests import GuestMissing, UsageError, available, resolve
from hypervisor.shell.guests.errors import FetchError
from hypervisor.shell.guests.lock import Locked, pinned, read_lock, render
from hypervisor.shell.guests.signature import NoCheck

TOY = ("debian:toy", "armel")


def fetch_all(fetcher: Any, toy_catalog: Any, **how: Any) -> list[Locked]:
    entries: list[Locked] = fetcher(**how).fetch(toy_catalog.guests)
    return entries


def test_a_fetched_kernel_is_found_by_name_with_its_provenance(
    mirror: Any, fetcher: Any, toy_catalog: Any, cache: Any
) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog)
    kernel = resolve("debian:toy")
    assert kernel.path.read_bytes() == b"kernel 9.9-1"
    assert kernel.record() == {
        "name": "debian:toy",
        "package": "linux-image-9.9-toy",
        "version": "9.9-1",
        "architecture": "armel",
        "sha256": hashlib.sha256(b"kernel 9.9-1").hexdigest(),
        "deb_sha256": hashlib.sha256(
            (mirror.root / "pool/linux-image-9.9-toy_9.9-1_armel.deb").read_bytes()
        ).hexdigest(),
        "signature": mirror.key.extract_certificate().fingerprint,
    }
    assert resolve("debian:toy", file="config").path.read_bytes() == b"CONFIG_TOY=y\n"
    assert not cache.downloads.exists()


def test_the_initramfs_holds_the_fetched_busybox_and_is_the_same_every_time(
    mirror: Any, fetcher: Any, toy_catalog: Any
) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog)
    first, second = resolve("debian:busybox", "armel"), resolve("debian:busybox", "armel")
    assert first == second
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == first.sha256
    assert b"cellvisor: shell ready" in first.path.read_bytes()
    first.path.write_bytes(b"spoilt")
    assert hashlib.sha256(resolve("debian:busybox", "armel").path.read_bytes()).hexdigest() == first.sha256


def test_a_second_fetch_asks_for_no_mirror_at_all(mirror: Any, fetcher: Any, toy_catalog: Any, notes: Any) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog)
    notes.transfers.clear()

    def no_mirror() -> list[str]:
        raise AssertionError("the mirror was asked for")

    fetch_all(fetcher, toy_catalog, mirrors=no_mirror)
    assert notes.transfers == []


def test_before_the_fetch_one_line_says_what_to_run(cache: Any, toy_catalog: Any) -> None:
    with pytest.raises(
        GuestMissing, match=r'^the guest "debian:toy" \(armel\) is not fetched: run scripts/fetch_guests'
    ):
        resolve("debian:toy")
    assert not available("debian:toy")


@pytest.mark.parametrize("spoil", ["change", "delete"])
def test_a_damaged_guest_is_noticed_and_fetched_again(
    mirror: Any, fetcher: Any, toy_catalog: Any, notes: Any, spoil: str
) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog)
    path = resolve("debian:toy").path
    path.write_bytes(b"spoilt") if spoil == "change" else path.unlink()
    with pytest.raises(GuestMissing, match=r"vmlinuz is (damaged|missing).*run scripts/fetch_guests"):
        resolve("debian:toy")
    fetch_all(fetcher, toy_catalog)
    assert resolve("debian:toy").path.read_bytes() == b"kernel 9.9-1"
    assert any(line.endswith("fetching it again") for line in notes.lines)


def test_a_damaged_lock_in_the_cache_means_fetching_again(
    mirror: Any, fetcher: Any, toy_catalog: Any, cache: Any
) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog)
    cache.lock_file.write_text("[[guest]]\nname = ")
    assert not available("debian:toy")
    fetch_all(fetcher, toy_catalog)
    assert available("debian:toy")


def test_the_pinned_version_is_taken_while_the_mirror_lists_it(mirror: Any, fetcher: Any, toy_catalog: Any) -> None:
    mirror.toy()
    pins = {entry.key: entry for entry in fetch_all(fetcher, toy_catalog)}
    mirror.toy("9.9-2")
    assert fetch_all(fetcher, toy_catalog, pins=pins)[0].version == "9.9-1"
    assert fetch_all(fetcher, toy_catalog, pins=pins, update=True)[0].version == "9.9-2"
    assert resolve("debian:toy").path.read_bytes() == b"kernel 9.9-2"


def test_after_an_update_a_plain_fetch_does_not_go_back(
    mirror: Any, fetcher: Any, toy_catalog: Any, notes: Any
) -> None:
    mirror.toy()
    pins = {entry.key: entry for entry in fetch_all(fetcher, toy_catalog)}
    mirror.toy("9.9-2")
    fetch_all(fetcher, toy_catalog, pins=pins, update=True)
    notes.transfers.clear()
    assert fetch_all(fetcher, toy_catalog, pins=pins)[0].version == "9.9-2"
    assert notes.transfers == []


def test_when_the_pinned_version_is_gone_the_newest_is_taken_aloud(
    mirror: Any, fetcher: Any, toy_catalog: Any, notes: Any
) -> None:
    mirror.toy("9.9-2")
    gone = Locked(*TOY, "linux-image-9.8-toy", "9.8-1", "00", "key", {"vmlinuz": "00", "config": "00"})
    taken = fetch_all(fetcher, toy_catalog, pins={TOY: gone})[0]
    assert (taken.version, taken.instead_of) == ("9.9-2", "9.8-1")
    (line,) = notes.lines
    assert line == (
        "debian:toy: the pinned linux-image-9.8-toy 9.8-1 is no longer on the mirror; "
        "taking linux-image-9.9-toy 9.9-2 instead"
    )
    notes.transfers.clear()
    fetch_all(fetcher, toy_catalog, pins={TOY: gone})
    assert notes.transfers == []


def test_the_pinned_version_with_other_bytes_is_refused(mirror: Any, fetcher: Any, toy_catalog: Any) -> None:
    mirror.toy()
    pin = replace(fetch_all(fetcher, toy_catalog)[0], deb_sha256="00", version="9.9-1")
    fetcher().cache.lock_file.unlink()
    with pytest.raises(FetchError, match=r"9\.9-1 on the mirror has another SHA-256 than the one pinned: refused"):
        fetch_all(fetcher, toy_catalog, pins={TOY: pin})


def test_what_was_fetched_unchecked_is_checked_by_the_next_fetch(
    mirror: Any, fetcher: Any, toy_catalog: Any, notes: Any
) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog, trust=NoCheck())
    assert resolve("debian:toy").signature == "unchecked"
    notes.transfers.clear()
    fetch_all(fetcher, toy_catalog)
    assert resolve("debian:toy").signature == mirror.key.extract_certificate().fingerprint
    assert [what for what, _ in notes.transfers] == ["package list armel"], "the packages themselves were right"


def test_a_mirror_that_fails_is_followed_by_the_next(
    mirror: Any, fetcher: Any, toy_catalog: Any, tmp_path: Path
) -> None:
    mirror.toy()
    places = [(tmp_path / "nothing").as_uri(), mirror.url]
    assert fetch_all(fetcher, toy_catalog, mirrors=lambda: places)[0].version == "9.9-1"


def test_when_all_mirrors_fail_each_is_named(fetcher: Any, toy_catalog: Any, tmp_path: Path) -> None:
    places = [(tmp_path / name).as_uri() for name in ("one", "two")]
    with pytest.raises(FetchError, match=r"/one/dists/bookworm/InRelease: .*; .*/two/dists/bookworm/InRelease: "):
        fetch_all(fetcher, toy_catalog, mirrors=lambda: places)


def test_a_refused_package_leaves_the_old_guest_in_place(mirror: Any, fetcher: Any, toy_catalog: Any) -> None:
    mirror.toy()
    fetch_all(fetcher, toy_catalog)
    mirror.toy("9.9-2")
    path = mirror.root / "pool/linux-image-9.9-toy_9.9-2_armel.deb"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(FetchError, match=r"its SHA-256 is not"):
        fetch_all(fetcher, toy_catalog, update=True)
    assert resolve("debian:toy").version == "9.9-1"


def test_two_fetches_at_once_wait_for_each_other(
    mirror: Any, fetcher: Any, toy_catalog: Any, cache: Any, notes: Any
) -> None:
    mirror.toy()
    second = threading.Thread(target=fetch_all, args=(fetcher, toy_catalog))
    waiting = threading.Event()
    notes.note = lambda line: waiting.set() if "waiting for it" in line else None
    with cache.exclusive(notes):
        second.start()
        assert waiting.wait(5)
        assert cache.entries() == {}
    second.join()
    assert set(cache.entries()) == {guest.key for guest in toy_catalog.guests}


def test_a_cache_that_cannot_be_written_is_one_clear_line(
    fetcher: Any, toy_catalog: Any, cache: Any, tmp_path: Path
) -> None:
    cache.root.write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"^cannot write the cache .*; set CELLVISOR_GUESTS$"):
        fetch_all(fetcher, toy_catalog)


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    entry = Locked("a:b", "armel", 'odd "package"', "1:2~3", "00", "unchecked", {"f": "11", "g": "22"}, "1:1")
    path = tmp_path / "lock"
    path.write_text(render([entry]))
    assert read_lock(path) == {entry.key: entry}


def test_the_lock_of_the_repository_pins_every_guest() -> None:
    from hypervisor.shell.guests.catalog import catalog

    assert {guest.key: set(guest.files) for guest in catalog().pieces} == {
        key: set(entry.files) for key, entry in pinned().items()
    }
    assert all(len(entry.deb_sha256) == 64 and entry.signature != "unchecked" for entry in pinned().values())


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("debian:marvel", None, r'^no guest is called "debian:marvel": did you mean "debian:marvell"\?$'),
        (
            "zzz",
            None,
            (
                r'^no guest is called "zzz": there are debian:armel, debian:armhf, debian:armmp, debian:bash, debian:busybox, '
                r"debian:drivers, debian:marvell, debian:rpi$"
            ),
        ),
        ("debian:busybox", None, r'^"debian:busybox" exists for armel or armhf: say which$'),
        ("debian:armmp", "armel", r'^"debian:armmp" exists for armhf, not armel$'),
    ],
)
def test_a_name_that_means_nothing_is_explained(name: str, architecture: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(name, architecture)


def test_finding_guests_does_not_load_what_fetching_needs() -> None:
    program = (
        "import sys, hypervisor.shell.guests; "
        "print([name for name in ('pysequoia', 'debian', 'urllib.request', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
