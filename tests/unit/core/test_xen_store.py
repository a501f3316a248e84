"""The store's tree: permissions, watches, transactions, quotas, paths."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hypervisor.abi.xen import ABSOLUTE_PATH, Errno
from hypervisor.core.xen.errors import StoreError
from hypervisor.core.xen.store import READ, WRITE, Permission, Quota, Store

SMALL = Quota(nodes=5, watches=3, transactions=2, size=64)


class Heard:
    """A store, and what its watches have told."""

    def __init__(self, quota: Quota | None = None) -> None:
        self.events: list[tuple[int, str, str]] = []
        self.store = Store(lambda who, watched, path, token: self.events.append((who, path, token)), quota)
        self.home(1)
        self.home(2)

    def home(self, who: int, reader: int | None = None) -> None:
        path = f"/local/domain/{who}"
        self.store.mkdir(0, path)
        more = () if reader is None else (Permission(reader, READ),)
        self.store.set_permissions(0, path, (Permission(who, 0), *more))

    def taken(self) -> list[tuple[int, str, str]]:
        events, self.events = self.events, []
        return events


@pytest.fixture
def heard(watch):
    heard = Heard()
    yield heard
    assert heard.store.problems() == []


def refused(errno: Errno, call: Callable[..., object], *arguments: object, **more: object) -> None:
    with pytest.raises(StoreError) as caught:
        call(*arguments, **more)
    assert caught.value.errno is errno


HOME = "/local/domain/1"


def test_a_written_value_is_read_back_and_makes_what_is_missing_above_it(heard):
    heard.store.write(1, f"{HOME}/device/block/0", b"\0any\xff")
    assert heard.store.read(1, f"{HOME}/device/block/0") == b"\0any\xff"
    assert heard.store.directory(1, HOME) == ("device",)
    assert heard.store.read(1, f"{HOME}/device/block") == b""


def test_removing_a_node_removes_all_below_it(heard):
    heard.store.write(1, f"{HOME}/a/b/c", b"1")
    heard.store.remove(1, f"{HOME}/a")
    refused(Errno.ENOENT, heard.store.read, 1, f"{HOME}/a/b/c")
    assert heard.store.directory(1, HOME) == ()
    heard.store.remove(1, f"{HOME}/a")
    refused(Errno.ENOENT, heard.store.remove, 1, f"{HOME}/x/y")
    refused(Errno.EINVAL, heard.store.remove, 0, "/")


def test_a_stranger_may_neither_read_nor_write_nor_learn_what_is_there(heard):
    heard.store.write(1, f"{HOME}/secret", b"1")
    refused(Errno.EACCES, heard.store.read, 2, f"{HOME}/secret")
    refused(Errno.EACCES, heard.store.read, 2, f"{HOME}/missing")
    refused(Errno.EACCES, heard.store.write, 2, f"{HOME}/secret", b"2")
    refused(Errno.EACCES, heard.store.write, 2, f"{HOME}/new", b"2")
    refused(Errno.EACCES, heard.store.remove, 2, f"{HOME}/secret")
    refused(Errno.EACCES, heard.store.directory, 2, HOME)
    refused(Errno.EACCES, heard.store.set_permissions, 2, f"{HOME}/secret", (Permission(2, 3),))


def test_permissions_are_inherited_and_the_maker_owns_what_it_makes(heard):
    heard.store.set_permissions(0, HOME, (Permission(1, 0), Permission(2, READ | WRITE)))
    heard.store.write(2, f"{HOME}/drop/box", b"2")
    assert heard.store.permissions(2, f"{HOME}/drop/box") == (Permission(2, 0), Permission(2, READ | WRITE))
    heard.store.write(1, f"{HOME}/mine", b"1")
    assert heard.store.permissions(1, f"{HOME}/mine")[0] == Permission(1, 0)
    assert heard.store.read(2, f"{HOME}/mine") == b"1"


def test_only_dom0_changes_the_owner(heard):
    heard.store.write(1, f"{HOME}/a", b"")
    refused(Errno.EPERM, heard.store.set_permissions, 1, f"{HOME}/a", (Permission(2, 0),))
    heard.store.set_permissions(1, f"{HOME}/a", (Permission(1, READ),))
    assert heard.store.read(2, f"{HOME}/a") == b""
    heard.store.set_permissions(0, f"{HOME}/a", (Permission(2, 0),))
    refused(Errno.EACCES, heard.store.read, 1, f"{HOME}/a")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//",
        "/a//b",
        "/a/",
        "/../x",
        "/a/../b",
        "/a\0b",
        "/a b",
        "/é",
        "/a\n",
        "/" + "a" * ABSOLUTE_PATH,
        "/a/.",
    ],
)
def test_what_is_no_path_is_refused(heard, path):
    for call in (heard.store.read, heard.store.directory, heard.store.mkdir, heard.store.remove):
        refused(Errno.EINVAL, call, 0, path)
    refused(Errno.EINVAL, heard.store.write, 0, path, b"")


def test_a_path_as_deep_as_paths_go_is_made_watched_and_removed(heard):
    deep = "/a" * (ABSOLUTE_PATH // 2)
    heard.store.watch(0, "/a", "w")
    heard.store.write(0, deep, b"")
    heard.store.remove(0, "/a")
    assert not heard.store.exists("/a/a")


def test_a_watch_tells_of_changes_at_the_node_and_below_and_of_no_others(heard):
    heard.store.watch(1, f"{HOME}/a", "t")
    heard.store.write(1, f"{HOME}/a", b"1")
    heard.store.write(1, f"{HOME}/a/b", b"1")
    heard.store.write(1, f"{HOME}/ab", b"1")
    heard.store.remove(1, f"{HOME}/a")
    paths = [path for _, path, _ in heard.taken()]
    assert paths == [f"{HOME}/a", f"{HOME}/a/b", f"{HOME}/a", f"{HOME}/a/b"]


def test_a_watch_tells_nothing_that_its_owner_may_not_see(heard):
    heard.store.watch(2, "/local", "t")
    heard.store.write(1, f"{HOME}/secret", b"1")
    heard.store.remove(1, f"{HOME}/secret")
    assert heard.taken() == []


def test_the_same_watch_twice_is_refused_and_so_is_taking_back_an_unknown_one(heard):
    heard.store.watch(1, HOME, "t")
    refused(Errno.EEXIST, heard.store.watch, 1, HOME, "t")
    heard.store.watch(1, HOME, "u")
    heard.store.unwatch(1, HOME, "t")
    refused(Errno.ENOENT, heard.store.unwatch, 1, HOME, "t")
    heard.store.write(1, HOME, b"")
    assert heard.taken() == [(1, HOME, "u")]


def test_comings_and_goings_are_dom0s_to_watch(heard):
    refused(Errno.EACCES, heard.store.watch, 1, "@releaseDomain", "t")
    heard.store.watch(0, "@releaseDomain", "t")
    heard.store.announce("@introduceDomain")
    heard.store.announce("@releaseDomain")
    assert heard.taken() == [(0, "@releaseDomain", "t")]


def test_a_transaction_is_seen_by_nobody_until_it_is_committed(heard):
    number = heard.store.begin(1)
    heard.store.watch(1, HOME, "t")
    heard.store.write(1, f"{HOME}/a", b"1", number)
    assert heard.store.read(1, f"{HOME}/a", number) == b"1"
    refused(Errno.ENOENT, heard.store.read, 1, f"{HOME}/a")
    assert heard.taken() == []
    heard.store.end(1, number, commit=True)
    assert heard.store.read(1, f"{HOME}/a") == b"1"
    assert heard.taken() == [(1, f"{HOME}/a", "t")]
    refused(Errno.ENOENT, heard.store.end, 1, number, commit=True)


def test_an_abandoned_transaction_has_changed_nothing(heard):
    number = heard.store.begin(1)
    heard.store.write(1, f"{HOME}/a", b"1", number)
    heard.store.end(1, number, commit=False)
    refused(Errno.ENOENT, heard.store.read, 1, f"{HOME}/a")


@pytest.mark.parametrize("what", ["read", "missing", "written", "listed"])
def test_a_transaction_that_has_seen_what_is_so_no_more_is_refused(heard, what):
    heard.store.write(1, f"{HOME}/a", b"1")
    number = heard.store.begin(1)
    if what == "read":
        heard.store.read(1, f"{HOME}/a", number)
        heard.store.write(1, f"{HOME}/a", b"2")
    elif what == "missing":
        refused(Errno.ENOENT, heard.store.read, 1, f"{HOME}/b", number)
        heard.store.write(1, f"{HOME}/b", b"2")
    elif what == "written":
        heard.store.write(1, f"{HOME}/a", b"mine", number)
        heard.store.write(1, f"{HOME}/a", b"2")
    else:
        heard.store.directory(1, HOME, number)
        heard.store.write(1, f"{HOME}/c", b"2")
    refused(Errno.EAGAIN, heard.store.end, 1, number, commit=True)
    assert heard.store.read(1, f"{HOME}/a") in (b"1", b"2")


def test_a_transaction_does_not_mind_what_it_has_not_looked_at(heard):
    number = heard.store.begin(1)
    heard.store.write(1, f"{HOME}/a", b"1", number)
    heard.store.write(2, "/local/domain/2/a", b"2")
    heard.store.end(1, number, commit=True)
    assert heard.store.read(1, f"{HOME}/a") == b"1"


def test_a_node_made_and_removed_in_one_transaction_was_never_there(heard):
    heard.store.watch(1, HOME, "t")
    number = heard.store.begin(1)
    heard.store.write(1, f"{HOME}/a/b", b"1", number)
    heard.store.remove(1, f"{HOME}/a", number)
    heard.store.end(1, number, commit=True)
    assert heard.taken() == []
    assert heard.store.directory(1, HOME) == ()


def test_a_transaction_is_its_owners_alone(heard):
    number = heard.store.begin(1)
    refused(Errno.ENOENT, heard.store.read, 2, "/local/domain/2", number)
    refused(Errno.ENOENT, heard.store.end, 2, number, commit=False)


def test_quotas_hold_for_domains_and_not_for_dom0():
    heard = Heard(SMALL)
    for n in range(SMALL.nodes - 1):  # its home counts
        heard.store.write(1, f"{HOME}/n{n}", b"")
    refused(Errno.ENOSPC, heard.store.write, 1, f"{HOME}/more", b"")
    refused(Errno.ENOSPC, heard.store.mkdir, 1, f"{HOME}/n0/below")
    refused(Errno.ENOSPC, heard.store.write, 1, f"{HOME}/n0", bytes(100))
    for n in range(SMALL.watches):
        heard.store.watch(1, HOME, str(n))
    refused(Errno.E2BIG, heard.store.watch, 1, HOME, "more")
    numbers = [heard.store.begin(1) for _ in range(SMALL.transactions)]
    refused(Errno.ENOSPC, heard.store.begin, 1)
    refused(Errno.ENOSPC, heard.store.write, 1, f"{HOME}/more", b"", numbers[0])
    for n in range(20):
        heard.store.write(0, f"/tool/n{n}", bytes(100))
    heard.store.remove(1, f"{HOME}/n0")
    heard.store.write(1, f"{HOME}/more", b"")
    heard.store.reset_watches(1)
    heard.store.begin(1)
    assert heard.store.problems() == []


def test_two_transactions_cannot_pass_the_quota_together():
    heard = Heard(SMALL)
    for name in ("a", "b"):
        heard.store.write(1, f"{HOME}/{name}", b"")
    one, two = heard.store.begin(1), heard.store.begin(1)
    heard.store.write(1, f"{HOME}/a/1/2", b"", one)
    heard.store.write(1, f"{HOME}/b/1/2", b"", two)
    heard.store.end(1, one, commit=True)
    refused(Errno.ENOSPC, heard.store.end, 1, two, commit=True)
    assert heard.store.owned_by(1) == 5
    assert heard.store.problems() == []
