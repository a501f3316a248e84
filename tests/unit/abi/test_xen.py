"""The Xen interface: layouts and numbers as unmodified kernels of 32-bit ARM have them."""

from __future__ import annotations

import pytest

from hypervisor.abi import xen
from hypervisor.abi.hypercalls import XEN_CALLS

SIZES = {
    "VCPU_INFO": 48,
    "WALL": 16,
    "RUNSTATE": 48,
    "BIND_INTERDOMAIN": 12,
    "BIND_VIRQ": 12,
    "BIND_IPI": 8,
    "STATUS": 24,
    "STATUS_VIRQ": 24,
    "ALLOC_UNBOUND": 8,
    "GRANT_ENTRY": 8,
    "MAP_GRANT": 32,
    "UNMAP_GRANT": 24,
    "SETUP_TABLE": 24,
    "QUERY_SIZE": 16,
    "TRANSFER": 24,
    "COPY": 40,
    "ADD_TO_PHYSMAP": 24,
    "HVM_PARAM": 16,
    "REGISTER_VCPU_INFO": 16,
    "POLL": 24,
    "STORE_MESSAGE": 16,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_structure_is_as_long_as_the_kernels(name):
    assert getattr(xen, name).size == SIZES[name]


def test_shared_info_begins_with_one_vcpu_info_and_has_64_words_of_each_kind_of_bits():
    assert xen.VCPU_INFO.size == xen.EVTCHN_PENDING
    assert xen.EVTCHN_MASK - xen.EVTCHN_PENDING == 64 * 8
    assert xen.WALLCLOCK - xen.EVTCHN_MASK == 64 * 8


@pytest.mark.parametrize(
    ("layout", "values", "offset"),
    [
        (xen.MAP_GRANT, (0, 0, 0, 0, -1, 0, 0), 18),
        (xen.MAP_GRANT, (0, 0, 0, 0, 0, 0xFFFF_FFFF, 0), 20),
        (xen.UNMAP_GRANT, (0, 0, 0, -1), 20),
        (xen.COPY, (0, 0, 0, 0, 0, 0, 0, 0, -1), 36),
        (xen.TRANSFER, (0, 0, 0, -1), 16),
        (xen.QUERY_SIZE, (0, 0, 0, -1), 12),
        (xen.SETUP_TABLE, (0, 0, -1, 0), 8),
        (xen.STATUS, (0, 0, 0, 0, 0xFFFF, 0), 16),
        (xen.STATUS, (0, 0, 0, 0, 0, 0xFFFF_FFFF), 20),
        (xen.HVM_PARAM, (0, 0, 0xFFFF), 8),
    ],
)
def test_a_field_lies_where_the_kernel_looks_for_it(layout, values, offset):
    packed = layout.pack(*values)
    assert packed[:offset] == bytes(offset)
    assert packed[offset : offset + 2] == b"\xff\xff"


def test_families_have_their_real_numbers():
    real = {"MEMORY": 12, "VERSION": 17, "CONSOLE_IO": 18, "GRANT_TABLE": 20, "VM_ASSIST": 21}
    real |= {"VCPU": 24, "SCHED": 29, "EVENT_CHANNEL": 32, "HVM": 34}
    assert {call.name: call - XEN_CALLS for call in xen.Call} == real
