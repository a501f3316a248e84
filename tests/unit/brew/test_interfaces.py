"""What the interfaces do, called from an applet in Python: files, bitmaps, display, heap, sockets."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from cells.personalities.brew.codes import (
    NET_ERROR,
    NET_WOULDBLOCK,
    ClassId,
    Code,
    Color,
    Draw,
    Error,
    Font,
    Mode,
    Rop,
    Seek,
)
from cells.personalities.brew.files import MOST, SPACE
from cells.personalities.brew.method import Notify, Rect
from cells.personalities.brew.net import FIRST_ADDRESS
from cells.personalities.brew.pixels import native
from cells.personalities.brew.python_module import Applet, Handle
from cells.port import RefusedError
from hypervisor.abi.status import Status
from tests.support.brew import BrewBench

RED, BLUE = 0x0000_FF00, 0xFF00_0000
"""As RGBVAL."""


class Runs(Applet):
    """Runs a function of the test when it starts."""

    CLASS: ClassVar[int] = 0x01CE_3000
    what: ClassVar[Callable[[Handle], None]]

    def handle_event(self, code: int, word: int, data: Any) -> bool:
        if code == Code.APP_START:
            type(self).what(self.shell)
        return True


def applet(what: Callable[[Handle], None], boxes: dict[str, Any] | None = None) -> BrewBench:
    """A bench in which the function has run, without a complaint."""
    Runs.what = staticmethod(what)  # type: ignore[assignment]
    bench = BrewBench(["runs"], modules=[], python={"runs": "tests.unit.brew.test_interfaces:Runs"})
    if boxes:
        bench.kernel.port._mail = SimpleNamespace(boxes=boxes, look=lambda: None, wait=bench.kernel.port._wait)  # type: ignore[assignment]
        bench.system.box = boxes.__getitem__  # type: ignore[method-assign]
        bench.kernel._connect = lambda: setattr(bench.system, "peers", sorted(boxes))  # type: ignore[method-assign]
    bench.run(0.2)
    assert "closed" not in bench.output, bench.output
    return bench


def made(shell: Handle, class_id: int) -> Handle:
    code, found = shell.create_instance(class_id)
    assert code == Error.SUCCESS
    assert isinstance(found, Handle)
    return found


# ---- shell


def test_a_class_that_is_not_there_is_not_supported() -> None:
    def what(shell: Handle) -> None:
        assert shell.create_instance(0x0100_2222) == (Error.ECLASSNOTSUPPORT, None)
        assert not shell.query_class(0x0100_2222)
        assert shell.query_class(ClassId.DISPLAY)
        assert shell.query_class(Runs.CLASS)
        assert shell.start_applet(0x0100_2222) == Error.ECLASSNOTSUPPORT

    applet(what)


@pytest.mark.parametrize("code", [Code.APP_START, Code.APP_STOP, Code.APP_SUSPEND, Code.APP_RESUME])
def test_events_of_life_are_the_shells_alone(code: int) -> None:
    def what(shell: Handle) -> None:
        assert not shell.send_event(0, code, 0, 0)
        assert not shell.post_event(0, code, 0, 0)
        assert shell.post_event(0, Code.USER, 0, 0)

    applet(what)


def test_the_shell_knows_who_is_in_front_and_the_screens_size() -> None:
    def what(shell: Handle) -> None:
        assert shell.active_applet() == Runs.CLASS
        assert shell.get_device_info()[1][:3] == (320, 240, 16)

    applet(what)


# ---- files


def test_a_file_keeps_what_was_written() -> None:
    def what(shell: Handle) -> None:
        files = made(shell, ClassId.FILEMGR)
        assert files.open_file("a", Mode.READ) is None
        assert files.get_last_error() == Error.EFILENOEXISTS
        file = files.open_file("a", Mode.CREATE)
        assert file.write(b"hello world") == 11
        assert file.seek(Seek.START, 6) == Error.SUCCESS
        assert file.read(100) == (5, b"world")
        assert file.seek(Seek.CURRENT, 1) == Error.EBADSEEKPOS
        assert file.seek(7, 0) == Error.EBADSEEKPOS
        assert file.truncate(5) == Error.SUCCESS
        assert file.get_info()[1][:2] == (5, 5)
        file.release()
        again = files.open_file("fs:/~/a", Mode.READ)
        assert again.write(b"x") == 0
        assert again.read(100) == (5, b"hello")
        assert again.read(100) == (0, b"")
        assert files.open_file("a", Mode.CREATE) is None
        assert files.get_last_error() == Error.EFILEEXISTS

    applet(what)


def test_a_file_that_was_removed_takes_room_until_nobody_has_it_open() -> None:
    def what(shell: Handle) -> None:
        files = made(shell, ClassId.FILEMGR)
        file = files.open_file("a", Mode.CREATE)
        again = files.open_file("a", Mode.READ)
        assert file.write(bytes(1000)) == 1000
        assert files.remove("a") == Error.SUCCESS
        assert files.get_free_space() == SPACE - 1000, "once, however often it is open"
        file.release()
        assert files.get_free_space() == SPACE - 1000
        again.release()
        assert files.get_free_space() == SPACE

    applet(what)


@pytest.mark.parametrize("name", ["", "..", "../clock/a", "a//b", "/etc/passwd", "a/./b", "x" * 64, "a\n"])
def test_no_name_leads_out_of_a_modules_directory(name: str) -> None:
    def what(shell: Handle) -> None:
        files = made(shell, ClassId.FILEMGR)
        assert files.open_file(name, Mode.CREATE) is None
        assert files.get_last_error() == Error.EBADFILENAME

    bench = applet(what)
    assert bench.system.store.files == {}


def test_directories_are_made_listed_and_removed() -> None:
    def what(shell: Handle) -> None:
        files = made(shell, ClassId.FILEMGR)
        assert files.open_file("d/a", Mode.CREATE) is None
        assert files.mk_dir("d") == Error.SUCCESS
        assert files.open_file("d/a", Mode.CREATE).write(b"12") == 2
        assert files.rm_dir("d") == Error.EFAILED
        assert files.get_last_error() == Error.EDIRNOTEMPTY
        files.enum_init("", False)
        assert files.enum_next() == (True, (2, 0, b"d/a"))
        assert files.enum_next() == (False, None)
        assert files.get_info("d")[1][1] == 1
        assert files.remove("d") == Error.EFAILED
        assert files.remove("d/a") == Error.SUCCESS
        assert files.rm_dir("d") == Error.SUCCESS
        assert files.test("d") == Error.EFAILED

    applet(what)


def test_the_store_is_full_at_its_bounds() -> None:
    def what(shell: Handle) -> None:
        files = made(shell, ClassId.FILEMGR)
        file = files.open_file("big", Mode.CREATE)
        while file.write(bytes(65536)):
            pass
        assert files.get_free_space() == 0
        file.truncate(0)
        assert files.get_free_space() == SPACE
        for number in range(MOST - 1):
            files.open_file(str(number), Mode.CREATE).release()
        assert files.open_file("more", Mode.CREATE) is None
        assert files.get_last_error() == Error.EFSFULL

    applet(what)


# ---- pictures


def test_what_is_drawn_is_seen_when_it_is_complete() -> None:
    def what(shell: Handle) -> None:
        display = made(shell, ClassId.DISPLAY)
        display.draw_rect(Rect(10, 20, 30, 40), RED, BLUE, Draw.RECT_FRAME | Draw.RECT_FILL)
        display.set_clip_rect(Rect(0, 0, 5, 5))
        display.draw_rect(None, 0, RED, Draw.RECT_FILL)
        display.set_clip_rect(None)
        assert display.get_clip_rect()[1] == (0, 0, 320, 240)
        assert display.measure_text(Font.LARGE, "abc") == 36
        assert display.get_font_metrics(Font.NORMAL) == (10, 7, 3)
        display.update()

    buffer = applet(what).system.screen.buffer
    assert [buffer.get(x, 20) for x in (9, 10, 39, 40)] == [0, native(RED), native(RED), 0]
    assert buffer.get(11, 21) == native(BLUE)
    assert (buffer.get(4, 4), buffer.get(5, 5)) == (native(RED), 0)


def test_nothing_is_seen_before_update() -> None:
    def what(shell: Handle) -> None:
        made(shell, ClassId.DISPLAY).draw_rect(None, 0, RED, Draw.RECT_FILL)

    assert not any(applet(what).system.screen.buffer.data)


def test_text_is_aligned_in_its_background() -> None:
    def what(shell: Handle) -> None:
        display = made(shell, ClassId.DISPLAY)
        display.set_color(Color.TEXT, RED)
        assert display.set_color(Color.BACKGROUND, BLUE) == 0xFFFF_FF00
        where = Rect(100, 100, 40, 20)
        display.draw_text(Font.NORMAL, "I", 0, 0, where, Draw.ALIGN_RIGHT | Draw.ALIGN_BOTTOM)
        display.update()

    buffer = applet(what).system.screen.buffer
    red = {(x, y) for x in range(320) for y in range(240) if buffer.get(x, y) == native(RED)}
    assert (min(x for x, _ in red), max(x for x, _ in red)) == (135, 137)
    assert (min(y for _, y in red), max(y for _, y in red)) == (110, 116)
    assert buffer.get(100, 100) == native(BLUE)


def test_bitmaps_are_drawn_into_and_copied() -> None:
    def what(shell: Handle) -> None:
        display = made(shell, ClassId.DISPLAY)
        code, bitmap = display.create_di_bitmap(16, 8, 8)
        assert code == Error.SUCCESS
        assert display.create_di_bitmap(8, 8, 8) == (Error.EUNSUPPORTED, None)
        assert display.create_di_bitmap(16, 0, 8) == (Error.EBADPARM, None)
        assert bitmap.fill_rect(None, bitmap.rgb_to_native(BLUE), Rop.COPY) == Error.SUCCESS
        assert bitmap.draw_pixel(3, 3, 0xF81F, Rop.COPY) == Error.SUCCESS
        assert bitmap.draw_h_scanline(5, 0, 7, bitmap.rgb_to_native(RED), Rop.COPY) == Error.SUCCESS
        assert bitmap.get_pixel(3, 3) == (Error.SUCCESS, 0xF81F)
        assert bitmap.get_pixel(8, 0) == (Error.EBADPARM, None)
        assert bitmap.fill_rect(None, 0, 99) == Error.EUNSUPPORTED
        assert bitmap.get_info()[1] == (8, 8, 16, 0)
        code, other = bitmap.create_compatible_bitmap(8, 8)
        assert other.blt_in(0, 0, 8, 8, bitmap, 0, 0, Rop.TRANSPARENT) == Error.SUCCESS
        assert other.get_pixel(3, 3)[1] == 0
        assert other.blt_in(-100, 2**31 - 1, 8, 8, bitmap, -5, 7, Rop.COPY) == Error.SUCCESS
        assert other.blt_in(0, 0, 8, 8, None, 0, 0, Rop.COPY) == Error.EBADPARM
        code, device = display.get_device_bitmap()
        assert device.blt_in(100, 100, 8, 8, other, 0, 0, Rop.COPY) == Error.SUCCESS
        display.set_destination(bitmap)
        display.draw_rect(None, 0, RED, Draw.RECT_FILL)
        assert bitmap.get_pixel(0, 0)[1] == native(RED)
        assert bitmap.release() == 1  # the display has it
        display.set_destination(None)
        display.update()

    buffer = applet(what).system.screen.buffer
    assert [buffer.get(x, 103) for x in (102, 103, 104, 108)] == [native(BLUE), 0, native(BLUE), 0]
    assert buffer.get(100, 105) == native(RED)


def test_bitmaps_have_a_bound() -> None:
    def what(shell: Handle) -> None:
        display = made(shell, ClassId.DISPLAY)
        held = []
        while (found := display.create_di_bitmap(16, 512, 256))[0] == Error.SUCCESS:
            held.append(found[1])
        assert found == (Error.ENOMEMORY, None)
        assert len(held) == 4
        held[0].release()
        assert display.create_di_bitmap(16, 512, 256)[0] == Error.SUCCESS

    applet(what)


# ---- sockets


class Partner:
    """A box (cells/personalities/mail.py) whose partner the test is."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.coming: list[bytes] = []
        self.gone = self.full = False
        self.can_send = True

    @property
    def can_receive(self) -> bool:
        return bool(self.coming)

    def send(self, data: bytes) -> bool:
        if self.gone:
            raise RefusedError("send", Status.PEER_GONE)
        if not self.full:
            self.sent.append(data)
        return not self.full

    def receive(self) -> bytes | None:
        if self.gone and not self.coming:
            raise RefusedError("receive", Status.PEER_GONE)
        return self.coming.pop(0) if self.coming else None


