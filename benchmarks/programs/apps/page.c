/* page IN OUT.pgm WIDTH: draws a page of a small PostScript: numbers, moveto lineto curveto closepath fill setgray translate scale gsave
   grestore, N { ... } repeat; a page is 612 x 792 points. Curves are flattened, paths filled by crossings of each line (even and odd), as
   ghostscript does for a device of so many pixels across. */
#include "kit.h"

enum { DEEP = 32, EDGES = 16384, FINE = 256, LINES = 4 }; /* places are 1/256 pixel; each pixel has four lines */
struct view {
    double scale_x, scale_y, x, y;
    s32 gray;
};
struct edge {
    s32 x0, y0, x1, y1; /* y0 < y1 */
};
static struct view views[DEEP];
static struct edge edges[EDGES];
static double stack[DEEP], start[2], at[2];
static u32 depth, view, edge_count, width, height;
static u8 *pixels;

static double pop(void)
{
    if (!depth)
        fail("page: the stack is empty");
    return stack[--depth];
}
static void push(double value)
{
    if (depth == DEEP)
        fail("page: the stack is full");
    stack[depth++] = value;
}

static void line_to(double x, double y)
{
    const struct view *v = views + view;
    s32 x0 = DOWN((at[0] * v->scale_x + v->x) * FINE), y0 = DOWN((at[1] * v->scale_y + v->y) * FINE);
    s32 x1 = DOWN((x * v->scale_x + v->x) * FINE), y1 = DOWN((y * v->scale_y + v->y) * FINE);
    at[0] = x, at[1] = y;
    if (y0 == y1)
        return;
    if (edge_count == EDGES)
        fail("page: a path of too many lines");
    edges[edge_count++] = y0 < y1 ? (struct edge){x0, y0, x1, y1} : (struct edge){x1, y1, x0, y0};
}

static void curve(const double p[6])
{
    double x0 = at[0], y0 = at[1];
    for (int i = 1; i <= 16; i++) {
        double t = i / 16.0, u = 1 - t, a = u * u * u, b = 3 * u * u * t, c = 3 * u * t * t, d = t * t * t;
        line_to(a * x0 + b * p[0] + c * p[2] + d * p[4], a * y0 + b * p[1] + c * p[3] + d * p[5]);
    }
}

static void span(u8 *row, s32 from, s32 to, s32 gray)
{
    from = MAX(0, from);
    to = MIN((s32)width * FINE, to);
    for (s32 x = from / FINE; x * FINE < to; x++) {
        s32 covered = MIN(to, (x + 1) * FINE) - MAX(from, x * FINE);
        row[x] = (u8)(row[x] + (gray - row[x]) * covered / (FINE * LINES));
    }
}

static void fill_path(void)
{
    static s32 crossings[EDGES];
    s32 top = (s32)height * FINE, bottom = 0, gray = views[view].gray;
    if (at[0] != start[0] || at[1] != start[1])
        line_to(start[0], start[1]);
    for (u32 i = 0; i < edge_count; i++) {
        top = MIN(top, edges[i].y0);
        bottom = MAX(bottom, edges[i].y1);
    }
    s32 line = MAX(0, top / (FINE / LINES)), last = MIN((s32)height * LINES - 1, bottom / (FINE / LINES));
    for (; line <= last; line++) {
        s32 y = line * (FINE / LINES) + FINE / LINES / 2, count = 0;
        for (u32 i = 0; i < edge_count; i++) {
            const struct edge *e = edges + i;
            if (y < e->y0 || y >= e->y1)
                continue;
            s32 x = e->x0 + (s32)((s64)(e->x1 - e->x0) * (y - e->y0) / (e->y1 - e->y0)), place = count++;
            for (; place && crossings[place - 1] > x; place--)
                crossings[place] = crossings[place - 1];
            crossings[place] = x;
        }
        for (s32 i = 0; i + 1 < count; i += 2)
            span(pixels + (u32)(line / LINES) * width, crossings[i], crossings[i + 1], gray);
    }
    edge_count = 0;
}

