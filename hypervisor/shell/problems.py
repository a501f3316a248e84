"""What a user can do about: every error that the command turns into a line and exit status 2."""

from __future__ import annotations

from boards import BoardError
from cells.machine.images import ImageError
from cells.order import GuestError
from hypervisor.shell.files import RunDirError
from hypervisor.shell.guests import GuestError as FetchError
from hypervisor.shell.inputs import ReplayError
from hypervisor.shell.operator import OperatorError
from hypervisor.shell.processes import ZygoteError
from hypervisor.shell.runtime_dir import RuntimeDirError
from hypervisor.shell.topology import TopologyError


class InputError(Exception):
    """Bad input of a user that no other error names."""


class UserError:
    """The family."""

    ALL = (
        BoardError,
        FetchError,
        GuestError,
        ImageError,
        InputError,
        OperatorError,
        ReplayError,
        RunDirError,
        RuntimeDirError,
        TopologyError,
        ZygoteError,
        OSError,
    )
