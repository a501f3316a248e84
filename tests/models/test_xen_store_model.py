"""The store against a dict of paths, with transactions as copies of it that are compared at their end."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from hypervisor.abi.xen import Errno
from hypervisor.core.xen.errors import StoreError
from hypervisor.core.xen.store import Store

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
values = st.binary(max_size=3)
Tree = dict[str, bytes]


class StoreTree(RuleBasedStateMachine):
    """Dom0 alone, so that permissions do not matter.

    The model of a transaction: the tree as it was and as it is to be, what was looked at, what others have changed since.
    """

    transactions: Bundle[int] = Bundle("transactions")

    def __init__(self) -> None:
        super().__init__()
        self.heard: set[str] = set()
        self.store = Store(lambda who, watched, path, token: self.heard.add(path))
        self.store.watch(0, "/", "all")
        self.tree: Tree = {}
        self.open: dict[int, tuple[Tree, Tree]] = {}  # as it was when it began, as it stands
        self.looked: dict[int, set[str]] = {}
        self.changed: dict[int, set[str]] = {}  # what others have changed since it began

    # ---- the tree itself

    @rule(path=paths, value=values)
    def write(self, path: str, value: bytes) -> None:
        self.heard.clear()
        self.store.write(0, path, value)
        put(self.tree, path, value)
        assert path in self.heard
        self._touch({path})

    @rule(path=paths)
    def remove(self, path: str) -> None:
        self._touch({known for known in self.tree if known == path or known.startswith(path + "/")})
        self._both(lambda: self.store.remove(0, path), self.tree, path)

    @rule(path=paths)
    def read(self, path: str) -> None:
        if path in self.tree:
            assert self.store.read(0, path) == self.tree[path]
        else:
            with pytest.raises(StoreError):
                self.store.read(0, path)

    # ---- transactions

    @rule(target=transactions)
    def begin(self) -> int:
        number = self.store.begin(0)
        self.open[number] = (dict(self.tree), dict(self.tree))
        self.looked[number], self.changed[number] = set(), set()
        return number

    @rule(number=transactions, path=paths, value=values)
    def write_inside(self, number: int, path: str, value: bytes) -> None:
        if not self._undisturbed(number):
            return
        self.looked[number].add(path)
        self.store.write(0, path, value, number)
        put(self.open[number][1], path, value)

    @rule(number=transactions, path=paths)
    def remove_inside(self, number: int, path: str) -> None:
        if not self._undisturbed(number):
            return
        self.looked[number].add(path)
        self._both(lambda: self.store.remove(0, path, number), self.open[number][1], path)

    @rule(number=consumes(transactions), commit=st.booleans())
    def end(self, number: int, commit: bool) -> None:
        """It must fail if what it looked at has changed, and may not if nothing has; then all of it is done, or nothing."""
        began, tree = self.open.pop(number)
        looked, changed = self.looked.pop(number), self.changed.pop(number)
        self.heard.clear()
        try:
            self.store.end(0, number, commit=commit)
        except StoreError as error:
            assert error.errno is Errno.EAGAIN
            assert commit
            assert changed
            assert self.heard == set()
            return
        if commit:
            assert not looked & changed
            self._commit(began, tree)

    def _commit(self, began: Tree, tree: Tree) -> None:
        for path in began.keys() | tree.keys():
            if began.get(path) != tree.get(path):
                assert path in self.heard
                self._settle(path, tree)
        self._touch(set(self.heard))

    def _touch(self, paths: set[str]) -> None:
        for changed in self.changed.values():
            changed.update(paths)

    def _settle(self, path: str, tree: Tree) -> None:
        if path in tree:
            self.tree[path] = tree[path]
        else:
            self.tree.pop(path, None)

    def _undisturbed(self, number: int) -> bool:
        """The model knows what a transaction sees only while nothing has changed since it began."""
        return self.open[number][0] == self.tree

    def _both(self, remove: object, tree: Tree, path: str) -> None:
        above = path.rpartition("/")[0]
        if above and above not in tree:
            with pytest.raises(StoreError):
                remove()  # type: ignore[operator]
            return
        remove()  # type: ignore[operator]
        for below in [known for known in tree if known == path or known.startswith(path + "/")]:
            del tree[below]

    @invariant()
    def it_is_the_same_tree(self) -> None:
        assert self.store.problems() == []
        found: Tree = {}
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            for name in self.store.directory(0, path):
                child = f"{path.rstrip('/')}/{name}"
                found[child] = self.store.read(0, child)
                waiting.append(child)
        assert found == self.tree


def put(tree: Tree, path: str, value: bytes) -> None:
    """With all that is missing above it."""
    names = path.split("/")
    for depth in range(2, len(names)):
        tree.setdefault("/".join(names[:depth]), b"")
    tree[path] = value


TestStoreTree = StoreTree.TestCase
TestStoreTree.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
