/* sort FILE: its lines in order, by quicksort with the median of three; prints how many and a checksum over them in order. */
#include "kit.h"

static int before(const char *one, const char *other)
{
    while (*one == *other && *one != '\n')
        one++, other++;
    return *one < *other;
}

static void exchange(char **one, char **other)
{
    char *held = *one;
    *one = *other;
    *other = held;
}

static void sort(char **low, char **high)
{
    while (high - low > 1) {
        char **middle = low + (high - low) / 2, **i = low, **j = high - 1;
        if (before(*middle, *low))
            exchange(middle, low);
        if (before(*j, *low))
            exchange(j, low);
        if (before(*j, *middle))
            exchange(j, middle);
        char *pivot = *middle;
        while (i <= j) {
            while (before(*i, pivot))
                i++;
            while (before(pivot, *j))
                j--;
            if (i <= j)
                exchange(i++, j--);
        }
        if (j - low < high - i) { /* the smaller part first: a short stack */
            sort(low, j + 1);
            low = i;
        } else {
            sort(i, high);
            high = j + 1;
        }
    }
}

int app(int count, char **arguments)
{
    u32 size, lines = 0, sum = 0;
    if (count != 2)
        fail("sort FILE");
    char *text = (char *)whole(arguments[1], &size);
    text[size] = '\n';
    for (u32 i = 0; i < size; i++)
        lines += text[i] == '\n';
    char **line = room((lines + 1) * sizeof *line), *at = text;
    for (u32 i = 0; i < lines; i++) {
        line[i] = at;
        while (*at++ != '\n')
            continue;
    }
    sort(line, line + lines);
    for (u32 i = 0; i < lines; i++)
        for (char *byte = line[i]; *byte != '\n'; byte++)
            sum = (sum << 5 | sum >> 27) ^ (u8)*byte;
    struct out *out = writer(0);
    number_out(out, (s32)lines);
    text_out(out, " ");
    hex_out(out, sum);
    text_out(out, "\n");
    finish(out);
    return 0;
}
