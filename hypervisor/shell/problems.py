"""What a user can do something about: every error that the command turns into clear lines and exit status 2.

Imported when there is an error, so that no command waits for the modules behind all of them.
"""

from __future__ import annotations


class InputError(Exception):
    """Bad input of a user that no other error names."""


def lines_of(error: BaseException) -> list[str] | None:
    """What is said about an error, a line per problem; None if it is one of ours and not of the user's."""
    if isinstance(error, _family()):
        return [line for line in str(error).splitlines() if line] or [type(error).__name__]
    if isinstance(error, OSError):
        return [_of_the_host(error)]
    return None


def _of_the_host(error: OSError) -> str:
    """An error of the operating system that nobody has put into better words."""
    reason = (error.strerror or str(error)).lower()
    return f"{error.filename}: {reason}" if error.filename else reason


def _family() -> tuple[type[Exception], ...]:
    from boards import BoardError
    from cells.machine.images import ImageError
    from cells.order import GuestError
    from hypervisor.shell.client import OperatorError
    from hypervisor.shell.files import RunDirError
    from hypervisor.shell.guests import GuestError as FetchError
    from hypervisor.shell.inputs import ReplayError
    from hypervisor.shell.loop_ports import NoRoom
    from hypervisor.shell.netlink import LinkError
    from hypervisor.shell.processes import ZygoteError
    from hypervisor.shell.runtime_dir import RuntimeDirError
    from hypervisor.shell.topology import TopologyError

    return (
        BoardError,
        FetchError,
        GuestError,
        ImageError,
        InputError,
        LinkError,
        NoRoom,
        OperatorError,
        ReplayError,
        RunDirError,
        RuntimeDirError,
        TopologyError,
        ZygoteError,
    )
