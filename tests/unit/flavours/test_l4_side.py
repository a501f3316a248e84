"""The cell's side of the l4 flavour: how bytes of a channel travel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.flavours.l4 import pack_bytes, unpack_bytes
from hypervisor.abi.l4 import REGISTERS, Message
from hypervisor.core.wiring import MESSAGE_LIMIT


@given(st.binary(max_size=MESSAGE_LIMIT))
def test_bytes_come_back_as_they_were(data: bytes) -> None:
    packed = pack_bytes(data)
    assert unpack_bytes(Message.unpack(packed.tag, packed.data)) == data
    assert packed.data == data


@pytest.mark.parametrize(
    ("length", "registers", "string"),
    [(0, 0, 0), (16, 4, 0), (17, 4, 1), (252, REGISTERS, 0), (255, 0, 255), (1024, 0, 1024)],
)
def test_short_messages_travel_in_registers_and_long_ones_as_a_string(length: int, registers: int, string: int) -> None:
    packed = pack_bytes(bytes(length))
    assert (packed.registers, len(packed.string)) == (registers, string)
