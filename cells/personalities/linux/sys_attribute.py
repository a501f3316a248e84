"""Extended attributes: there are none, and programs are told so."""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EFAULT, ENODATA, EOPNOTSUPP, Errno
from cells.personalities.linux.table import PARTIAL, call


def _no_value(process: Any, path: int, *_: int) -> int:
    if not path:
        raise Errno(EFAULT)
    raise Errno(ENODATA)


def _no_list(process: Any, *_: int) -> int:
    return 0


def _no_room(process: Any, *_: int) -> int:
    raise Errno(EOPNOTSUPP)


for _number, _name, _function in (
    (226, "setxattr", _no_room),
    (227, "lsetxattr", _no_room),
    (228, "fsetxattr", _no_room),
    (229, "getxattr", _no_value),
    (230, "lgetxattr", _no_value),
    (231, "fgetxattr", _no_value),
    (232, "listxattr", _no_list),
    (233, "llistxattr", _no_list),
    (234, "flistxattr", _no_list),
):
    call(_number, _name, PARTIAL, "files have none")(_function)
