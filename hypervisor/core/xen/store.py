"""The store: a small tree of named values in which domains find each other, with permissions, watches and transactions.

```python
store = Store(deliver=lambda domid, watched, path, token: ...)
store.write(0, "/local/domain/1/name", b"client")
store.watch(2, "/local/domain/2", "home")              # deliver is called at each change in the tree below
```

Theory: a node has a value, permissions and children; nothing else tells a device from a directory. A node's first permission
names its owner and what everybody else may do; further ones name single domains. A new node inherits its parent's, owned by
who made it. Domain 0 may do everything. Nodes are immutable: a change puts a new one in place, so that a transaction knows
whether anything it has seen has changed by looking whether the very same nodes are still there. Paths are absolute here; what
a domain calls relative is made absolute by its ring (store_ring.py). Sources of rules and limits: docs/misc/xenstore.txt and
the defaults of xenstored of Xen 4.17.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hypervisor.abi.xen import ABSOLUTE_PATH, Errno
from hypervisor.core.xen.errors import StoreError

READ, WRITE = 1, 2
LETTERS = {"n": 0, "r": READ, "w": WRITE, "b": READ | WRITE}
"""How permissions are written: a letter and a domid."""
SPECIAL = frozenset({"@introduceDomain", "@releaseDomain"})
"""What Dom0 can watch beside nodes: a domain came, a domain went."""
_PATH = re.compile(r"/|(/[-_@A-Za-z0-9]+)+", re.ASCII)


class Quota(NamedTuple):
    """What a domain may have; Dom0 any number. `size`: bytes of a node's value and permissions."""

    nodes: int = 1000
    watches: int = 128
    transactions: int = 10
    size: int = 2048
    permissions: int = 5


class Permission(NamedTuple):
    """What a domain may do."""

    domid: int
    bits: int


class Node(NamedTuple):
    """A node; the first of `permissions` names its owner, and what those may do who are not named."""

    value: bytes
    permissions: tuple[Permission, ...]
    children: tuple[str, ...] = ()

    @property
    def owner(self) -> int:
        """Whose node it is."""
        return self.permissions[0].domid

    def allows(self, domid: int, bits: int) -> bool:
        """Whether a domain may do all of `bits`."""
        if domid in (0, self.owner):
            return True
        named = [permission.bits for permission in self.permissions[1:] if permission.domid == domid]
        return (named[0] if named else self.permissions[0].bits) & bits == bits


@dataclass(slots=True)
class Transaction:
    """A view of its own: `seen` the nodes as they were at the first look, `changed` what is to be (None: gone).

    `told`: whose watchers will hear of it, in order; a parent that only gets a child is none of these.
    """

    seen: dict[str, Node | None] = field(default_factory=dict)
    changed: dict[str, Node | None] = field(default_factory=dict)
    told: dict[str, None] = field(default_factory=dict)
    owned: Counter[int] = field(default_factory=Counter)


Deliver = Callable[[int, str, str, str], None]
"""(domid, watched, path, token): that domain's watch of `watched` has fired, because of `path`."""


