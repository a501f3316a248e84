"""A bitmap font of our own, for whatever draws text on a small screen: `python -m cells.programs.font` writes `font.h`.

Theory: each printable ASCII character is 5 pixels wide and 9 high in a cell of 6 x 10; the seventh row stands on the base
line, the last two hang below it. A row is one digit of base 32, its most significant bit the leftmost pixel.

    for y, row in enumerate(rows("A")):          # 9 numbers of 5 bits
        print("".join(".#"[row >> x & 1] for x in (4, 3, 2, 1, 0)))
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

WIDTH, HEIGHT = 6, 10
"""Of a character's cell, the gaps to its neighbours included."""
GLYPH_WIDTH, GLYPH_HEIGHT = 5, 9
ASCENT = 7
"""Rows above the base line."""
FIRST, LAST = 0x20, 0x7E
HEADER = Path(__file__).parent / "font.h"

_GLYPHS = """
000000000 444440400 aaa000000 aavavaa00 4fke5u400 op248j300 cik8lid00 448000000 248884200 842224800 04lel4000 044v44000
000000448 000v00000 00000cc00 11248gg00 ehjlphe00 4c4444e00 eh1248v00 v2421he00 26aiv2200 vgu11he00 68guhhe00 v12488800
ehhehhe00 ehhf12c00 0cc0cc000 004400448 248g84200 00v0v0000 842124800 eh1240400 eh1dlle00 4ahhvhh00 uhhuhhu00 ehggghe00
sihhhis00 vgguggv00 vgguggg00 ehgnhhf00 hhhvhhh00 e44444e00 72222ic00 hikokih00 ggggggv00 hrllhhh00 hhpljhh00 ehhhhhe00
uhhuggg00 ehhhlid00 uhhukih00 fgge11u00 v44444400 hhhhhhe00 hhhhha400 hhhllla00 hha4ahh00 hhha44400 v1248gv00 e88888e00
gg8421100 e22222e00 4ah000000 0000000v0 842000000 00e1fhf00 ggmphhu00 00ehghe00 11djhhf00 00ehvge00 698s88800 00fhhhf1e
ggmphhh00 40c444e00 2062222ic ggikoki00 c44444e00 00qllll00 00mphhh00 00ehhhe00 00uhhhugg 00fhhhf11 00mpggg00 00fge1u00
88s889600 00hhhjd00 00hhha400 00hhlla00 00ha4ah00 00hhhhf1e 00v248v00 244844200 444444400 844244800 0008l2000
"""
"""Rows of each character, from the blank on."""


@cache
def glyphs() -> tuple[tuple[int, ...], ...]:
    """Every character from `FIRST` to `LAST`: 9 rows each."""
    return tuple(tuple(int(digit, 32) for digit in glyph) for glyph in _GLYPHS.split())


def rows(character: str) -> tuple[int, ...]:
    """The rows of one character; of one that the font lacks those of "?"."""
    code = ord(character)
    return glyphs()[(code if FIRST <= code <= LAST else ord("?")) - FIRST]


def c_header() -> str:
    """The same for C."""
    lines = ["    {" + ", ".join(f"{row:#04x}" for row in glyph) + "}," for glyph in glyphs()]
    head = f"""/* A font of our own, made by `python -m cells.programs.font`: a character is 5 x 9 pixels in a cell of
 * {WIDTH} x {HEIGHT}, bit 4 of a row its leftmost pixel, row {ASCENT} and below hang under the base line. */
#ifndef FONT_H
#define FONT_H

#define FONT_WIDTH {WIDTH}
#define FONT_HEIGHT {HEIGHT}
#define FONT_ROWS {GLYPH_HEIGHT}
#define FONT_FIRST {FIRST:#x}
#define FONT_LAST {LAST:#x}

static const unsigned char font[FONT_LAST - FONT_FIRST + 1][FONT_ROWS] = {{
"""
    return head + "\n".join(lines) + "\n};\n\n#endif\n"


if __name__ == "__main__":
    HEADER.write_text(c_header())
