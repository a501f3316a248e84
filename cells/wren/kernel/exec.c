/* exec: a new program in the place of the old one, from a static ELF executable for ARM.

   Nothing in the file is believed: every field of its headers that is used is checked first. The new memory is complete,
   arguments included, before the old one is given up: a call that fails leaves the process as it was. Segments are only noted
   as regions; their pages come with the first use (region.c). The stack is laid out as Linux does: argc, argv, envp, the
   auxiliary vector, then the texts. */
#include "kernel.h"

#include "../files/files.h"

/* ELF, after the System V ABI, chapters 4 and 5, and its ARM supplement (IHI 0044, 4.1). */
struct header {
    u8 magic[4], class, data, version, rest[9];
    u16 type, machine;
    u32 version_again, entry, segments, sections, flags;
    u16 size, segment_size, segment_count, section_size, section_count, names;
};
struct segment {
    u32 type, offset, start, physical, file_size, size, rights, alignment;
};
enum { EXECUTABLE_FILE = 2, ARM = 40, CLASS_32 = 1, LITTLE_ENDIAN_DATA = 1, SEGMENTS = 16 };
enum { LOAD = 1, DYNAMIC = 2, INTERPRETER = 3, EXECUTE = 1, WRITE = 2, READ = 4 };
enum { PSR_THUMB = 0x20, PSR_USER = 0x10, MAY_EXECUTE = 0111 };
#define ABI_5 0x05000000u

struct program {
    struct inode *inode;
    const struct header *header; /* in the file's first page, with all of its segments */
    const struct segment *segments;
};

/* ---- arguments: copied here before anything changes, one text after the other; the environment behind them */

static struct {
    char text[ARGUMENTS];
    u32 used, arguments, environment;
} words;

/* Words between spaces. */
static void add_words(const char *text, u32 *count)
{
    for (const char *end = text; *text; text = *end ? end + 1 : end) {
        for (end = text; *end && *end != ' ';)
            end++;
        if (end == text)
            continue;
        copy(words.text + words.used, text, (u32)(end - text));
        words.used += (u32)(end - text) + 1;
        words.text[words.used - 1] = 0;
        ++*count;
    }
}

/* A vector of the process. Each text is paid for with its pointer too, so that the stack stays as small as promised. */
static int gather(u32 vector, u32 *count)
{
    for (u32 pointer; vector; vector += 4, ++*count) {
        int size = copy_in(&pointer, vector, 4);
        if (size || !pointer)
            return size;
        if (words.used + (words.arguments + words.environment) * 4 > ARGUMENTS - 64)
            return -E2BIG;
        size = copy_string(words.text + words.used, pointer, ARGUMENTS - words.used);
        if (size < 0)
            return size == -ENAMETOOLONG ? -E2BIG : size;
        words.used += (u32)size + 1;
    }
    return 0;
}

/* ---- the file */

static int is_ours(const struct header *header)
{
    return header->magic[0] == 0x7f && header->magic[1] == 'E' && header->magic[2] == 'L' && header->magic[3] == 'F' &&
           header->class == CLASS_32 && header->data == LITTLE_ENDIAN_DATA && header->version == 1 &&
           header->version_again == 1 && header->type == EXECUTABLE_FILE && header->machine == ARM &&
           (header->flags & 0xff000000) == ABI_5 && header->segment_size == sizeof(struct segment) &&
           header->segment_count && header->segment_count <= SEGMENTS;
}

/* Inside of the file and of a process's memory, page by page, behind the segments before it. */
static int is_loadable(const struct segment *segment, u32 file_size, u32 lowest)
{
    u32 end = segment->start + segment->size;
    int in_file = segment->offset <= file_size && segment->file_size <= file_size - segment->offset;
    int in_memory = segment->start >= lowest && end >= segment->start && end <= MAPPINGS;
    return in_file && in_memory && segment->file_size <= segment->size && segment->start % PAGE == segment->offset % PAGE;
}

static int read_headers(struct program *program)
{
    u32 size = PAGE, lowest = USER_BASE, entry_found = 0;
    const struct header *header = program->header = inode_bytes(program->inode, 0, &size);
    if (size < sizeof *header || !is_ours(header) || header->segments > size || header->segments % 4 ||
        header->segment_count * sizeof(struct segment) > size - header->segments)
        return -ENOEXEC;
    program->segments = (const void *)((const u8 *)header + header->segments);
    for (u32 i = 0; i < header->segment_count; i++) {
        const struct segment *segment = &program->segments[i];
        if (segment->type == INTERPRETER || segment->type == DYNAMIC)
            return -ENOEXEC; /* there is nobody to link it */
        if (segment->type != LOAD || !segment->size)
            continue;
        if (!is_loadable(segment, program->inode->size, lowest))
            return -ENOEXEC;
        lowest = rounded(segment->start + segment->size);
        entry_found |= segment->rights & EXECUTE && header->entry - segment->start < segment->size;
    }
    return entry_found && (header->entry & 1 || !(header->entry & 3)) ? 0 : -ENOEXEC;
}

/* ---- memory: from here on `current` has the new one */

/* What lies between the file's part and the end of its last page has to be empty, though the file goes on there. */
static int clear_tail(u32 start, u32 end)
{
    u32 page = start < end ? region_page(current->memory, start, WRITABLE) : 0;
    if (page)
        clear((u8 *)at_physical(page) + start % PAGE, end - start);
    return start < end && !page ? -ENOMEM : 0;
}

