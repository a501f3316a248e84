"""How commands end: their exit status, and what a person is told when something is wrong."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import typer


def guarded(command: Callable[[], int], debug: bool, *, interrupted: int = 130) -> None:
    """Run a command to its exit status. `interrupted`: the one after Ctrl-C."""
    try:
        status = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = interrupted
    except BrokenPipeError:
        # Who read our output has had enough, as `head` has. What is left of it must not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        status = _told(error, debug)
    raise typer.Exit(status)


def _told(error: Exception, debug: bool) -> int:
    """Say what is wrong: a clear line per problem of the user's (2, or 1 if a run failed of it), and something of ours
    without its details (1)."""
    from hypervisor.shell.files import WriteFailed
    from hypervisor.shell.problems import lines_of

    lines = lines_of(error)
    if debug:
        traceback.print_exception(error)
    for line in lines or [f"{type(error).__name__}: {error} (this is a mistake of cellvisor's; --debug shows where)"]:
        print(f"cellvisor: {line}", file=sys.stderr)
    return 2 if lines and not isinstance(error, WriteFailed) else 1
