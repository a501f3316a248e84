"""The keystore: answers challenges, rations them, and says nothing else."""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boards
from cells.programs.amss.triplets import TRIPLETS
from cells.programs.keystore import BURST, PER_SECOND, Answer, Keystore, answer, request

KEY, NONCE, HZ = bytes(range(32)), b"sixteen bytes...", 10**8


def ask(store: Keystore, message: bytes, now: int = 0) -> tuple[int, int, bytes]:
    reply, cycles = store.serve(message, now)
    assert 0 < cycles < HZ // 1000
    found = answer(reply)
    assert found is not None
    return found


def test_an_answer_is_the_hmac_of_the_nonce() -> None:
    expected = hmac.new(KEY, NONCE, hashlib.sha256).digest()
    assert ask(Keystore(KEY, HZ), request(7, NONCE)) == (7, Answer.OK, expected)


def test_the_triplets_of_the_network_belong_to_the_key_in_the_topology() -> None:
    text = (Path(boards.__file__).parent / "topologies" / "phone.toml").read_text()
    key = bytes.fromhex(tomllib.loads(text)["cells"]["keystore"]["args"][0])
    assert len(TRIPLETS) >= 5
    assert all(hmac.new(key, nonce, hashlib.sha256).digest() == expected for nonce, expected in TRIPLETS)


def test_a_burst_is_answered_then_a_few_a_second() -> None:
    store = Keystore(KEY, HZ)
    first = [ask(store, request(i, NONCE))[1] for i in range(BURST + 3)]
    assert first == [Answer.OK] * BURST + [Answer.RATIONED] * 3
    a_second = [ask(store, request(i, NONCE), HZ + i)[1] for i in range(PER_SECOND + 3)]
    assert a_second.count(Answer.OK) == PER_SECOND


def test_a_rationed_answer_has_no_mac() -> None:
    store = Keystore(KEY, HZ)
    answers = [ask(store, request(i, NONCE)) for i in range(BURST + 1)]
    assert answers[-1] == (BURST, Answer.RATIONED, bytes(32))


@given(st.binary(max_size=80))
def test_anything_else_is_refused_and_tells_nothing_of_the_key(message: bytes) -> None:
    store = Keystore(KEY, HZ)
    if len(message) == 24 and message.startswith(b"MAC1"):
        return
    assert ask(store, message) == (0, Answer.MALFORMED, bytes(32))


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_key_that_is_none_is_refused_at_the_start(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        Keystore(bytes(size), HZ)
