"""BREW in cells, under every architecture: another cell asks for applets and sees their pictures, sockets lead to a third one."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from hypervisor.core.redirection import prices
from hypervisor.flavours import FLAVOURS
from tests.support.live import Live

pytestmark = pytest.mark.slow

every_flavour = pytest.mark.parametrize("flavour", ["native", "okl4", "l4", "xen"])
every_split = pytest.mark.parametrize("flavour", ["okl4", "l4", "xen"])
BOUNCE = 0x01CE0001

GUESTS = """
    from hashlib import sha256

    from cells.personalities.brew.codes import ClassId, Code
    from cells.personalities.brew.method import Notify
    from cells.personalities.brew.python_module import Applet
    from cells.programs.phone.messages import WINDOW, Kind, Message

    BOUNCE, ROGUE = 0x01CE0001, 0x01CE0004


    def ui(port):
        connections = port.connections
        brew, screen = connections.channels["brew"], connections.shared["framebuffer"]
        brew.send(Message(Kind.START, BOUNCE, *WINDOW.words).pack())
        frames, pictures = 0, set()
        while frames < 20:
            message = Message.unpack(brew.receive())
            if message.kind == Kind.STARTED:
                port.print("started", hex(message.a), message.b)
            if message.kind == Kind.FRAME:
                frames = message.a
                pictures.add(sha256(screen[: 320 * 240 * 2]).hexdigest())
        outside = bytes(screen[: 640 * WINDOW.y])
        port.print("outside", any(outside), "pictures", len(pictures) >= 10)
        brew.send(Message(Kind.START, ROGUE, *WINDOW.words).pack())
        brew.send(Message(Kind.STOP, BOUNCE).pack())
        while Message.unpack(brew.receive())[:2] != (Kind.STOPPED, BOUNCE):
            pass
        port.print("stopped")


    def echo(port):
        brew = port.connections.channels["brew"]
        while True:
            brew.send(brew.receive().upper())


    class Asks(Applet):
        CLASS = 0x01CE5000

        def handle_event(self, code, word, data):
            if code == Code.APP_START:
                _, net = self.shell.create_instance(ClassId.NET)
                self.socket = net.open_socket(1)
                self.socket.connect(net.get_host_by_name("echo"), 0)
                net.release()
                self.socket.readable(Notify(self.answered, None))
                self.socket.write(b"hello")
            return True

        def answered(self, user):
            _, files = self.shell.create_instance(ClassId.FILEMGR)
            count, data = self.socket.read(100)
            raise ValueError(f"answered {data.decode()}")
"""


def phone(directory: Path, flavour: str, board: str = "evoke_qa4") -> Path:
    (directory / "mine.py").write_text(textwrap.dedent(GUESTS))
    path = directory / "brew.toml"
    path.write_text(f"""
name = "brew"
board = "{board}"
flavour = "{flavour}"
[cells.brew]
personality = "brew"
modules = ["bounce", "rogue", "mine:Asks"]
run = ["mine:Asks"]
ram = "4MiB"
[cells.linux]
guest = "mine:ui"
[cells.echo]
guest = "mine:echo"
[[channels]]
between = ["linux", "brew"]
class = "message"
[[channels]]
between = ["echo", "brew"]
class = "message"
[[shared]]
name = "framebuffer"
size = "150KiB"
cells = {{ linux = "rw", brew = "rw" }}
""")
    return path


def alone(**more: Any) -> dict[str, Any]:
    cell = {"personality": "brew", "modules": ["bounce", "rogue"], "ram": "4MiB", **more}
    return {"name": "brew", "board": "evoke_qa4", "cells": {"brew": cell}}


@every_split
def test_another_cell_asks_for_an_applet_and_sees_its_pictures(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(phone(tmp_path, flavour))
    run.until("2s")
    run.monitor.check_invariants()
    said = run.console("linux").decode().splitlines()
    assert said == ["started 0x1ce5000 1", "started 0x1ce0001 1", "outside False pictures True", "stopped"]
    assert b"mine:Asks is closed: ValueError: answered HELLO" in run.console("brew")
    assert run.state("brew") in ("running", "blocked")


@every_flavour
def test_the_moving_applet_runs_without_anybody_else(live: Live, flavour: str) -> None:
    run = live(alone(run=["bounce"]), flavour=flavour)
    run.until("1s")
    run.monitor.check_invariants()
    ledger = run.monitor.ledger.to_dict()["brew"]
    redirection = FLAVOURS[flavour].redirection
    calls = ledger["counts"].get("redirected_syscall", 0)
    if not redirection:
        assert calls == 0
        return
    assert calls >= 1000
    price = prices(redirection, FLAVOURS[flavour].costs)
    assert sum(ledger["cycles"].values()) - ledger["cycles"]["guest"] >= price["syscall"] * calls


@every_flavour
def test_a_crime_closes_an_applet_in_a_cell_that_goes_on(live: Live, flavour: str) -> None:
    run = live(alone(run=["bounce", "rogue"]), flavour=flavour)
    run.until("100ms")
    run.type_text("brew", b"k")
    run.until("300ms")
    assert b"rogue is closed: an instruction that there is not" in run.console("brew")
    run.type_text("brew", b"x")  # a key of bounce's now
    run.until("500ms")
    assert run.state("brew") in ("running", "blocked")
    run.monitor.check_invariants()


@every_split
def test_both_transports_give_the_same_trace(live: Live, tmp_path: Path, flavour: str) -> None:
    table = phone(tmp_path, flavour)
    assert live.hash(table, "500ms", link="shm") == live.hash(table, "500ms", link="zmq")


def test_a_class_that_two_modules_have_is_refused(live: Live, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "cells" / "programs" / "brew" / "images" / "bounce.mod"
    (tmp_path / "other.mod").write_bytes(source.read_bytes())
    path = tmp_path / "twice.toml"
    path.write_text(
        'name = "twice"\nboard = "arm926"\ncells.brew = { personality = "brew", modules = ["bounce", "other.mod"] }\n'
    )
    with pytest.raises(Exception, match="has class 0x01ce0001, which bounce has as well"):
        live(path)
