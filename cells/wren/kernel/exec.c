/* exec: a new program in the place of the old one, from a static ELF executable for ARM.

   Nothing in the file is believed: every field of its headers that is used is checked first. The new memory is complete,
   arguments included, before the old one is given up: a call that fails leaves the process as it was. Segments are only noted
   in its tables, and their pages come with the first use (paging.c). The stack is laid out as Linux does: argc, argv, envp, the
   auxiliary vector, and the texts at its end. */
#include "kernel.h"

#include "../files/files.h"

/* ELF, after the System V ABI, chapters 4 and 5, and its ARM supplement (IHI 0044, 4.1). */
struct header {
    u8 magic[16];
    u16 type, machine;
    u32 version, entry, segments, sections, flags;
    u16 size, segment_size, segment_count, section_size, section_count, names;
};
struct segment {
    u32 type, offset, start, physical, file_size, size, rights, alignment;
};
enum { EXECUTABLE_FILE = 2, ARM = 40, SEGMENTS = 16 };
enum { LOAD = 1, DYNAMIC = 2, INTERPRETER = 3, EXECUTE = 1, WRITE = 2, READ = 4, MAY_EXECUTE = 0111 };
#define ABI_5 0x05000000u

/* ---- the new stack is gathered here before anything changes. Its texts have a place of their own at the end of all stacks, so
   that pointers to them are known at once */

enum { TEXTS = 16 * 1024, WORDS = 512 };
#define TEXTS_AT (USER_END - TEXTS)
static struct {
    char texts[TEXTS];
    u32 words[WORDS]; /* argc, argv, 0, envp, 0, auxiliary vector */
    u32 used, count;  /* of both */
} stack;

/* Words of the kernel's own, with spaces between. */
static void add_texts(const char *text)
{
    while (*text && stack.count < WORDS - 16) {
        if (*text == ' ') {
            text++;
            continue;
        }
        stack.words[stack.count++] = TEXTS_AT + stack.used;
        while (*text && *text != ' ')
            stack.texts[stack.used++] = *text++;
        stack.texts[stack.used++] = 0;
    }
}

/* A vector of the process; without one, it is empty. */
static int gather(u32 vector)
{
    for (u32 pointer = 0;; vector += 4) {
        int size = vector ? copy_in(&pointer, vector, 4) : 0;
        if (size)
            return size;
        if (stack.count > WORDS - 16)
            return -E2BIG;
        stack.words[stack.count++] = pointer ? TEXTS_AT + stack.used : 0;
        if (!pointer)
            return 0;
        size = copy_string(stack.texts + stack.used, pointer, TEXTS - stack.used);
        if (size < 0)
            return size == -ENAMETOOLONG ? -E2BIG : size;
        stack.used += (u32)size + 1;
    }
}

/* It ends with the auxiliary vector, which is short: what every core of ours has (ARMv5TE), and the size of a page. */
static int write_stack(u32 *sp)
{
    enum { NOTHING, PAGE_SIZE = 6, HARDWARE = 16 };
    enum { HALF_WORDS = 2, THUMB_CODE = 4, FAST_MULTIPLY = 16, ENHANCED_DSP = 128 };
    static const u32 auxiliary[] = {
        HARDWARE, HALF_WORDS | THUMB_CODE | FAST_MULTIPLY | ENHANCED_DSP, PAGE_SIZE, PAGE, NOTHING, 0};
    copy(stack.words + stack.count, auxiliary, sizeof auxiliary);
    u32 size = stack.count * 4 + sizeof auxiliary;
    *sp = (TEXTS_AT - size) & ~7u;
    return copy_out(TEXTS_AT, stack.texts, stack.used) || copy_out(*sp, stack.words, size) ? -ENOMEM : 0;
}

/* ---- the file */

static int is_ours(const struct header *header)
{
    return equal(header->magic, "\177ELF\1\1\1", 7) /* 32 bits, little-endian, version 1 */ && header->version == 1 &&
           header->type == EXECUTABLE_FILE && header->machine == ARM && (header->flags & 0xff000000) == ABI_5 &&
           header->segment_size == sizeof(struct segment) && header->segment_count && header->segment_count <= SEGMENTS;
}

/* Inside of the file and of a process's memory, page by page, behind the segments before it. */
static int is_loadable(const struct segment *segment, u32 file_size, u32 lowest)
{
    u32 end = segment->start + segment->size;
    int in_file = segment->offset <= file_size && segment->file_size <= file_size - segment->offset;
    int in_memory = segment->start >= lowest && end >= segment->start && end <= MAPPINGS;
    return in_file && in_memory && segment->file_size <= segment->size && segment->start % PAGE == segment->offset % PAGE;
}

