"""Guests that are Python functions: what travels, and what is said about what cannot."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest

from cells import seccomp
from cells.order import CellOrder, GuestError, pickle_guest, unpickle_guest
from cells.sandbox import SandboxPolicy


def again(guest: Callable[..., object]) -> Callable[..., object]:
    return unpickle_guest(pickle_guest(guest))


def test_an_order_is_complete_with_a_name_and_an_index() -> None:
    order = CellOrder(name="storage", index=3)
    assert (order.settings, order.guest, order.sandbox) == ({}, b"", SandboxPolicy())


def test_a_closure_takes_its_variables_along() -> None:
    count, names = 3, ["a", "b"]
    assert again(lambda word: names + [word] * count)("c") == ["a", "b", "c", "c", "c"]


def test_a_guest_gets_a_copy_of_what_it_captured() -> None:
    seen: list[int] = []
    again(lambda: seen.append(1))()
    assert seen == []


def test_a_guest_may_call_itself() -> None:
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    assert again(factorial)(10) == 3628800


def test_guests_may_call_each_other() -> None:
    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    assert again(even)(10)


def test_a_guest_may_use_classes_and_functions_of_its_own() -> None:
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def step(self) -> int:
            self.value += 2
            return self.value

    def twice(function: Callable[[], int]) -> int:
        function()
        return function()

    assert again(lambda: twice(Counter().step))() == 4


def test_a_module_goes_by_name_and_not_by_content() -> None:
    def guest() -> bytes:
        return struct.pack("<I", seccomp.NUMBERS["read"])

    assert again(guest)() == bytes(4)
    assert len(pickle_guest(guest)) < 1000


def test_a_function_of_a_module_goes_by_name() -> None:
    assert len(pickle_guest(again)) < 200
    assert unpickle_guest(pickle_guest(seccomp.rules)) is seccomp.rules


def test_what_cannot_travel_is_named() -> None:
    window, place = memoryview(b"of this process"), 1

    def guest() -> int:
        return window[place]

    with pytest.raises(GuestError, match=r"the guest .*guest cannot be sent to its cell: .*\(it uses window\)"):
        pickle_guest(guest)


def test_a_generator_cannot_travel() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    running = numbers()
    with pytest.raises(GuestError, match="it uses running"):
        pickle_guest(lambda: next(running))


def test_only_something_to_call_is_a_guest() -> None:
    with pytest.raises(GuestError, match="must be callable, not int"):
        unpickle_guest(pickle_guest(3))  # type: ignore[arg-type]
