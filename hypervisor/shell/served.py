"""Directories of the host that cells may look into: served on demand, the same for the whole run, and again in its replay.

    served = ServedFiles({(0, 0): Path("src")}, names, record)
    served.look(0, 0, Look.READ, b"a.txt", 0)       # what the hypercall FILES asks (hypervisor/core/calls/files.py)

Theory: nothing is read before a cell asks. What it was told once stays true: the first look at a directory, or at a piece of a
file, writes its SHA-256 down (served.jsonl of the run directory); every later look must find the same, or the cell gets an error
and the user one line. A replay compares with what was written down, and repeats the errors at the very looks where they
were. Memory is bounded whatever is asked: so many directories and files, so many pieces, so many names at hand.

A line of served.jsonl: {"cell": "linux", "view": 0, "path": "a.txt", "piece": 0, "sha256": "..."}; of a directory, and of a link,
"piece" is -1; an error has "look" (the number of the look at this view) and "trouble" in place of these.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypervisor.abi.served import ANSWER_LIMIT, Entry, Look
from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused
from hypervisor.shell.served_record import NO_RECORD, ServedRecord
from hypervisor.shell.served_tree import HostTree, Listing, Stamp, Trouble, leads_out
from hypervisor.shell.topology import Problem, Topology, TopologyError

PIECE = 1 << 16
"""Bytes of a file that are read, and accounted for, at once."""
KNOWN_LIMIT, PIECES_LIMIT = 1 << 16, 1 << 18
"""Directories and files, and pieces, that one view can have told of."""
PIECES_AT_HAND, NAMES_AT_HAND = 32, 1 << 17
LINES_LIMIT = 16
"""Lines that the user gets about one view."""
WHOLE = -1
CHANGED = "has changed during the run"


@dataclass
class Known:
    """What was told of a path. `digests`: by the piece."""

    stamp: Stamp
    digests: dict[int, str] = field(default_factory=dict)
    trouble: str = ""


class View:
    """One directory for one cell. `tell` gets lines for the user."""

    def __init__(
        self, tree: HostTree, record: ServedRecord, cell: str, number: int, tell: Callable[[str], None]
    ) -> None:
        self.tree, self.record, self.cell, self.number = tree, record, cell, number
        self._tell = tell
        self._looks = self._lines = self._pieces_known = 0
        self._known: dict[bytes, Known] = {}
        self._listings: OrderedDict[bytes, Listing] = OrderedDict()
        self._names = 0
        self._pieces: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._operations: dict[Look, Callable[[bytes, int], tuple[int, bytes]]] = {
            Look.ATTRIBUTES: self._attributes,
            Look.NAMES: self._list,
            Look.READ: self._read,
            Look.TARGET: self._target,
        }

    def look(self, operation: Look, path: bytes, place: int) -> tuple[int, bytes]:
        """One look.

        Raises:
            Refused: see `Served`.
        """
        self._looks += 1
        recorded = self.record.trouble(self.cell, self.number, self._looks)
        if recorded is not None:
            self._spoil(*recorded)
            raise Refused(Status.WRONG_STATE, "as in the recorded run")
        return self._operations[operation](path, place)

    # ---- the operations

    def _attributes(self, path: bytes, _place: int) -> tuple[int, bytes]:
        if not path:
            return Entry.DIRECTORY, b""
        above, _, name = path.rpartition(b"/")
        listing = self._listing(above)
        seen = listing.seen.get(name) if listing is not None else None
        return (seen.size << 8 | seen.kind if seen is not None else 0), b""

    def _list(self, path: bytes, place: int) -> tuple[int, bytes]:
        listing = self._listing(path)
        if listing is None:
            return 0, b""
        answer, end = b"", place
        while end < len(listing.packed) and len(answer) + len(listing.packed[end]) <= ANSWER_LIMIT:
            answer += listing.packed[end]
            end += 1
        return end - place, answer

    def _read(self, path: bytes, place: int) -> tuple[int, bytes]:
        kind, size = self._kind(path)
        if kind not in (Entry.FILE, Entry.PROGRAM) or place >= size:
            return 0, b""
        number, start = divmod(place, PIECE)
        data = self._piece(path, number, size)[start : start + ANSWER_LIMIT]
        return len(data), data

    def _target(self, path: bytes, _place: int) -> tuple[int, bytes]:
        kind, _ = self._kind(path)
        if kind != Entry.LINK:
            return 0, b""
        with self._careful(path):
            target = self.tree.target(path)
            if leads_out(path, target) or len(target) > ANSWER_LIMIT:
                raise Refused(Status.RIGHTS, "a link that leads out of the directory")
            self._told(path, (), WHOLE, hashlib.sha256(target).hexdigest())
        return len(target), target

    def _kind(self, path: bytes) -> tuple[int, int]:
        value, _ = self._attributes(path, 0)
        return value & 0xFF, value >> 8

    # ---- what is at hand

    def _listing(self, path: bytes) -> Listing | None:
        if path in self._listings:
            self._listings.move_to_end(path)
            return self._listings[path]
        with self._careful(path):
            listing = self.tree.listing(path)
            if listing is None:
                if path in self._known:
                    raise Trouble("is gone")
                return None  # not kept: what a cell invents takes no room
            self._told(path, listing.stamp, WHOLE, listing.sha256)
        self._listings[path] = listing
        self._names += len(listing.names)
        while self._names > NAMES_AT_HAND and len(self._listings) > 1:
            _, oldest = self._listings.popitem(last=False)
            self._names -= len(oldest.names)
        return listing

    def _piece(self, path: bytes, number: int, size: int) -> bytes:
        key = path, number
        if key not in self._pieces:
            self._pieces[key] = self._load(path, number, size)
            if len(self._pieces) > PIECES_AT_HAND:
                self._pieces.popitem(last=False)
        self._pieces.move_to_end(key)
        return self._pieces[key]

    def _load(self, path: bytes, number: int, size: int) -> bytes:
        with self._careful(path):
            known = self._known.get(path)
            stamp = known.stamp if known is not None else self.tree.stamp(path)
            data = self.tree.read(path, number * PIECE, PIECE, stamp)
            if len(data) != min(PIECE, size - number * PIECE):
                raise Trouble(CHANGED)
            self._told(path, stamp, number, hashlib.sha256(data).hexdigest())
        return data

    def _told(self, path: bytes, stamp: Stamp, piece: int, sha256: str) -> None:
        """This is what the cell is told; it must be what it was told before."""
        known = self._at(path, stamp)
        if known.stamp != stamp or known.digests.get(piece, sha256) != sha256:
            raise Trouble(CHANGED)
        if piece not in known.digests:
            if self._pieces_known >= PIECES_LIMIT:
                raise Refused(Status.NO_ROOM, f"looks at more than {PIECES_LIMIT} pieces of {PIECE} bytes")
            self._pieces_known += 1
            known.digests[piece] = sha256
            self.record.told(self.cell, self.number, path, piece, sha256, self.name(path))

    # ---- trouble

    def name(self, path: bytes) -> str:
        """Where it is on the host, for people."""
        return str(self.tree.path / path.decode("utf-8", "backslashreplace"))

    @contextmanager
    def _careful(self, path: bytes) -> Iterator[None]:
        """Look at the host's files. Trouble is written down at this very look and told to the user, once for a path."""
        known = self._known.get(path)
        if known is not None and known.trouble:
            raise Refused(Status.WRONG_STATE, known.trouble)
        try:
            yield
        except Trouble as trouble:
            why = str(trouble)
            self.record.append_trouble(self.cell, self.number, self._looks, path, why)
            self._spoil(path, why)
            self._lines += 1
            if self._lines <= LINES_LIMIT:
                self._tell(f"{self.cell}: {self.name(path)} {why}: it reads an I/O error there")
            raise Refused(Status.WRONG_STATE, why) from None

    def _at(self, path: bytes, stamp: Stamp) -> Known:
        known = self._known.get(path)
        if known is None:
            if len(self._known) >= KNOWN_LIMIT:
                raise Refused(Status.NO_ROOM, f"looks at more than {KNOWN_LIMIT} files and directories")
            known = self._known[path] = Known(stamp)
        return known

    def _spoil(self, path: bytes, why: str) -> None:
        """From here on there is only an error; what is at hand of it goes, too."""
        self._at(path, ()).trouble = why
        listing = self._listings.pop(path, None)
        self._names -= len(listing.names) if listing is not None else 0
        for key in [key for key in self._pieces if key[0] == path]:
            del self._pieces[key]


