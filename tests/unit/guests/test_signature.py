"""Who signed the index: nothing unsigned, altered, foreign or stale is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pysequoia
import pytest

from hypervisor.shell.guests.debian import Archive
from hypervisor.shell.guests.errors import FetchError, UsageError
from hypervisor.shell.guests.signature import MACHINE, NoCheck, keyring

BOOKWORM = {"b8b80b5b623eab6ad8775c45b7c5d7d6350947f8", "4d64fec119c2029067d6e791f8d2585b8783d481"}


@pytest.fixture
def open_archive(mirror: Any) -> Any:
    from datetime import UTC, datetime

    def opened(trust: Any = None, now: datetime = datetime(2026, 6, 1, tzinfo=UTC)) -> Archive:
        return Archive.open(mirror.url, "bookworm", "main", trust or mirror.keyring, now=now)

    return opened


def test_a_good_signature_is_accepted_and_its_key_is_named(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    assert open_archive().signature == mirror.key.extract_certificate().fingerprint


@pytest.mark.slow
def test_a_tampered_index_is_refused(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    mirror.inrelease.write_bytes(mirror.inrelease.read_bytes().replace(b"Origin: Debian", b"Origin: Mallet"))
    with pytest.raises(FetchError, match=r"InRelease is not signed by a trusted key"):
        open_archive()


def test_an_index_signed_by_a_stranger_is_refused(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    mirror.publish(signer=pysequoia.Tsk.generate("stranger"))
    with pytest.raises(FetchError, match=r"not signed by a trusted key"):
        open_archive()


def test_an_unsigned_index_is_refused(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    mirror.inrelease.write_bytes(b"Codename: bookworm\n")
    with pytest.raises(FetchError, match=r"not signed by a trusted key"):
        open_archive()


def test_text_around_the_signed_part_is_not_believed(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    forged = b"SHA256:\n " + b"0" * 64 + b" 1 main/binary-armel/Forged.xz\n\n"
    mirror.inrelease.write_bytes(forged + mirror.inrelease.read_bytes() + forged)
    assert set(open_archive().files) == {"main/binary-armel/Packages.xz"}


def test_the_message_has_one_line(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    mirror.inrelease.write_bytes(b"nothing")
    with pytest.raises(FetchError) as caught:
        open_archive()
    assert "\n" not in str(caught.value)


def test_without_a_check_the_index_is_read_and_marked_unchecked(mirror: Any, open_archive: Any) -> None:
    mirror.toy()
    mirror.publish(signer=pysequoia.Tsk.generate("stranger"))
    archive = open_archive(NoCheck())
    assert archive.signature == "unchecked"
    assert set(archive.files) == {"main/binary-armel/Packages.xz"}


def test_an_expired_index_is_refused_and_one_second_earlier_it_is_not(mirror: Any, open_archive: Any) -> None:
    from datetime import UTC, datetime

    mirror.fields["Valid-Until"] = "Mon, 01 Jun 2026 12:00:00 UTC"
    mirror.toy()
    assert open_archive(now=datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)).files
    with pytest.raises(FetchError, match=r"the index expired on Mon, 01 Jun 2026 12:00:00 UTC: the mirror is stale"):
        open_archive(now=datetime(2026, 6, 1, 12, 0, 1, tzinfo=UTC))


def test_a_signed_index_of_another_suite_is_refused(mirror: Any, open_archive: Any) -> None:
    mirror.fields |= {"Codename": "trixie", "Suite": "stable"}
    mirror.toy()
    with pytest.raises(FetchError, match=r'asked for bookworm, got the index of "trixie"'):
        open_archive()


def test_the_package_carries_the_keys_of_bookworm() -> None:
    assert {key.fingerprint for key in keyring(machine=()).certificates} == BOOKWORM


def test_the_machines_keyring_adds_to_ours_without_doubles(tmp_path: Path, signing_key: pysequoia.Tsk) -> None:
    certificates = [signing_key.extract_certificate(), *keyring(machine=()).certificates]
    extra = tmp_path / "extra.gpg"
    extra.write_bytes(b"".join(bytes(one) for one in certificates))
    trusted = [key.fingerprint for key in keyring(machine=(extra, tmp_path / "absent.gpg")).certificates]
    assert sorted(trusted) == sorted(BOOKWORM | {certificates[0].fingerprint})


def test_a_named_keyring_replaces_all_others(tmp_path: Path, signing_key: pysequoia.Tsk) -> None:
    named = tmp_path / "own.asc"
    named.write_text(str(signing_key.extract_certificate()))
    own = signing_key.extract_certificate().fingerprint
    assert [key.fingerprint for key in keyring(named, machine=MACHINE).certificates] == [own]


@pytest.mark.parametrize("content", [None, b"", b"no keys here"])
def test_a_keyring_that_cannot_be_read_says_what_to_pass(tmp_path: Path, content: bytes | None) -> None:
    named = tmp_path / "bad.gpg"
    if content is not None:
        named.write_bytes(content)
    with pytest.raises(UsageError, match=r"keyring .*bad\.gpg.*--keyring FILE$"):
        keyring(named)
