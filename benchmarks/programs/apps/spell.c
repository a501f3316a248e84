/* spell DICTIONARY TEXT: words of the text that are not in the dictionary, each with what may have been meant: one letter more, less,
   changed, or two exchanged; as ispell does. Regular endings are known. */
#include "kit.h"

enum { LONGEST = 32, ENDINGS = 4 };
static char **table; /* a hash table of lines of the dictionary, half empty */
static u32 mask;
static struct out *out;

static u32 hash_of(const char *word, u32 size)
{
    u32 hash = 5381;
    for (u32 i = 0; i < size; i++)
        hash = hash * 33 ^ (u8)word[i];
    return hash ^ hash >> 15;
}

static char **place_of(const char *word, u32 size)
{
    for (u32 at = hash_of(word, size);; at++) {
        char *held = table[at & mask];
        u32 same = 0;
        while (held && same < size && held[same] == word[same])
            same++;
        if (!held || (same == size && held[size] == '\n'))
            return &table[at & mask];
    }
}

static int listed(const char *word, u32 size) { return size && *place_of(word, size) != 0; }

static int known(const char *word, u32 size)
{
    static const char *const endings[ENDINGS] = {"s", "ed", "ing", "ly"};
    if (listed(word, size))
        return 1;
    for (u32 i = 0; i < ENDINGS; i++) {
        u32 bytes = length(endings[i]), same = 0;
        while (same < bytes && size > bytes + 1 && word[size - bytes + same] == endings[i][same])
            same++;
        if (same == bytes && listed(word, size - bytes))
            return 1;
    }
    return 0;
}

static void offer(const char *word, u32 size)
{
    if (!known(word, size))
        return;
    text_out(out, " ");
    bytes_out(out, word, size);
}

static void offer_like(const char *word, u32 size)
{
    char other[LONGEST + 2];
    for (u32 i = 0; i < size; i++) { /* one letter changed */
        copy(other, word, size);
        for (char letter = 'a'; letter <= 'z'; letter++)
            if ((other[i] = letter) != word[i])
                offer(other, size);
    }
    for (u32 i = 0; i <= size; i++) { /* one is missing */
        copy(other, word, i);
        copy(other + i + 1, word + i, size - i);
        for (other[i] = 'a'; other[i] <= 'z'; other[i]++)
            offer(other, size + 1);
    }
    for (u32 i = 0; i < size; i++) { /* one too many */
        copy(other, word, i);
        copy(other + i, word + i + 1, size - i - 1);
        offer(other, size - 1);
    }
    for (u32 i = 0; i + 1 < size; i++) { /* two exchanged */
        copy(other, word, size);
        other[i] = word[i + 1], other[i + 1] = word[i];
        offer(other, size);
    }
}

static void learn(const char *path)
{
    u32 size, lines = 0;
    char *text = (char *)whole(path, &size);
    for (u32 i = 0; i < size; i++)
        lines += text[i] == '\n';
    for (mask = 64; mask < 2 * lines; mask *= 2)
        continue;
    table = room(mask-- * sizeof *table);
    for (u32 i = 0, start = 0; i < size; i++)
        if (text[i] == '\n') {
            if (i > start)
                *place_of(text + start, i - start) = text + start;
            start = i + 1;
        }
}

int app(int count, char **arguments)
{
    char word[LONGEST];
    u32 size = 0, words = 0, wrong = 0;
    if (count != 3)
        fail("spell DICTIONARY TEXT");
    learn(arguments[1]);
    struct in *in = reader(arguments[2]);
    out = writer(0);
    for (int byte = 0; byte >= 0;) {
        byte = byte_in(in);
        int letter = byte | 32;
        if (byte >= 0 && letter >= 'a' && letter <= 'z' && size < LONGEST) {
            word[size++] = (char)letter;
            continue;
        }
        words += size > 0;
        if (size && !known(word, size)) {
            wrong++;
            bytes_out(out, word, size);
            text_out(out, ":");
            offer_like(word, size);
            text_out(out, "\n");
        }
        size = 0;
    }
    number_out(out, (s32)wrong);
    text_out(out, " of ");
    number_out(out, (s32)words);
    text_out(out, "\n");
    finish(out);
    return 0;
}
