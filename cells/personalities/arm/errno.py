"""Errors of system calls: a call raises `Errno(ENOENT)`, and the program gets -ENOENT. Numbers of the Linux ABI (asm-generic)."""

from __future__ import annotations

EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD = range(1, 11)
EAGAIN, ENOMEM, EACCES, EFAULT, ENOTBLK, EBUSY, EEXIST, EXDEV, ENODEV, ENOTDIR = range(11, 21)
EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC, ESPIPE, EROFS = range(21, 31)
EMLINK, EPIPE, EDOM, ERANGE, EDEADLK, ENAMETOOLONG, ENOLCK, ENOSYS, ENOTEMPTY, ELOOP = range(31, 41)
EWOULDBLOCK = EAGAIN
ENODATA, ETIME, EPROTO, EOVERFLOW, ELIBBAD = 61, 62, 71, 75, 80
ENOTSOCK, EDESTADDRREQ, EMSGSIZE, EPROTOTYPE, ENOPROTOOPT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EOPNOTSUPP = range(88, 96)
EPFNOSUPPORT, EAFNOSUPPORT, EADDRINUSE, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENETRESET, ECONNABORTED = range(96, 104)
ECONNRESET, ENOBUFS, EISCONN, ENOTCONN, ESHUTDOWN, ETOOMANYREFS, ETIMEDOUT, ECONNREFUSED = range(104, 112)
EHOSTDOWN, EHOSTUNREACH, EALREADY, EINPROGRESS = range(112, 116)
ENOTSUP = EOPNOTSUPP

NAMES = {
    value: name for name, value in list(globals().items()) if name[0] == "E" and name not in ("EWOULDBLOCK", "ENOTSUP")
}
"""For people."""


class Errno(Exception):  # noqa: N818  as the field calls it
    """A system call fails with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(NAMES.get(code, str(code)))
        self.code = code
