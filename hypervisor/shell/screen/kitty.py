"""Pictures by kitty's graphics protocol (kitty, Ghostty, WezTerm, Konsole): true pixels, scaled by the terminal.

A picture is one command, deflated, in base 64, in pieces of at most 4096 bytes: `ESC _ G keys ; payload ESC \\`. Each takes the
place of the one before, since it has the same number and the same placement.
"""

from __future__ import annotations

import zlib
from base64 import standard_b64encode

from hypervisor.shell.picture import Picture

NUMBER = 1
PIECE = 4096
DELETE = f"\x1b_Ga=d,d=I,i={NUMBER},q=2\x1b\\".encode()
"""The picture is gone from the screen and from the terminal's memory."""
QUERY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Can you? A terminal that can answers `QUERY_OK`; others say nothing."""
QUERY_OK = b"\x1b_Gi=31;OK"


def draw(picture: Picture, row: int, column: int, columns: int, rows: int) -> bytes:
    """The picture, filling so many columns and rows of text from there; counted from 1."""
    payload = standard_b64encode(zlib.compress(picture.pixels, 1))
    pieces = [payload[at : at + PIECE] for at in range(0, len(payload), PIECE)]
    keys = f"a=T,f=24,o=z,t=d,s={picture.width},v={picture.height},i={NUMBER},p=1,q=2,C=1,c={columns},r={rows},"
    said = [f"\x1b[{row};{column}H".encode()]
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        said.append(b"\x1b_G%sm=%d;%s\x1b\\" % (keys.encode() if number == 0 else b"", more, piece))
    return b"".join(said)