class Store:
    """The tree. `who` is a domid, `transaction` 0 for none. Methods raise `StoreError`, and then nothing has changed."""

    def __init__(self, deliver: Deliver, quota: Quota | None = None) -> None:
        self.quota = quota or Quota()
        self.heard: list[Callable[[str], None]] = []
        """Who looks on: told the path of each change, of whatever owner."""
        self._deliver = deliver
        self._nodes: dict[str, Node] = {"/": Node(b"", (Permission(0, 0),))}
        self._owned: Counter[int] = Counter({0: 1})
        self._watches: dict[tuple[int, str, str], None] = {}  # an ordered set of (domid, path, token)
        self._transactions: dict[tuple[int, int], Transaction] = {}
        self._next_transaction = 1

    # ---- nodes

    def directory(self, who: int, path: str, transaction: int = 0) -> tuple[str, ...]:
        """Names of the children."""
        return self._node(who, path, READ, self._view(who, transaction)).children

    def read(self, who: int, path: str, transaction: int = 0) -> bytes:
        """The value."""
        return self._node(who, path, READ, self._view(who, transaction)).value

    def write(self, who: int, path: str, value: bytes, transaction: int = 0) -> None:
        """Set the value; what is missing on the way is made."""
        view = self._view(who, transaction)
        node = self._get(view, check_path(path))
        if node is None:
            self._make(who, path, value, view)
            return
        self._demand(who, node, WRITE, path)
        self._put(path, self._sized(who, node._replace(value=value)), view)

    def mkdir(self, who: int, path: str, transaction: int = 0) -> None:
        """Make an empty node; one that is there stays as it is."""
        view = self._view(who, transaction)
        if self._get(view, check_path(path)) is None:
            self._make(who, path, b"", view)

    def remove(self, who: int, path: str, transaction: int = 0) -> None:
        """Take a node away with all below it; one that is not there is no error if its parent is."""
        view = self._view(who, transaction)
        if check_path(path) == "/":
            raise StoreError(Errno.EINVAL, "the root stays")
        node = self._get(view, path)
        if node is None:
            self._node(who, parent(path), 0, view)
            return
        self._demand(who, node, WRITE, path)
        above = self._get(view, parent(path))
        if above is not None:
            left = tuple(child for child in above.children if child != path.rpartition("/")[2])
            self._set(parent(path), above._replace(children=left), view)
        for below in list(self._below(path, node, view)):
            self._put(below, None, view)

    def permissions(self, who: int, path: str, transaction: int = 0) -> tuple[Permission, ...]:
        """Who may do what."""
        return self._node(who, path, READ, self._view(who, transaction)).permissions

    def set_permissions(self, who: int, path: str, permissions: tuple[Permission, ...], transaction: int = 0) -> None:
        """Say who may do what; the owner's business. The first permission names the owner, whom only Dom0 changes."""
        view = self._view(who, transaction)
        node = self._node(who, path, 0, view)
        if not 0 < len(permissions) <= self.quota.permissions:
            raise StoreError(Errno.EINVAL if not permissions else Errno.ENOSPC, "number of permissions")
        if who not in (0, node.owner) or (who and permissions[0].domid != node.owner):
            raise StoreError(Errno.EACCES if who != node.owner else Errno.EPERM, f"{path} is {node.owner}'s")
        self._put(path, self._sized(who, node._replace(permissions=permissions)), view)

    # ---- transactions

    def begin(self, who: int) -> int:
        """Open a transaction; its number."""
        if who and sum(1 for domid, _ in self._transactions if domid == who) >= self.quota.transactions:
            raise StoreError(Errno.ENOSPC, f"more than {self.quota.transactions} transactions")
        number, self._next_transaction = self._next_transaction, self._next_transaction % 0xFFFF_FFFF + 1
        self._transactions[who, number] = Transaction()
        return number

    def end(self, who: int, transaction: int, *, commit: bool) -> None:
        """Close a transaction. EAGAIN: something that it has seen is not so any more; nothing has happened."""
        view = self._view(who, transaction)
        if view is None:
            raise StoreError(Errno.ENOENT, "no transaction")
        del self._transactions[who, transaction]
        if not commit:
            return
        if any(self._nodes.get(path) is not node for path, node in view.seen.items()):
            raise StoreError(Errno.EAGAIN)
        for domid, more in view.owned.items():
            if domid and more > 0 and self._owned[domid] + more > self.quota.nodes:
                raise StoreError(Errno.ENOSPC, f"more than {self.quota.nodes} nodes")
        for path, node in view.changed.items():
            self._set(path, node, None)
        for path in view.told:
            self._fire(path, view.seen[path], self._nodes.get(path))

    # ---- watches

    def watch(self, who: int, path: str, token: str) -> None:
        """From now on the domain hears of each change at the node and below it. The first event is the caller's to send."""
        if path in SPECIAL and who:
            raise StoreError(Errno.EACCES, f"{path} is for Dom0")
        if path not in SPECIAL:
            check_path(path)
        if (who, path, token) in self._watches:
            raise StoreError(Errno.EEXIST, f"{path} with this token")
        if who and sum(1 for domid, _, _ in self._watches if domid == who) >= self.quota.watches:
            raise StoreError(Errno.E2BIG, f"more than {self.quota.watches} watches")
        self._watches[who, path, token] = None

    def unwatch(self, who: int, path: str, token: str) -> None:
        """Hear no more of it."""
        if self._watches.pop((who, path, token), self) is self:
            raise StoreError(Errno.ENOENT, f"no such watch of {path}")

    def watched(self) -> int:
        """Watches and open transactions, of all domains."""
        return len(self._watches) + len(self._transactions)

    def reset_watches(self, who: int) -> None:
        """Forget all watches and transactions of a domain, as at its start."""
        self._watches = {key: None for key in self._watches if key[0] != who}
        self._transactions = {key: view for key, view in self._transactions.items() if key[0] != who}

    def announce(self, special: str) -> None:
        """A domain came or went."""
        for who, path, token in list(self._watches):
            if path == special:
                self._deliver(who, path, path, token)

    # ---- for the hypervisor

    def exists(self, path: str) -> bool:
        """Whether there is such a node."""
        return path in self._nodes

    def owned_by(self, who: int) -> int:
        """Nodes that a domain owns."""
        return self._owned[who]

    def problems(self) -> list[str]:
        """What contradicts itself: every child has a parent that knows it, the counts are what there is."""
        problems = [
            f"store: {path} is not a child of {parent(path)}"
            for path in self._nodes
            if path != "/" and path.rpartition("/")[2] not in getattr(self._nodes.get(parent(path)), "children", ())
        ]
        problems += [
            f"store: {path} has no child {child}"
            for path, node in self._nodes.items()
            for child in node.children
            if join(path, child) not in self._nodes
        ]
        owned = Counter(node.owner for node in self._nodes.values())
        counted = +self._owned
        return problems if owned == counted else [*problems, f"store: owned {owned}, counted {counted}"]

    # ---- steps

    def _view(self, who: int, transaction: int) -> Transaction | None:
        if not transaction:
            return None
        view = self._transactions.get((who, transaction))
        if view is None:
            raise StoreError(Errno.ENOENT, f"no transaction {transaction}")
        return view

    def _get(self, view: Transaction | None, path: str) -> Node | None:
        """A node as the view shows it; what a transaction looks at it has seen."""
        if view is None:
            return self._nodes.get(path)
        if path in view.changed:
            return view.changed[path]
        if path not in view.seen:
            view.seen[path] = self._nodes.get(path)
        return view.seen[path]

    def _node(self, who: int, path: str, bits: int, view: Transaction | None) -> Node:
        """The node, if the domain may do `bits` to it. Who may not even see that it is missing is told EACCES."""
        node = self._get(view, check_path(path))
        if node is None:
            self._demand(who, self._nearest(path, view)[1], READ, path)
            raise StoreError(Errno.ENOENT, path)
        self._demand(who, node, bits, path)
        return node

    @staticmethod
    def _demand(who: int, node: Node, bits: int, path: str) -> None:
        if not node.allows(who, bits):
            raise StoreError(Errno.EACCES, path)

    def _nearest(self, path: str, view: Transaction | None) -> tuple[str, Node]:
        """The lowest node above a missing one. The root is always there."""
        while True:
            path = parent(path)
            node = self._get(view, path)
            if node is not None:
                return path, node

    def _make(self, who: int, path: str, value: bytes, view: Transaction | None) -> None:
        """A new node, with all that is missing above it."""
        above, node = self._nearest(path, view)
        self._demand(who, node, WRITE, path)
        names = path[len(above.rstrip("/")) + 1 :].split("/")
        inherited = node.permissions
        if who:
            inherited = (inherited[0]._replace(domid=who), *inherited[1:])
            taken = self._owned[who] + (view.owned[who] if view else 0) + len(names)
            if taken > self.quota.nodes:
                raise StoreError(Errno.ENOSPC, f"more than {self.quota.nodes} nodes")
        made = self._sized(who, Node(value, inherited))
        self._set(above, node._replace(children=tuple(sorted((*node.children, names[0])))), view)
        for number, name in enumerate(names):
            above = join(above, name)
            last = number == len(names) - 1
            empty = Node(b"", inherited, () if last else (names[number + 1],))
            self._put(above, made if last else empty, view)

    def _sized(self, who: int, node: Node) -> Node:
        if who and len(node.value) + 8 * len(node.permissions) > self.quota.size:
            raise StoreError(Errno.ENOSPC, f"a node of more than {self.quota.size} bytes")
        return node

    def _below(self, path: str, node: Node, view: Transaction | None) -> Iterator[str]:
        """A node's path and those of all below it."""
        waiting = [(path, node)]  # no recursion: a guest chooses the depth
        while waiting:
            path, node = waiting.pop()
            yield path
            under = [join(path, child) for child in node.children]
            waiting += [(below, found) for below in under if (found := self._get(view, below)) is not None]

    def _put(self, path: str, node: Node | None, view: Transaction | None) -> None:
        """Change a node, and let it be known: now, or when the transaction is committed."""
        before = self._get(view, path)
        self._set(path, node, view)
        if view is not None:
            view.told[path] = None
        else:
            self._fire(path, before, node)

    def _set(self, path: str, node: Node | None, view: Transaction | None) -> None:
        before = self._get(view, path)
        owned = self._owned if view is None else view.owned
        if before is not None:
            owned[before.owner] -= 1
        if node is not None:
            owned[node.owner] += 1
        if view is not None:
            view.changed[path] = node
        elif node is None:
            self._nodes.pop(path, None)  # made and taken away in one transaction, it was never there
        else:
            self._nodes[path] = node

    def _fire(self, path: str, before: Node | None, after: Node | None) -> None:
        """Tell who watches the node or one above it, and may see it."""
        for listener in self.heard:
            listener(path)
        for who, watched, token in list(self._watches):
            if not (watched in (path, "/") or path.startswith(watched + "/")):
                continue
            if any(node is not None and node.allows(who, READ) for node in (before, after)):
                self._deliver(who, watched, path, token)


def check_path(path: str) -> str:
    """The path itself, if it is one: absolute, of known characters, none of its names empty. There is no way upwards.

    Raises:
        StoreError: EINVAL.
    """
    if len(path) > ABSOLUTE_PATH or not _PATH.fullmatch(path):
        raise StoreError(Errno.EINVAL, "not a path")
    return path


def parent(path: str) -> str:
    """The path above."""
    return path.rpartition("/")[0] or "/"


def join(path: str, name: str) -> str:
    """A child's path."""
    return f"{path.rstrip('/')}/{name}"
