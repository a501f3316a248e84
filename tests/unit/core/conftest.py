"""What the tests of the core share: `watch` checks the invariants of what a test built, at its end."""

from __future__ import annotations

from tests.support.invariants import watch

__all__ = ["watch"]