def test_a_socket_sends_and_receives_whole_messages() -> None:
    partner = Partner()

    def what(shell: Handle) -> None:
        net = made(shell, ClassId.NET)
        assert net.get_host_by_name("nobody") == 0
        assert net.get_host_by_name("echo") == FIRST_ADDRESS
        assert net.open_socket(0) is None
        socket = net.open_socket(1)
        assert socket.write(b"x") == NET_ERROR
        assert socket.connect(FIRST_ADDRESS + 1, 7) == NET_ERROR
        assert socket.get_last_error() == Error.ENETNONET
        assert socket.connect(FIRST_ADDRESS, 7) == Error.SUCCESS
        assert socket.write(b"hello") == 5
        assert socket.read(10) == (NET_WOULDBLOCK, None)
        partner.coming.append(b"a long message")
        assert socket.read(6) == (6, b"a long")
        partner.full = True
        assert socket.write(b"again") == NET_WOULDBLOCK
        partner.gone = True
        assert socket.write(b"again") == NET_ERROR
        assert socket.get_last_error() == Error.ENETCLOSED

    applet(what, {"echo": partner})
    assert partner.sent == [b"hello"]


def test_readable_calls_back_when_something_came_and_not_before() -> None:
    partner, called = Partner(), []

    def what(shell: Handle) -> None:
        net = made(shell, ClassId.NET)
        socket = net.open_socket(1)
        socket.connect(FIRST_ADDRESS, 0)
        socket.readable(Notify(called.append, 1))
        socket.readable(Notify(called.append, 2))
        socket.cancel(Notify(called.append, 2))

    bench = applet(what, {"echo": partner})
    assert called == []
    partner.coming.append(b"x")
    bench.run(0.4)
    assert called == [1]


def test_a_bitmap_that_only_a_display_holds_goes_with_it_when_all_is_released() -> None:
    def what(shell: Handle) -> None:
        first = made(shell, ClassId.DISPLAY)
        _, bitmap = first.create_di_bitmap(16, 8, 8)
        made(shell, ClassId.DISPLAY).set_destination(bitmap)
        bitmap.release()

    bench = applet(what)
    bench.later(bench.system.close, 0)
    bench.run(0.3)
    assert "not released: 1 IBitmap, 2 IDisplay" in bench.output
    assert bench.system.modules["runs"].pixel_bytes == 0
