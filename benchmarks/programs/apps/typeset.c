/* typeset TEXT OUT: fills paragraphs into justified lines so that the sum of the squared stretches of a paragraph is smallest, breaks
   pages, and writes the PostScript that shows them: what MiBench's typeset (lout) does with a document. */
#include "kit.h"

enum { WIDTH = 4680, SPACE = 28, PAGE = 46, MOST = 4096 }; /* tenths of a point: 6.5 inches of 10-point type */
static const char narrow[] = "iljtfr.,;:'!", wide[] = "mwMW";
static struct out *out;
static const u8 *words[MOST];
static u32 sizes[MOST], widths[MOST], best[MOST + 1], from[MOST + 1], line_on_page, pages;

static u32 width_of(u8 letter)
{
    for (const char *p = narrow; *p; p++)
        if (*p == letter)
            return 28;
    for (const char *p = wide; *p; p++)
        if (*p == letter)
            return 78;
    return letter >= 'A' && letter <= 'Z' ? 67 : 50;
}

static void page_begins(void)
{
    text_out(out, pages ? "showpage\n%%Page: " : "%%Page: ");
    number_out(out, (s32)++pages);
    text_out(out, "\n/Times-Roman findfont 10 scalefont setfont\n");
}

static void line(u32 first, u32 end, int last)
{
    u32 natural = 0, gaps = end - first - 1, spare;
    if (line_on_page == 0)
        page_begins();
    for (u32 i = first; i < end; i++)
        natural += widths[i];
    spare = last || natural + gaps * SPACE > WIDTH ? gaps * SPACE : WIDTH - natural;
    u32 x = 720, y = 7200 - line_on_page * 140;
    for (u32 i = first; i < end; i++) {
        number_out(out, (s32)x);
        text_out(out, " ");
        number_out(out, (s32)y);
        text_out(out, " m (");
        bytes_out(out, words[i], sizes[i]);
        text_out(out, ") s\n");
        u32 gap = end - i > 1 ? spare / (end - i - 1) : 0;
        spare -= gap;
        x += widths[i] + gap;
    }
    line_on_page = (line_on_page + 1) % PAGE;
}

/* best[i]: the least cost of words 0 to i - 1 in lines; from[i]: where the last of these lines begins. */
static void paragraph(u32 count)
{
    best[0] = 0;
    for (u32 end = 1; end <= count; end++) {
        u32 natural = 0;
        best[end] = 0xffffffff;
        for (u32 first = end; first-- > 0;) {
            natural += widths[first] + (first + 1 < end ? SPACE : 0);
            if (natural > WIDTH && first + 1 < end)
                break;
            u32 left = natural > WIDTH ? 0 : (WIDTH - natural) / 8, cost = end == count ? 0 : left * left / (end - first);
            if (best[first] + cost < best[end]) {
                best[end] = best[first] + cost;
                from[end] = first;
            }
        }
    }
    static u32 ends[MOST];
    u32 lines = 0;
    for (u32 end = count; end; end = from[end])
        ends[lines++] = end;
    for (u32 i = lines; i-- > 0;)
        line(i + 1 < lines ? ends[i + 1] : 0, ends[i], i == 0);
}

int app(int count, char **arguments)
{
    u32 size, filled = 0;
    if (count != 3)
        fail("typeset TEXT OUT");
    const u8 *text = whole(arguments[1], &size);
    out = writer(arguments[2]);
    text_out(out, "%!PS-Adobe-3.0\n/m { 10 div exch 10 div exch moveto } def /s { show } def\n");
    for (u32 i = 0; i < size;) {
        u32 newlines = 0;
        for (; i < size && text[i] <= ' '; i++)
            newlines += text[i] == '\n';
        if ((newlines > 1 || i == size || filled == MOST) && filled) {
            paragraph(filled);
            filled = 0;
        }
        if (i == size)
            break;
        words[filled] = text + i;
        widths[filled] = 0;
        for (; i < size && text[i] > ' '; i++)
            widths[filled] += width_of(text[i]);
        sizes[filled] = (u32)(text + i - words[filled]);
        filled++;
    }
    text_out(out, "showpage\n%%EOF\n");
    finish(out);
    return 0;
}
