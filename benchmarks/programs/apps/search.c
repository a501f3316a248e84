/* search TEXT WORDS COUNT: how often each of the first COUNT words is in the text, by Horspool's algorithm; MiBench's stringsearch. */
#include "kit.h"

static u32 found(const u8 *text, u32 size, const char *word, u32 bytes)
{
    u32 skip[256], times = 0;
    for (u32 i = 0; i < 256; i++)
        skip[i] = bytes;
    for (u32 i = 0; i + 1 < bytes; i++)
        skip[(u8)word[i]] = bytes - 1 - i;
    for (u32 at = 0; at + bytes <= size; at += skip[text[at + bytes - 1]]) {
        u32 same = bytes;
        while (same && text[at + same - 1] == (u8)word[same - 1])
            same--;
        times += !same;
    }
    return times;
}

int app(int count, char **arguments)
{
    u32 size, length_of_words;
    if (count != 4)
        fail("search TEXT WORDS COUNT");
    const u8 *text = whole(arguments[1], &size);
    char *word = (char *)whole(arguments[2], &length_of_words);
    struct out *out = writer(0);
    for (u32 left = number(arguments[3]); left && *word; left--) {
        u32 bytes = 0;
        while (word[bytes] && word[bytes] != '\n')
            bytes++;
        if (bytes) {
            bytes_out(out, word, bytes);
            text_out(out, " ");
            number_out(out, (s32)found(text, size, word, bytes));
            text_out(out, "\n");
        }
        word += bytes + (word[bytes] == '\n');
    }
    finish(out);
    return 0;
}
