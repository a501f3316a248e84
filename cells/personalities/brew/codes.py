"""Numbers that applets and the personality agree on, by the names that the public BREW interfaces have for them.

The names are BREW's; the numbers are this personality's own, and `cells/programs/brew/sdk/AEECodes.h` is made of them
(`python -m cells.personalities.brew.header`), so that the two sides cannot differ.
"""

from __future__ import annotations

from enum import IntEnum


class Error(IntEnum):
    """What a method returns."""

    SUCCESS = 0
    EFAILED = 1
    ENOMEMORY = 2
    ECLASSNOTSUPPORT = 3
    EUNABLETOLOAD = 6
    EEXPIRED = 12
    EBADSTATE = 13
    EBADPARM = 14
    EUNSUPPORTED = 20
    EFILEEXISTS = 0x101
    EFILENOEXISTS = 0x102
    EDIRNOTEMPTY = 0x103
    EBADFILENAME = 0x104
    EBADSEEKPOS = 0x105
    EFILEEOF = 0x106
    EFSFULL = 0x107
    ENETNONET = 0x201
    ENETCLOSED = 0x202
    EMSGSIZE = 0x203


NET_ERROR, NET_WOULDBLOCK = -1, -2
"""What reading and writing a socket return instead of a count (AEE_NET_*)."""


class Code(IntEnum):
    """Events (EVT_*). From `USER` on they are an applet's own."""

    APP_START = 0
    APP_STOP = 1
    APP_SUSPEND = 2
    APP_RESUME = 3
    KEY = 0x100
    KEY_PRESS = 0x101
    KEY_RELEASE = 0x102
    POINTER_DOWN = 0x401
    POINTER_UP = 0x402
    POINTER_MOVE = 0x403
    USER = 0x7000


class ClassId(IntEnum):
    """Classes that the personality makes (AEECLSID_*). The first five hexadecimal digits are its own."""

    SHELL = 0x0100_1000
    DISPLAY = 0x0100_1001
    GRAPHICS = 0x0100_1002
    FILEMGR = 0x0100_1003
    NET = 0x0100_1004
    HEAP = 0x0100_1005
    BITMAP = 0x0100_1006


OWN_CLASSES = range(0x0100_0000, 0x0101_0000)
"""Class ids that no module may claim."""


class Color(IntEnum):
    """What IDISPLAY_SetColor sets (CLR_USER_*)."""

    TEXT = 1
    BACKGROUND = 2
    LINE = 3


class Font(IntEnum):
    """Fonts (AEE_FONT_*)."""

    NORMAL = 0x8000
    BOLD = 0x8001
    LARGE = 0x8002


class Draw(IntEnum):
    """Flags of DrawRect (IDF_RECT_*) and DrawText (IDF_ALIGN_*)."""

    RECT_FRAME = 1
    RECT_FILL = 2
    RECT_INVERT = 4
    ALIGN_CENTER = 0x10
    ALIGN_RIGHT = 0x20
    ALIGN_MIDDLE = 0x40
    ALIGN_BOTTOM = 0x80
    TEXT_TRANSPARENT = 0x100


class Rop(IntEnum):
    """How a source is combined with what is there (AEE_RO_*)."""

    COPY = 0
    TRANSPARENT = 1
    NOT = 2


class Mode(IntEnum):
    """How a file is opened (_OFM_*)."""

    READ = 1
    READWRITE = 2
    CREATE = 4
    APPEND = 8


class Seek(IntEnum):
    """From where a position counts (_SEEK_*)."""

    START = 0
    END = 1
    CURRENT = 2


class SocketKind(IntEnum):
    """Kinds of sockets (AEE_SOCK_*): a message stays one."""

    STREAM = 0
    DGRAM = 1


TRANSPARENT = 0xF81F
"""The native colour that AEE_RO_TRANSPARENT leaves out unless a bitmap says otherwise: magenta."""

PREFIXES = {
    Error: "",
    Code: "EVT_",
    ClassId: "AEECLSID_",
    Color: "CLR_USER_",
    Font: "AEE_FONT_",
    Draw: "IDF_",
    Rop: "AEE_RO_",
    Mode: "_OFM_",
    Seek: "_SEEK_",
    SocketKind: "AEE_SOCK_",
}
"""What the header puts before the names."""
