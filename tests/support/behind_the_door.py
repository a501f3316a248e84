"""Connect as a cell does, close the sandbox, and end the socket there, which takes each thread of libzmq.

python -m tests.support.behind_the_door ENDPOINT SERVER_KEY PUBLIC_KEY SECRET_KEY

Prints how many threads there were before the door closed.
"""

from __future__ import annotations

import os
import sys

from cells.links import connect
from cells.sandbox import SandboxPolicy, enter


def main(endpoint: str, *keys: str) -> None:
    """Says "ended" when there is nothing left that could go wrong."""
    server, public, secret = (key.encode() for key in keys)
    socket = connect(endpoint, server, public, secret)
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 (pathlib would import more)
    enter(SandboxPolicy())
    socket.close(0)
    socket.context.term()
    print(f"{threads} threads, ended", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