class ServedFiles:
    """All views of a run. `views`: (cell, number) -> directory; `names`: the cells' names.

    Raises:
        OSError: a directory cannot be opened.
    """

    def __init__(
        self,
        views: Mapping[tuple[int, int], Path],
        names: Mapping[int, str],
        record: ServedRecord = NO_RECORD,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._record = record
        self._views: dict[tuple[int, int], View] = {}
        tell = tell or _to_stderr
        try:
            for (cell, number), path in views.items():
                self._views[cell, number] = View(HostTree(path), record, names[cell], number, tell)
        except OSError:
            self.close()
            raise

    def look(self, cell: int, view: int, operation: Look, path: bytes, place: int) -> tuple[int, bytes]:
        """See `Served`."""
        found = self._views.get((cell, view))
        if found is None:
            raise Refused(Status.NOT_YOURS, "this cell has no such view of a directory")
        return found.look(operation, path, place)

    def close(self) -> None:
        """Let go of directories and record. May be called twice."""
        for view in self._views.values():
            view.tree.close()
        self._views.clear()
        self._record.close()


def views_of(topology: Topology) -> tuple[dict[tuple[int, int], Path], dict[int, str]]:
    """What the cells of a topology may look into, and their names.

    Raises:
        TopologyError: a directory cannot be opened any more.
    """
    views = {}
    for index, cell in enumerate(topology.cells):
        for number, path in enumerate(cell.view_paths):
            if not os.access(path, os.R_OK | os.X_OK):
                key = f"cells.{cell.group}.files.{cell.views[number]}"
                raise TopologyError([Problem("", key, f"{path} cannot be read (choose another directory)")])
            views[index, number] = path
    return views, {index: cell.name for index, cell in enumerate(topology.cells)}


def _to_stderr(text: str) -> None:
    print(f"cellvisor: {text}", file=sys.stderr, flush=True)
