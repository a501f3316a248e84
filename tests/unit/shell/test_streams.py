"""Streams of cells to ports of this host: against a server in this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hypervisor.abi.streams import ROOM, News, StreamCall
from hypervisor.core.effects import UseStream
from hypervisor.shell.inputs import InputKind, stream_news
from hypervisor.shell.streams import HostStreams

Said = tuple[int, int, bytes]


class Lab:
    """A listening socket and the streams of one cell."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.streams = HostStreams({"netdom": (self.port, 1)})

    def use(self, call: StreamCall, stream: int = 1, number: int = 0, data: bytes = b"") -> None:
        self.streams.use("netdom", UseStream(0, call, stream, number, data))

    def hear(self) -> list[Said]:
        inputs = self.streams.wait()
        assert all((each.kind, each.cell) == (InputKind.STREAM, "netdom") for each in inputs)
        return [stream_news(each.data) for each in inputs]

    def connect(self) -> socket.socket:
        self.use(StreamCall.OPEN)
        assert self.hear() == [(1, News.OPENED, b"")]
        peer, address = self.listener.accept()
        assert address[0] == "127.0.0.1"
        return peer


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.streams.close()
    lab.listener.close()


def test_a_host_without_descriptors_breaks_the_stream(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("hypervisor.shell.streams.socket.socket", full)
    lab.use(StreamCall.OPEN)
    assert lab.hear() == [(1, News.BROKEN, b"")]


def test_what_is_sent_arrives_and_what_comes_is_told_with_the_end(lab: Lab) -> None:
    with lab.connect() as peer:
        lab.use(StreamCall.SEND, data=b"question")
        lab.use(StreamCall.END)
        assert peer.recv(100) == b"question"
        assert peer.recv(100) == b""
        peer.sendall(b"answer")
        assert lab.hear() == [(1, News.CAME, b"answer")]
        peer.shutdown(socket.SHUT_WR)
        assert lab.hear() == [(1, News.ENDED, b"")]
        assert not lab.streams.handles, "there is nothing more to wait for"


def test_where_nobody_listens_the_stream_is_broken(lab: Lab) -> None:
    lab.listener.close()
    lab.use(StreamCall.OPEN)
    assert lab.hear() == [(1, News.BROKEN, b"")]
    lab.use(StreamCall.SEND, data=b"into the dark")
    assert lab.streams.poll() == []


def test_no_more_is_taken_from_the_host_than_there_is_room_for(lab: Lab) -> None:
    with lab.connect() as peer:
        peer.sendall(bytes(2 * ROOM))
        came = 0
        while news := lab.streams.poll():
            came += sum(len(stream_news(each.data)[2]) for each in news)
        assert came == ROOM
        lab.use(StreamCall.GIVE, number=10)
        assert [len(data) for _, _, data in lab.hear()] == [10]


def test_what_the_host_has_not_taken_yet_is_sent_after_the_end_of_the_stream(lab: Lab) -> None:
    with lab.connect() as peer:
        sent = 0
        while not any(stream.unsent for stream in lab.streams._streams.values()):
            lab.use(StreamCall.SEND, data=bytes(1024))
            sent += 1024
        lab.use(StreamCall.CLOSE)
        got = 0
        while piece := peer.recv(1 << 20):
            got += len(piece)
            lab.streams.poll()
        assert got == sent


def test_a_server_that_takes_nothing_breaks_its_stream_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypervisor.shell.streams.STUCK_S", 0.01)
    with lab.connect():
        while not lab.streams._streams["netdom", 1].broken:
            lab.use(StreamCall.SEND, data=bytes(1024))
        assert lab.hear() == [(1, News.BROKEN, b"")]
    lab.connect().close()


def test_a_server_that_hangs_up_breaks_its_stream(lab: Lab) -> None:
    peer = lab.connect()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert lab.hear() == [(1, News.BROKEN, b"")]
