"""The examples in the documentation are run."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

import boards
from boards import units


@pytest.mark.parametrize("module", [boards, units])
def test_the_examples_of_a_module_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert result.failed == 0
