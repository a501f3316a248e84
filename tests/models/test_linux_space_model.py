"""Address spaces of the Linux-like personality against dictionaries of bytes, and the CPU's tables against both."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cells.personalities.arm.errno import EFAULT, EINVAL, ENOMEM, Errno
from cells.personalities.arm.frames import Frames, divide
from cells.personalities.arm.reach import Fault, Memory
from cells.personalities.arm.regions import EXECUTE, READ, USER_START, WRITE
from cells.personalities.arm.space import Space
from hypervisor.abi.pv import L2_SIZE, PAGE, SECTION, TableFormat

BASE, SIZE = 0x8000_0000, 2 << 20
FIRST = 2 * SECTION - 4 * PAGE
"""Eight pages on both sides of the border of a mebibyte."""
PAGES = 8
WHERE = st.integers(0, PAGES - 1)
LONG = st.integers(1, 4)
WHICH = st.integers(0, 2)
RIGHTS = st.sampled_from([0, READ, READ | WRITE, READ | WRITE, READ | EXECUTE, EXECUTE])
STACK = 6
"""Pages that a stack may have."""
KIND = st.sampled_from(["zeroes", "private", "shared"])
DATA = st.binary(min_size=1, max_size=3)
FILE_PAGES = 3


class File:
    """What regions need of a file: its pages in frames, and its size."""

    def __init__(self, frames: Frames) -> None:
        self.frames, self.size = frames, FILE_PAGES * PAGE
        self.pages: dict[int, int] = {}

    def page(self, index: int, _writable: bool) -> int:
        """The file is a user of it."""
        if index not in self.pages:
            self.pages[index] = self.frames.take()
            self.frames.view(self.pages[index])[:] = content(index)
        return self.pages[index]


def content(index: int) -> bytes:
    """Of a page of a file, as it begins."""
    return bytes([index + 1]) * PAGE


@dataclass
class Page:
    """What the model knows of a page. `data` None: behind the end of its file."""

    rights: int
    data: bytearray | None
    shared: bool = False
    grows: bool = False


class SpaceMachine(RuleBasedStateMachine):
    """Up to three spaces that come from each other by fork."""

    layout = TableFormat.LEGACY

    def __init__(self) -> None:
        super().__init__()
        self.frames, self.tables = divide(bytearray(SIZE), BASE, SIZE, BASE)
        self.free_tables = self.tables.free
        self.stale = 0
        self.memory = Memory(self.frames, self.tables, self.layout, stale=self.note)
        self.files = {"private": File(self.frames), "shared": File(self.frames)}
        self.shared = [bytearray(content(index)) for index in range(FILE_PAGES)]
        self.spaces: list[tuple[Space, dict[int, Page]]] = [(Space(self.memory), {})]
        self.spaces[0][0].stack_limit = STACK * PAGE
        self.tlb: dict[tuple[Space, int], tuple[int, bool, bool]] = {}
        """What the CPU may remember: frame, whether it stores and executes there; all is forgotten when it is told to."""

    def note(self) -> None:
        self.stale += 1
        self.tlb.clear()

    def grow(self, space: Space, model: dict[int, Page], number: int) -> None:
        """A stack reaches down to what is touched below it, if there is room and a free page below."""
        above = min((other for other in model if other > number), default=None)
        region = space.regions.above(FIRST + number * PAGE)
        if number in model or number - 1 in model or above is None or not model[above].grows or region is None:
            return
        if region.end <= FIRST + (number + STACK) * PAGE:
            for other in range(number, above):
                model[other] = Page(model[above].rights, bytearray(PAGE), grows=True)

    def one(self, which: int) -> tuple[Space, dict[int, Page]]:
        return self.spaces[which % len(self.spaces)]

    def data(self, kind: str, index: int) -> bytearray | None:
        if kind == "zeroes":
            return bytearray(PAGE)
        if index >= FILE_PAGES:
            return None
        return self.shared[index] if kind == "shared" else bytearray(content(index))

    @rule(which=WHICH, where=WHERE, long=LONG, rights=RIGHTS, kind=KIND, offset=st.integers(0, 2))
    def map(self, which: int, where: int, long: int, rights: int, kind: str, offset: int) -> None:
        space, model = self.one(which)
        start = FIRST + where * PAGE
        more = (
            {} if kind == "zeroes" else {"inode": self.files[kind], "offset": offset * PAGE, "shared": kind == "shared"}
        )
        space.map(start, start + long * PAGE, rights, **more)  # type: ignore[arg-type]
        for number in range(long):
            model[where + number] = Page(rights, self.data(kind, offset + number), kind == "shared")

    @rule(which=WHICH, where=WHERE, long=LONG)
    def stack(self, which: int, where: int, long: int) -> None:
        space, model = self.one(which)
        start = FIRST + where * PAGE
        space.map(start, start + long * PAGE, READ | WRITE, grows=True)
        for number in range(where, where + long):
            model[number] = Page(READ | WRITE, bytearray(PAGE), grows=True)

    @rule(which=WHICH, where=WHERE, long=LONG)
    def unmap(self, which: int, where: int, long: int) -> None:
        space, model = self.one(which)
        space.unmap(FIRST + where * PAGE, FIRST + (where + long) * PAGE)
        for number in range(where, where + long):
            model.pop(number, None)

    @rule(which=WHICH, where=WHERE, long=LONG, rights=RIGHTS)
    def protect(self, which: int, where: int, long: int, rights: int) -> None:
        space, model = self.one(which)
        done = space.protect(FIRST + where * PAGE, FIRST + (where + long) * PAGE, rights)
        assert done == all(number in model for number in range(where, where + long))
        for number in range(where, where + long) if done else ():
            model[number].rights = rights

    @rule(which=WHICH, where=WHERE, at=st.sampled_from([0, 5, PAGE - 2, PAGE - 1]), data=DATA)
    def write(self, which: int, where: int, at: int, data: bytes) -> None:
        space, model = self.one(which)
        first = PAGE - at
        pieces = [(where, at, data[:first]), (where + 1, 0, data[first:])]
        fails = False
        for number, place, piece in pieces:
            if piece and not fails:
                self.grow(space, model, number)
            page = model.get(number)
            fails = fails or (bool(piece) and (page is None or not page.rights & WRITE or page.data is None))
            if not fails and piece and page is not None and page.data is not None:
                page.data[place : place + len(piece)] = piece
        address = FIRST + where * PAGE + at
        if fails:
            with pytest.raises(Errno) as error:
                space.write(address, data)
            assert error.value.code == EFAULT
        else:
            space.write(address, data)

    @rule(which=WHICH, where=WHERE)
    def read(self, which: int, where: int) -> None:
        space, model = self.one(which)
        self.grow(space, model, where)
        page = model.get(where)
        if page is None or not page.rights or page.data is None:
            with pytest.raises(Errno):
                space.read(FIRST + where * PAGE, PAGE)
        else:
            assert space.read(FIRST + where * PAGE, PAGE) == bytes(page.data)

    @rule(which=WHICH, where=WHERE, access=st.sampled_from([READ, WRITE, EXECUTE]))
    def touch(self, which: int, where: int, access: int) -> None:
        """As a fault of the CPU does."""
        space, model = self.one(which)
        self.grow(space, model, where)
        page = model.get(where)
        rights = (
            page.rights | (self.helpless if page.rights else 0) if page is not None and page.data is not None else 0
        )
        allowed = access & rights
        try:
            space.page(FIRST + where * PAGE, access)
        except Fault:
            assert not allowed
        else:
            assert allowed
            found = self.walk(space, FIRST + where * PAGE)
            assert found is not None
            assert found[1] or access != WRITE
            assert found[2] or access != EXECUTE
            self.tlb[space, where] = found

    @rule(which=WHICH, where=WHERE, long=LONG)
    def discard(self, which: int, where: int, long: int) -> None:
        space, model = self.one(which)
        space.discard(FIRST + where * PAGE, FIRST + (where + long) * PAGE)
        for number in range(where, where + long):
            region = space.regions.at(FIRST + number * PAGE)
            if number in model and region is not None and not model[number].shared:
                index = (region.offset + FIRST + number * PAGE - region.start) // PAGE
                model[number].data = self.data("private" if region.inode is not None else "zeroes", index)

    @rule(which=WHICH, where=WHERE, long=st.integers(1, 2), to=st.integers(16, 20), data=DATA)
    def move(self, which: int, where: int, long: int, to: int, data: bytes) -> None:
        """What was written a moment ago is found at the new place."""
        space, model = self.one(which)
        start = FIRST + where * PAGE
        region = space.regions.at(start)
        if where not in model or region is None or region.end < start + long * PAGE:
            return
        self.write(which, where + long - 1, 5, data)
        space.move(start, start + long * PAGE, FIRST + to * PAGE, long * PAGE)
        for number in range(long):
            model[to + number] = model.pop(where + number)
            model[to + number].grows = False
            self.read(which, to + number)

    @rule(which=WHICH, where=WHERE, data=DATA)
    def look_and_write(self, which: int, where: int, data: bytes) -> None:
        """What the CPU remembers of a page that was read is wrong when a store has made a copy of it."""
        self.touch(which, where, READ)
        self.write(which, where, 0, data)

    @precondition(lambda self: len(self.spaces) < 3)
    @rule(which=WHICH)
    def fork(self, which: int) -> None:
        space, model = self.one(which)
        copies = {
            number: Page(
                page.rights,
                page.data if page.shared or page.data is None else bytearray(page.data),
                page.shared,
                page.grows,
            )
            for number, page in model.items()
        }
        self.spaces.append((space.fork(), copies))

    @rule(which=WHICH)
    def a_thread_comes_and_goes(self, which: int) -> None:
        """What the other thread does, this one sees; and when it ends nothing happens to the space."""
        space, model = self.one(which)
        space.users += 1
        self.tlb.clear()
        space.release()
        assert len(space.regions) == 0 or model

    @precondition(lambda self: len(self.spaces) > 1)
    @rule(which=WHICH)
    def release(self, which: int) -> None:
        self.spaces.pop(which % len(self.spaces))[0].release()

    @rule(which=WHICH, start=st.sampled_from([0, 1, 0xC000_0000, 0xFFFF_F000]))
    def map_what_is_not_the_programs(self, which: int, start: int) -> None:
        with pytest.raises(Errno) as error:
            self.one(which)[0].map(start, start + PAGE, READ)
        assert error.value.code in (EINVAL, ENOMEM)

    helpless = READ | EXECUTE
    """Rights that the CPU cannot help giving to who has any."""

    def walk(self, space: Space, address: int) -> tuple[int, bool, bool] | None:
        """Frame, and whether the CPU stores and executes there, as it finds them."""
        words, index = self.tables.words, self.tables.index
        first = words[index(space.base) + address // SECTION]
        if first & 3 != 1:
            return None
        word = words[index(first & -L2_SIZE) + address % SECTION // PAGE]
        if not word & 2:
            return None
        if self.layout is TableFormat.LEGACY:
            return word & -PAGE, word & 0xFF0 == 0xFF0, True
        return word & -PAGE, word & 0x30 == 0x30, not word & 1

    @invariant()
    def the_cpu_sees_what_is_right_and_no_more(self) -> None:
        for space, _ in self.spaces:
            for number in range(24):
                address = FIRST + number * PAGE
                found, region = self.walk(space, address), space.regions.at(address)
                if found is None:
                    continue
                assert region is not None
                assert region.rights
                assert space.pages[address // PAGE] == found[0]
                self.check_right(space, number, found)

    @invariant()
    def what_the_cpu_remembers_is_still_right(self) -> None:
        for (space, number), found in self.tlb.items():
            assert space.pages[(FIRST + number * PAGE) // PAGE] == found[0]
            self.check_right(space, number, found)

    def check_right(self, space: Space, number: int, found: tuple[int, bool, bool]) -> None:
        region = space.regions.at(FIRST + number * PAGE)
        assert region is not None
        assert region.rights
        if found[1]:
            assert region.rights & WRITE
            assert region.shared or self.frames.users(found[0]) == 1
        if found[2] and self.layout is TableFormat.MODERN:
            assert region.rights & EXECUTE

    @invariant()
    def each_page_that_is_there_has_the_bytes_that_were_written(self) -> None:
        for space, model in self.spaces:
            for number, page in model.items():
                frame = space.pages.get((FIRST + number * PAGE) // PAGE)
                if frame is not None and page.data is not None:
                    assert self.frames.view(frame) == page.data

    @invariant()
    def pages_of_all_spaces_are_counted(self) -> None:
        assert self.memory.entries == sum(len(space.pages) for space, _ in self.spaces)

    @invariant()
    def each_frame_has_as_many_users_as_hold_it(self) -> None:
        holders = [frame for space, _ in self.spaces for frame in space.pages.values()]
        holders += [frame for file in self.files.values() for frame in file.pages.values()]
        assert all(self.frames.users(frame) == holders.count(frame) for frame in holders)
        assert self.frames.free + len(set(holders)) == self.frames.total

    @invariant()
    def regions_are_apart_and_in_order(self) -> None:
        for space, _ in self.spaces:
            last = USER_START
            for region in space.regions:
                assert last <= region.start < region.end
                last = region.end

    def teardown(self) -> None:
        for space, _ in self.spaces:
            space.release()
        held = sum(len(file.pages) for file in self.files.values())
        assert self.frames.free == self.frames.total - held
        assert self.tables.free == self.free_tables


class ModernSpaceMachine(SpaceMachine):
    layout = TableFormat.MODERN
    helpless = READ


@pytest.mark.parametrize("machine", [SpaceMachine, ModernSpaceMachine], ids=["legacy", "modern"])
def test_spaces_are_as_dictionaries_of_bytes(machine: type[SpaceMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))