static int load(const struct program *program, const struct segment *segment)
{
    struct memory *memory = current->memory;
    u32 first = segment->start & ~(u32)(PAGE - 1), file_end = segment->start + segment->file_size;
    u32 middle = segment->file_size ? rounded(file_end) : first, end = rounded(segment->start + segment->size);
    u32 rights = (segment->rights & READ ? READABLE : 0) | (segment->rights & WRITE ? WRITABLE : 0) |
                 (segment->rights & EXECUTE ? EXECUTABLE : 0);
    u32 offset = segment->offset & ~(u32)(PAGE - 1);
    int error = 0;
    if (middle > first)
        error = region_add(memory, (struct region){first, middle, rights, 0, offset, program->inode, 0});
    if (!error && end > middle)
        error = region_add(memory, (struct region){middle, end, rights, 0, 0, 0, 0});
    if (!error && rights & WRITABLE && segment->size > segment->file_size)
        error = clear_tail(file_end, middle);
    if (end > memory->brk_start)
        memory->brk_start = memory->brk_end = end;
    return error;
}

/* ---- the stack */

enum { NULL_ENTRY, PAGESZ = 6, ENTRY = 9, HWCAP = 16 }; /* of the auxiliary vector, which is short: nobody needs more */
enum { HALF_WORDS = 2, THUMB_CODE = 4, FAST_MULTIPLY = 16, ENHANCED_DSP = 128 }; /* what every core of ours has: ARMv5TE */

struct stack {
    u32 at;
    int error;
};

static u32 push(struct stack *stack, const void *data, u32 size)
{
    stack->at -= size;
    if (!stack->error)
        stack->error = copy_out(stack->at, data, size);
    return stack->at;
}

/* The addresses of the texts, and a 0 behind each of the two vectors: pushed from the last to the first. */
static void push_vectors(struct stack *stack, u32 texts)
{
    static const u32 end;
    u32 at = words.used;
    push(stack, &end, sizeof end);
    for (u32 i = words.arguments + words.environment;; i--) {
        if (i == words.arguments)
            push(stack, &end, sizeof end);
        if (!i)
            return;
        for (at--; at && words.text[at - 1];)
            at--;
        push(stack, &(u32){texts + at}, sizeof texts);
    }
}

static u32 build_stack(u32 entry, int *error)
{
    struct stack stack = {USER_END - 8, 0};
    u32 texts = push(&stack, words.text, words.used), vectors = (1 + words.arguments + 1 + words.environment + 1) * 4;
    u32 auxiliary[][2] = {
        {HWCAP, HALF_WORDS | THUMB_CODE | FAST_MULTIPLY | ENHANCED_DSP}, {PAGESZ, PAGE}, {ENTRY, entry}, {NULL_ENTRY, 0}};
    stack.at = ((stack.at - sizeof auxiliary - vectors) & ~15u) + sizeof auxiliary + vectors;
    push(&stack, auxiliary, sizeof auxiliary);
    push_vectors(&stack, texts);
    push(&stack, &words.arguments, sizeof words.arguments);
    *error = stack.error ? -ENOMEM : 0;
    return stack.at;
}

/* ---- all of it */

static int build(const struct program *program, u32 *sp)
{
    int error = 0;
    for (u32 i = 0; i < program->header->segment_count && !error; i++)
        if (program->segments[i].type == LOAD && program->segments[i].size)
            error = load(program, &program->segments[i]);
    u32 rights = READABLE | WRITABLE | EXECUTABLE; /* of the stack: where a signal's return code may lie */
    if (!error)
        error = region_add(current->memory, (struct region){USER_END - STACK_LIMIT, USER_END, rights, 0, 0, 0, 0});
    if (!error)
        *sp = build_stack(program->header->entry, &error);
    return error;
}

static int replace(const char *path)
{
    struct program program = {.inode = 0};
    struct memory *old = current->memory;
    u32 sp, entry;
    int error = path_find(path, &program.inode);
    if (!error && (kind_of(program.inode) != REGULAR || !(program.inode->mode & MAY_EXECUTE)))
        error = -EACCES;
    if (!error)
        error = read_headers(&program);
    if (error)
        return error;
    current->memory = memory_create();
    error = current->memory ? build(&program, &sp) : -ENOMEM;
    struct memory *useless = error ? current->memory : old;
    if (error)
        current->memory = old;
    if (useless)
        memory_release(useless);
    if (error)
        return error;
    entry = program.header->entry;
    current->registers = (struct registers){.sp = sp, .pc = entry & ~1u, .psr = PSR_USER | (entry & 1 ? PSR_THUMB : 0)};
    signal_exec(current);
    return 0;
}

int sys_execve(ARGS3(path, arguments, environment))
{
    char name[PATH];
    int size = copy_string(name, path, sizeof name);
    if (size < 0)
        return size;
    words.used = words.arguments = words.environment = 0;
    int error = gather(arguments, &words.arguments);
    if (!error)
        error = gather(environment, &words.environment);
    return error ? error : replace(name);
}

/* "init=/bin/sh -c ls" is a path and its arguments; without it, /init with whatever words there are. What comes before it is not
   meant for the program. */
int process_exec_first(const char *text)
{
    static const char option[] = "init=";
    const char *found = 0;
    for (const char *at = text; *at; at++) {
        u32 i = 0;
        while (option[i] && at[i] == option[i])
            i++;
        if (!option[i] && (at == text || at[-1] == ' '))
            found = at + i;
    }
    if (!found)
        add_words("/init", &words.arguments);
    add_words(found ? found : text, &words.arguments);
    add_words("HOME=/ PATH=/bin TERM=linux", &words.environment);
    int error = replace(words.text);
    if (error)
        print("wren: %s: error %d\n", words.text, -error);
    return error;
}
