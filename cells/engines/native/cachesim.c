/* The model of the first-level caches: what is in, what comes in and goes out, and lines that a kernel finds cold.
 *
 * A set replaces its lines in turn or by chance, so a hit changes nothing but "dirty". Lines are known by their physical numbers. Everything that
 * comes here comes in the order of the guest's instructions, the lines of a block when it begins.
 */
#include <stdlib.h>
#include <string.h>

#include "cachesim_internal.h"

/* ---- One cache */

static int open_cache(struct cache *cache, const struct cache_shape *shape, struct seen *seen) {
    uint32_t lines = shape->size / shape->line, shift = (uint32_t)__builtin_ctz(shape->line);
    *cache = (struct cache){lines / shape->ways, shape->ways, shift, shift < COLD_SHIFT ? shift : COLD_SHIFT, seen, NULL, NULL, NULL,
                            shape->random ? CHANCE : 0};
    cache->tag = malloc(lines * sizeof *cache->tag);
    cache->dirty = malloc(lines);
    cache->next = malloc(cache->sets);
    return cache->tag && cache->dirty && cache->next;
}

static void close_cache(struct cache *cache) {
    free(cache->tag);
    free(cache->dirty);
    free(cache->next);
}

static void empty(struct cache *cache) {
    uint32_t lines = cache->sets * cache->ways;
    if (lines == 0)
        return;
    memset(cache->tag, 0xff, lines * sizeof *cache->tag);
    memset(cache->dirty, 0, lines);
    memset(cache->next, 0, cache->sets);
}

static int32_t find(const struct cache *cache, uint32_t line) {
    uint32_t first = (line & (cache->sets - 1)) * cache->ways;
    for (uint32_t way = 0; way < cache->ways; way++)
        if (cache->tag[first + way] == line)
            return (int32_t)(first + way);
    return -1;
}

/* A line goes, or is clean from now on: its grains are to be looked at anew. */
static void unsee(const struct cache *cache, uint32_t line) {
    uint32_t more = cache->shift - cache->fine;
    for (uint32_t grain = line << more; grain < (line + 1) << more; grain++)
        if (cache->seen[grain % SEEN].grain == grain)
            cache->seen[grain % SEEN].when = cache->seen[grain % SEEN].dirty = 0;
}

/* The way of a full set that goes: of one counter of a whole cache with chance [DDI 0301H 7.2.1], in which order is ours (xorshift); or
 * the next of the set [Intel XScale core manual 6.2.4]. */
static uint32_t victim(struct cache *cache, uint32_t set) {
    uint32_t way = cache->next[set];
    if (cache->chance == 0) {
        cache->next[set] = (uint8_t)((way + 1) % cache->ways);
        return way;
    }
    cache->chance ^= cache->chance << 13;
    cache->chance ^= cache->chance >> 17;
    cache->chance ^= cache->chance << 5;
    return cache->chance % cache->ways;
}

/* A line comes in. 1 if a dirty one had to go out for it. */
static int enter(struct cache *cache, uint32_t line, uint8_t dirty) {
    uint32_t set = line & (cache->sets - 1), first = set * cache->ways, at = first;
    int out;
    while (at < first + cache->ways && cache->tag[at] != NO_LINE)
        at++;
    if (at == first + cache->ways) {
        at = first + victim(cache, set);
        unsee(cache, cache->tag[at]);
    }
    out = cache->dirty[at];
    cache->tag[at] = line;
    cache->dirty[at] = dirty;
    return out;
}

/* How many dirty lines have gone out. */
static uint32_t flush(struct cache *cache, int how) {
    uint32_t out = 0, lines = cache->sets * cache->ways;
    for (uint32_t i = 0; how != FLUSH_DROP && i < lines; i++)
        out += cache->dirty[i];
    if (how != FLUSH_CLEAN)
        empty(cache);
    else if (lines)
        memset(cache->dirty, 0, lines);
    return out;
}

/* One line goes. 1 if it was dirty and went out. */
static int flush_line(struct cache *cache, uint32_t line, int how) {
    int32_t at = find(cache, line);
    int out = at >= 0 && how != FLUSH_DROP && cache->dirty[at];
    if (at < 0)
        return 0;
    unsee(cache, line);
    cache->dirty[at] = 0;
    if (how != FLUSH_CLEAN)
        cache->tag[at] = NO_LINE;
    return out;
}

/* Nothing may be passed over without a look. */
static void unsee_all(struct caches *m) {
    if (++m->now == 0) {
        m->now = 1;
        memset(m->seen_i, 0, sizeof m->seen_i);
        memset(m->seen_d, 0, sizeof m->seen_d);
    }
}

/* ---- Counting */

static void charge(struct caches *m, uint64_t cycles) {
    m->e->v.cycles += cycles;
    m->e->v.memory_cycles += cycles;
    m->c->n[E_memory_cycles] += cycles;
}

