"""The baseband of a phone: calls, paging and voice on REX (README.md).

[cells.amss]
personality = "rtos"
run = ["cells.programs.amss:main"]
args = ["call=2s:+4989123456:3s"]         # somebody calls at 2 s and hangs up 3 s later
"""

from cells.programs.amss.baseband import main

__all__ = ["main"]
