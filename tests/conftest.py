"""Fixtures for tests with real processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live import Live


@pytest.fixture
def live() -> Iterator[Live]:
    """Launch runs; at the end each is checked and closed, and nothing may be left of it."""
    launcher = Live()
    yield launcher
    launcher.finish()