static void write_back(struct caches *m, uint32_t lines) {
    m->c->n[E_writebacks] += lines;
    charge(m, (uint64_t)lines * m->shape.store_cycles);
}

/* `number`: of the event; that of user mode alone stands apart. */
static void miss(struct caches *m, int number, int by_user, uint32_t cycles) {
    m->c->n[number]++;
    m->c->n[by_user] += !m->e->privileged;
    charge(m, cycles);
}

/* The first time since privileged code was entered that it meets these 32 bytes? */
static void note_cold(struct caches *m, uint32_t **stamps, int number, uint32_t address) {
    const struct engine *e = m->e;
    for (int i = 0; i < e->rams && stamps[i]; i++) /* none of what was mapped later */
        if (address - e->ram[i].base < e->ram[i].size) {
            uint32_t *stamp = &stamps[i][(address - e->ram[i].base) >> COLD_SHIFT];
            m->c->n[number] += *stamp != m->entry;
            *stamp = m->entry;
            return;
        }
}

static void note_all_cold(struct caches *m, uint32_t **stamps, int number, uint32_t from, uint32_t size) {
    uint32_t last = (from + size - 1) >> COLD_SHIFT;
    for (uint32_t line = from >> COLD_SHIFT; line <= last; line++)
        note_cold(m, stamps, number, line << COLD_SHIFT);
}

/* ---- Instructions */

static void fetch_line(struct caches *m, uint32_t line) {
    if (find(&m->l1i, line) < 0) {
        enter(&m->l1i, line, 0);
        miss(m, E_l1i_miss, E_l1i_miss_user, m->shape.fill_cycles);
    }
    if (m->shape.kept && find(&m->kept_i, line) < 0) {
        enter(&m->kept_i, line, 0);
        m->c->n[E_l1i_miss_kept]++;
    }
}

static void fetch_part(struct caches *m, uint32_t from, uint32_t size) {
    uint32_t end = from + size - 1, last = end >> m->l1i.shift, more = m->l1i.shift - m->l1i.fine;
    for (uint32_t line = from >> m->l1i.shift; line <= last; line++)
        fetch_line(m, line);
    if (m->e->privileged)
        note_all_cold(m, m->cold_i, E_cold_i, from, size);
    for (uint32_t grain = from >> m->l1i.fine; grain <= end >> m->l1i.fine; grain++)
        if (find(&m->l1i, grain >> more) >= 0 && (!m->shape.kept || find(&m->kept_i, grain >> more) >= 0))
            m->seen_i[grain % SEEN] = (struct seen){grain, m->now, 0};
}

void caches_fetch_slow(struct caches *m, uint64_t place, uint32_t size) {
    const struct place *at = &m->place[place];
    uint32_t page = m->e->page_size, here = page - (at->first & (page - 1));
    fetch_part(m, at->first, size < here ? size : here);
    if (size > here)
        fetch_part(m, at->second, size - here);
}

/* ---- Data */

static int is_ram(const struct engine *e, uint64_t address) {
    for (int i = 0; i < e->rams; i++)
        if (address - e->ram[i].base < e->ram[i].size)
            return 1;
    return 0;
}

static void load_line(struct caches *m, uint32_t line) {
    if (find(&m->l1d, line) < 0) {
        write_back(m, (uint32_t)enter(&m->l1d, line, 0));
        miss(m, E_l1d_read_miss, E_l1d_read_miss_user, m->shape.fill_cycles);
    }
    if (m->shape.kept && find(&m->kept_d, line) < 0) {
        m->c->n[E_writebacks_kept] += (uint64_t)enter(&m->kept_d, line, 0);
        m->c->n[E_l1d_read_miss_kept]++;
    }
}

static void store_line(struct caches *m, uint32_t line) {
    int32_t at = find(&m->l1d, line);
    if (at >= 0) {
        m->l1d.dirty[at] = 1;
    } else {
        if (m->shape.write_allocate)
            write_back(m, (uint32_t)enter(&m->l1d, line, 1));
        miss(m, E_l1d_write_miss, E_l1d_write_miss_user, m->shape.write_allocate ? m->shape.fill_cycles : m->shape.store_cycles);
    }
    if (!m->shape.kept)
        return;
    at = find(&m->kept_d, line);
    if (at >= 0) {
        m->kept_d.dirty[at] = 1;
        return;
    }
    if (m->shape.write_allocate)
        m->c->n[E_writebacks_kept] += (uint64_t)enter(&m->kept_d, line, 1);
    m->c->n[E_l1d_write_miss_kept]++;
}

