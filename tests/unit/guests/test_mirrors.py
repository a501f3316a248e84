"""Which mirror: named, from the environment, or from the machine's apt configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisor.shell.guests.errors import UsageError
from hypervisor.shell.guests.mirrors import VARIABLE, apt_sources, mirrors

NAMED, OTHER = "http://one.invalid/debian", "http://two.invalid/debian"


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def write(apt: Path, name: str, text: str) -> None:
    (apt / name).write_text(text)


def test_the_named_mirror_wins_over_the_environment(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, OTHER)
    assert mirrors(NAMED + "/", "bookworm", apt=apt) == [NAMED]
    assert mirrors(None, "bookworm", apt=apt) == [OTHER]


def test_a_folder_is_a_mirror(apt: Path) -> None:
    assert mirrors("/srv/debian", "bookworm", apt=apt) == ["file:///srv/debian"]


def test_a_name_that_is_no_address_is_refused(apt: Path) -> None:
    with pytest.raises(UsageError, match=r'^"mirror" is no mirror: it must begin with http://'):
        mirrors("mirror", "bookworm", apt=apt)


def test_without_any_mirror_one_line_says_what_to_pass(apt: Path) -> None:
    with pytest.raises(UsageError, match=rf"pass --mirror URL .* or set {VARIABLE}"):
        mirrors(None, "bookworm", apt=apt)


def test_the_deb822_form_is_read(apt: Path) -> None:
    text = f"# comment\nTypes: deb deb-src\nURIs: {NAMED}/\nSuites: bookworm bookworm-updates\nComponents: main\n"
    write(apt, "sources.list.d/debian.sources", text)
    assert mirrors(None, "bookworm", apt=apt) == [NAMED]


@pytest.mark.parametrize(
    "line",
    [
        f"deb {NAMED} bookworm main contrib",
        f"deb [arch=amd64] {NAMED} bookworm main # comment",
        f"deb [ arch=amd64 signed-by=/x ] {NAMED} bookworm main",
    ],
)
def test_the_one_line_form_is_read(apt: Path, line: str) -> None:
    write(apt, "sources.list", f"# deb {OTHER} bookworm main\n\n{line}\n")
    assert mirrors(None, "bookworm", apt=apt) == [NAMED]


@pytest.mark.parametrize(
    "line",
    [
        f"deb-src {NAMED} bookworm main",
        f"deb {NAMED} noble main",
        f"deb {NAMED} bookworm nodistro",
        f"deb {NAMED} ./",
        f"deb {NAMED} bookworm-security main",
        "deb cdrom:[disc]/ bookworm main",
        "deb",
    ],
)
def test_entries_of_other_archives_do_not_count(apt: Path, line: str) -> None:
    write(apt, "sources.list.d/other.list", line)
    with pytest.raises(UsageError):
        mirrors(None, "bookworm", apt=apt)


def test_a_switched_off_entry_does_not_count(apt: Path) -> None:
    write(
        apt, "sources.list.d/a.sources", f"Enabled: no\nTypes: deb\nURIs: {NAMED}\nSuites: bookworm\nComponents: main\n"
    )
    assert list(apt_sources(apt)) == []


def test_the_wanted_suite_comes_first(apt: Path) -> None:
    write(apt, "sources.list", f"deb {OTHER} trixie main\ndeb {OTHER}-updates trixie-updates main\n")
    write(apt, "sources.list.d/b.list", f"deb {NAMED} bookworm main\n")
    assert mirrors(None, "bookworm", apt=apt) == [NAMED, OTHER, f"{OTHER}-updates"]


def test_the_list_of_a_cloud_image_is_followed(apt: Path) -> None:
    listed = apt / "mirrors.txt"
    listed.write_text(f"# comment\n{NAMED}/\tpriority:1\nftp://no.invalid\n{OTHER}\n")
    write(apt, "sources.list", f"deb mirror+file://{listed} bookworm main\n")
    assert mirrors(None, "bookworm", apt=apt) == [NAMED, OTHER]


def test_a_list_that_is_gone_is_passed_over(apt: Path) -> None:
    write(apt, "sources.list", f"deb mirror+file:{apt}/gone bookworm main\ndeb {OTHER} bookworm main\n")
    assert mirrors(None, "bookworm", apt=apt) == [OTHER]
