"""What ends an applet: it did what no interface allows. Its module is closed, with a line in the log; all others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cells.personalities.brew.module import Module


class Crime(Exception):  # noqa: N818  the applet's, not ours
    """`module` has to be closed: `why` as the log says it."""

    def __init__(self, module: Module, why: str) -> None:
        super().__init__(f"{module.name}: {why}")
        self.module, self.why = module, why


class Refusal(Exception):  # noqa: N818  an answer
    """A method cannot do what is asked: the code that it returns instead."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code:#x}")
        self.code = code
