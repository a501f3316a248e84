"""A message that is too long is refused, and nothing of it arrives: for ARM images under every flavour that has channels."""

from __future__ import annotations

import pytest

from hypervisor.abi.status import Status
from tests.support.live import Live

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [1025, 2000])
@pytest.mark.parametrize("flavour", ["l4", "xen", "okl4"])
def test_an_image_is_refused_a_message_that_is_too_long(live: Live, flavour: str, size: int) -> None:
    cells = {
        "ping": {"image": "pinger", "args": f"peer=pong times=1 size={size}"},
        "pong": {"image": "pinger", "args": "peer=ping echo=1"},
    }
    channels = [{"between": ["ping", "pong"], "class": "message"}]
    run = live({"name": "long", "board": "beagle", "cells": cells, "channels": channels}, flavour=flavour)
    run.until("50ms")
    assert run.console("ping").replace(b"\r", b"") == b"ping: refused, status %d\n" % Status.TOO_LONG
    assert run.cell("ping").why == "status 1"
    assert run.console("pong").replace(b"\r", b"") in (b"", b"pong: refused, status %d\n" % Status.PEER_GONE)