static void op_moveto(void) { at[1] = start[1] = pop(), at[0] = start[0] = pop(); }
static void op_lineto(void)
{
    double y = pop(), x = pop();
    line_to(x, y);
}
static void op_curveto(void)
{
    double p[6];
    for (int i = 5; i >= 0; i--)
        p[i] = pop();
    curve(p);
}
static void op_closepath(void) { line_to(start[0], start[1]); }
static void op_setgray(void) { views[view].gray = (s32)(pop() * 255) & 255; }
static void op_translate(void)
{
    double y = pop(), x = pop();
    views[view].x += x * views[view].scale_x;
    views[view].y += y * views[view].scale_y;
}
static void op_scale(void)
{
    double y = pop(), x = pop();
    views[view].scale_x *= x;
    views[view].scale_y *= y;
}
static void op_gsave(void)
{
    if (view + 1 == DEEP)
        fail("page: gsave too often");
    views[view + 1] = views[view];
    view++;
}
static void op_grestore(void)
{
    if (view)
        view--;
}
static const struct {
    const char *name;
    void (*perform)(void);
} operators[] = {
    {"moveto", op_moveto},     {"lineto", op_lineto}, {"curveto", op_curveto}, {"closepath", op_closepath}, {"fill", fill_path},
    {"setgray", op_setgray},   {"translate", op_translate}, {"scale", op_scale}, {"gsave", op_gsave}, {"grestore", op_grestore},
};

static const char *number_in(const char *word)
{
    double value = 0, unit = 1;
    int negative = *word == '-';
    for (word += negative; *word >= '0' && *word <= '9'; word++)
        value = value * 10 + (*word - '0');
    if (*word == '.')
        for (word++; *word >= '0' && *word <= '9'; word++)
            value += (*word - '0') * (unit /= 10);
    push(negative ? -value : value);
    return word;
}

static const char *behind(const char *at, u32 level) /* the brace that closes this one */
{
    for (u32 open = 1; open; at++) {
        if (!*at || level > 8)
            fail("page: a brace is not closed");
        open += *at == '{';
        open -= *at == '}';
    }
    return at;
}

static void run(const char *at, const char *end, u32 level)
{
    const char *body = 0, *body_end = 0;
    while (at < end) {
        char word[16];
        u32 size = 0;
        if (*at <= ' ') {
            at++;
            continue;
        }
        if (*at == '%') {
            while (at < end && *at != '\n')
                at++;
            continue;
        }
        if (*at == '{') {
            body = at + 1;
            at = behind(body, level);
            body_end = at - 1;
            continue;
        }
        if ((*at >= '0' && *at <= '9') || *at == '-' || *at == '.') {
            at = number_in(at);
            continue;
        }
        while (at < end && *at > ' ' && *at != '{' && size < sizeof word - 1)
            word[size++] = *at++;
        word[size] = 0;
        u32 which = 0;
        while (which < COUNT_OF(operators) && !same(word, operators[which].name))
            which++;
        if (which < COUNT_OF(operators))
            operators[which].perform();
        else if (same(word, "repeat") && body)
            for (s32 times = (s32)pop(); times > 0; times--)
                run(body, body_end, level + 1);
        else
            fail("page: no such operator");
    }
}

int app(int count, char **arguments)
{
    u32 size;
    if (count != 4 || (width = number(arguments[3])) < 16 || width > 4096)
        fail("page IN OUT.pgm WIDTH: 16 to 4096 pixels");
    const char *text = (const char *)whole(arguments[1], &size);
    height = width * 792 / 612;
    pixels = room(width * height);
    fill(pixels, 255, width * height);
    views[0] = (struct view){width / 612.0, -(double)height / 792, 0, height, 0};
    run(text, text + size, 0);
    struct out *out = writer(arguments[2]);
    text_out(out, "P5\n");
    number_out(out, (s32)width);
    text_out(out, " ");
    number_out(out, (s32)height);
    text_out(out, "\n255\n");
    bytes_out(out, pixels, width * height);
    finish(out);
    return 0;
}