/* A file without the zeros of its memory is whole pages: what stands behind it in the last one is the file's, too. */
static int load(struct inode *inode, const struct segment *segment)
{
    struct memory *memory = current->memory;
    u32 lead = segment->start % PAGE, end = rounded(segment->start + segment->size), size = lead + segment->file_size;
    u32 rights = (segment->rights & READ ? READABLE : 0) | (segment->rights & WRITE ? WRITABLE : 0) |
                 (segment->rights & EXECUTE ? EXECUTABLE : 0);
    if (segment->file_size == segment->size)
        size = rounded(size);
    memory->brk_start = memory->brk_end = end;
    return range_add_file(memory, segment->start - lead, end, rights, inode, segment->offset - lead, size);
}

/* The headers lie in the file's first page, or it is no program. There is nobody to link one that is not linked. */
static int load_all(struct inode *inode, u32 *entry)
{
    u32 size = smaller(inode->size, PAGE), page = inode_page(inode, 0), lowest = USER_BASE, entry_found = 0;
    int error = 0;
    if (!page)
        return -ENOMEM;
    const struct header *header = at_physical(page);
    if (size < sizeof *header || !is_ours(header) || header->segments > size || header->segments % 4 ||
        header->segment_count * sizeof(struct segment) > size - header->segments)
        return -ENOEXEC;
    const struct segment *segment = (const void *)((const u8 *)header + header->segments);
    const struct segment *behind = segment + header->segment_count;
    *entry = header->entry;
    for (; segment < behind && !error; segment++) {
        if (segment->type == INTERPRETER || segment->type == DYNAMIC)
            return -ENOEXEC;
        if (segment->type != LOAD || !segment->size)
            continue;
        if (!is_loadable(segment, inode->size, lowest))
            return -ENOEXEC;
        error = load(inode, segment);
        lowest = rounded(segment->start + segment->size);
        entry_found |= segment->rights & EXECUTE && *entry - segment->start < segment->size;
    }
    return error ? error : entry_found && (*entry & 1 || !(*entry & 3)) ? 0 : -ENOEXEC;
}

/* ---- all of it */

/* `current` has its new memory, which is empty. */
static int build(struct inode *inode, struct registers *registers)
{
    u32 entry, sp;
    int error = load_all(inode, &entry);
    if (!error)
        error = range_add(current->memory, USER_END - STACK_LIMIT, USER_END, READABLE | WRITABLE);
    if (!error)
        error = write_stack(&sp);
    if (!error)
        *registers = (struct registers){.sp = sp, .pc = entry & ~1u, .psr = PSR_USER | (entry & 1 ? PSR_THUMB : 0)};
    return error;
}

static int replace(const char *path)
{
    struct name found;
    int error = name_find(path, &found);
    if (error || !found.inode)
        return error ? error : -ENOENT;
    if (kind_of(found.inode) != REGULAR || !(found.inode->mode & MAY_EXECUTE))
        return -EACCES;
    struct memory *old = current->memory, *new = memory_create();
    if (!new)
        return -ENOMEM;
    current->memory = new;
    error = build(found.inode, &current->registers);
    current->memory = error ? old : new;
    if (!error)
        signal_exec();
    if (error || old) /* the first process had none */
        memory_release(error ? new : old);
    return error;
}

int sys_execve(ARGS3(path, arguments, environment))
{
    char name[PATH];
    int size = copy_string(name, path, sizeof name);
    if (size < 0)
        return size;
    stack.used = 0, stack.count = 1;
    int error = gather(arguments);
    stack.words[0] = stack.count - 2;
    if (!error)
        error = gather(environment);
    return error ? error : replace(name);
}

/* "init=/bin/sh -c ls" is a path and its arguments; without it, /init with whatever words there are. */
int process_exec_first(const char *text)
{
    int is_named = equal(text, "init=", 5);
    stack.used = 0, stack.count = 1;
    add_texts(is_named ? "" : "/init");
    add_texts(is_named ? text + 5 : text);
    stack.words[0] = stack.count++ - 1; /* and a 0 behind them */
    add_texts("HOME=/ PATH=/bin TERM=linux");
    stack.count++;
    int error = replace(stack.texts);
    if (error)
        complain("cannot run", stack.texts, (u32)-error);
    return error;
}