void caches_data_slow(struct caches *m, uint64_t address, uint32_t size, int store) {
    uint32_t from = (uint32_t)address, end = from + size - 1, last = end >> m->l1d.shift;
    uint32_t grain = end >> m->l1d.fine;
    if (!is_ram(m->e, address))
        return;
    m->c->n[store ? E_stores : E_loads]++;
    for (uint32_t line = from >> m->l1d.shift; line <= last; line++)
        if (store)
            store_line(m, line);
        else
            load_line(m, line);
    if (m->e->privileged)
        note_all_cold(m, m->cold_d, E_cold_d, from, size);
    if (find(&m->l1d, last) >= 0 && (!m->shape.kept || find(&m->kept_d, last) >= 0))
        m->seen_d[grain % SEEN] = (struct seen){grain, m->now, store ? m->now : 0};
}

/* ---- What the guest does to them */

void caches_flush_data(struct caches *m, int how) {
    write_back(m, flush(&m->l1d, how));
    unsee_all(m);
    m->due_d = 1 + (uint32_t)how > m->due_d ? 1 + (uint32_t)how : m->due_d;
}

void caches_flush_instructions(struct caches *m) {
    empty(&m->l1i);
    unsee_all(m);
    m->due_i = 1;
}

void caches_line(struct caches *m, uint32_t address, int how, int instructions) {
    struct cache *kept = instructions ? &m->kept_i : &m->kept_d, *real = instructions ? &m->l1i : &m->l1d;
    write_back(m, (uint32_t)flush_line(real, address >> real->shift, how));
    if (m->shape.kept)
        m->c->n[E_writebacks_kept] += (uint64_t)flush_line(kept, address >> kept->shift, how);
}

/* Back in user mode: a flush that no switch followed was for something else, and the kept caches have it too. */
void caches_cross(struct caches *m, int privileged) {
    if (privileged) {
        m->entry++;
        unsee_all(m);
        return;
    }
    if (m->due_i || m->due_d)
        unsee_all(m);
    if (m->shape.kept && m->due_d)
        m->c->n[E_writebacks_kept] += flush(&m->kept_d, (int)m->due_d - 1);
    if (m->shape.kept && m->due_i)
        empty(&m->kept_i);
    m->due_i = m->due_d = 0;
}

void caches_switch(struct caches *m) {
    m->due_i = m->due_d = 0;
}

/* ---- Life */

void caches_empty(struct caches *m) {
    empty(&m->l1i);
    empty(&m->l1d);
    empty(&m->kept_i);
    empty(&m->kept_d);
    unsee_all(m);
    m->due_i = m->due_d = 0;
    m->entry++;
}

static const char *wrong(const struct cache_shape *s) {
    uint32_t sets = s->line && s->ways ? s->size / s->line / s->ways : 0;
    if (!sets || s->size > 1 << 20 || s->ways > 128 || sets * s->line * s->ways != s->size)
        return "a first-level cache has 1 to 128 ways of equal length, 1 MiB at most";
    return sets & (sets - 1) || s->line & (s->line - 1) ? "sets and bytes of a line are powers of two" : NULL;
}

static int open_cold(struct caches *m) {
    for (int i = 0; i < m->e->rams; i++) {
        size_t lines = (size_t)(m->e->ram[i].size >> COLD_SHIFT) + 1;
        m->cold_i[i] = calloc(lines, sizeof *m->cold_i[i]);
        m->cold_d[i] = calloc(lines, sizeof *m->cold_d[i]);
        if (m->cold_i[i] == NULL || m->cold_d[i] == NULL)
            return 0;
    }
    return 1;
}

static int open_all(struct caches *m) {
    const struct caches_shape *s = &m->shape;
    int made = open_cache(&m->l1i, &s->l1i, m->seen_i) && open_cache(&m->l1d, &s->l1d, m->seen_d);
    if (made && s->kept)
        made = open_cache(&m->kept_i, &s->l1i, m->seen_i) && open_cache(&m->kept_d, &s->l1d, m->seen_d);
    m->place = calloc(m->e->mask + 1, sizeof *m->place);
    return made && m->place && open_cold(m);
}

void caches_close(struct caches *m) {
    if (m == NULL)
        return;
    for (int i = 0; i < RAM_LIMIT; i++) {
        free(m->cold_i[i]);
        free(m->cold_d[i]);
    }
    close_cache(&m->l1i);
    close_cache(&m->l1d);
    close_cache(&m->kept_i);
    close_cache(&m->kept_d);
    free(m->place);
    free(m);
}

const char *vcpu_caches(struct vcpu *v, const struct caches_shape *shape) {
    struct engine *e = (struct engine *)v;
    const char *why = e->count == NULL ? "caches are counted with the rest" : e->count->caches ? "the caches are counted already" : NULL;
    struct caches *m;
    why = why ? why : wrong(&shape->l1i);
    why = why ? why : wrong(&shape->l1d);
    m = why ? NULL : calloc(1, sizeof *m);
    if (m == NULL)
        return why ? why : "no memory";
    m->e = e;
    m->c = e->count;
    m->shape = *shape;
    if (!open_all(m) || !caches_tap(m)) {
        caches_close(m);
        return "no memory";
    }
    e->count->caches = m;
    caches_empty(m);
    count_hook(e);
    return NULL;
}
