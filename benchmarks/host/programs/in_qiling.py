"""Run a static ARM program in Qiling; the last line on standard output is the host seconds of the run alone.

    PYTHON-WITH-QILING in_qiling.py FOLDER PROGRAM ARGUMENT...

Imports nothing of this project: Qiling may live in an environment of its own.
"""

from __future__ import annotations

import sys
import time

from qiling import Qiling
from qiling.const import QL_VERBOSE


def main(arguments: list[str]) -> None:
    """`arguments`: an empty folder as root, the program, its arguments."""
    emulator = Qiling(arguments[1:], arguments[0], verbose=QL_VERBOSE.OFF)
    began = time.perf_counter()
    emulator.run()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1:])
