/* exec: a new program in the place of the old one, from a static ELF executable for ARM, or a script that names one.

   Nothing in the file is believed: every field of its headers that is used is checked first. The new memory is complete,
   arguments included, before the old one is given up: a call that fails leaves the process as it was. Segments are only noted
   as regions; their pages come with the first use (region.c). The stack is laid out as Linux does: argc, argv, envp, the
   auxiliary vector, then the texts. */
#include "kernel.h"

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
enum { LOAD = 1, DYNAMIC = 2, INTERPRETER = 3 };
enum { PSR_THUMB = 0x20, PSR_USER = 0x10, MAY_EXECUTE = 0111 };
#define ABI_5 0x05000000u

struct program {
    struct inode *inode;
    struct memory *memory;
    struct header header;
    struct segment segments[SEGMENTS];
    u32 headers_at; /* where the process sees its segment headers */
};

/* ---- arguments: copied here before anything changes, one text after the other */

static struct {
    char text[ARGUMENTS];
    u32 used, arguments, environment;
} words;

static int add_word(u32 from)
{
    int size = copy_string(words.text + words.used, from, ARGUMENTS - words.used);
    if (size < 0)
        return size == -ENAMETOOLONG ? -E2BIG : size;
    words.used += (u32)size + 1;
    return 0;
}

static int add_own(const char *word)
{
    u32 size = length(word) + 1;
    if (size > ARGUMENTS - words.used)
        return -E2BIG;
    copy(words.text + words.used, word, size);
    words.used += size, words.arguments++;
    return 0;
}

/* A vector of the process, without its first ones if something else takes their place; each text is paid for with its pointer too,
   so that the stack stays as small as promised. */
static int gather(u32 vector, u32 without, u32 *count)
{
    for (u32 pointer, i = 0; vector; vector += 4, i++) {
        int error = copy_in(&pointer, vector, 4);
        if (error || !pointer)
            return error;
        if (i < without)
            continue;
        if (words.used + (words.arguments + words.environment) * 4 > ARGUMENTS - 64)
            return -E2BIG;
        error = add_word(pointer);
        if (error)
            return error;
        ++*count;
    }
    return 0;
}

/* ---- which file: a script begins with "#!", an interpreter's path, and perhaps one argument, as Linux has it */

enum { LINE = 256, DEPTH = 5 }; /* what is looked at; how many scripts may interpret each other */

static int is_space(char c) { return c == ' ' || c == '\t'; }

static char *skip_spaces(char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

/* The two words of a first line; the argument is the rest of it, or 0. */
static int split_line(char *line, const char **interpreter, const char **argument)
{
    char *at = skip_spaces(line + 2), *end = at;
    *interpreter = at;
    while (*end && *end != '\n')
        end++;
    if (end == line + LINE)
        return -ENOEXEC; /* perhaps that is not all of it */
    while (end > at && is_space(end[-1]))
        end--;
    *end = 0;
    while (*at && !is_space(*at))
        at++;
    *argument = *at ? skip_spaces(at + 1) : 0;
    *at = 0;
    return **interpreter ? 0 : -ENOEXEC;
}

/* The ELF file to be loaded, held, or 0. Of a script: its interpreter, whose words come first; then its argument and its path. */
static int find_file(const char *path, u32 depth, struct inode **inode)
{
    char line[LINE + 1] = {0};
    const char *interpreter, *argument;
    int error = 0;
    *inode = path_find(path, &error);
    if (!*inode)
        return error;
    if (kind_of(*inode) != REGULAR || !((*inode)->mode & MAY_EXECUTE))
        error = -EACCES;
    else if (inode_read(*inode, 0, line, LINE) < 2 || line[0] != '#' || line[1] != '!')
        return depth ? add_own(path) : 0;
    if (!error)
        error = depth < DEPTH ? split_line(line, &interpreter, &argument) : -ELOOP;
    inode_release(*inode);
    *inode = 0;
    if (!error)
        error = find_file(interpreter, depth + 1, inode);
    if (!error && argument)
        error = add_own(argument);
    return error ? error : add_own(path);
}

/* ---- the file */

static int is_ours(const struct header *header)
{
    static const u8 magic[4] = {0x7f, 'E', 'L', 'F'};
    for (u32 i = 0; i < sizeof magic; i++)
        if (header->magic[i] != magic[i])
            return 0;
    return header->class == CLASS_32 && header->data == LITTLE_ENDIAN_DATA && header->version == 1 &&
           header->version_again == 1 && header->type == EXECUTABLE_FILE && header->machine == ARM &&
           (header->flags & 0xff000000) == ABI_5 &&
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

static int read_headers(struct program *program)
{
    struct header *header = &program->header;
    u32 file_size = program->inode->size, size, lowest = USER_BASE, entry_found = 0;
    if (inode_read(program->inode, 0, header, sizeof *header) != sizeof *header || !is_ours(header))
        return -ENOEXEC;
    size = header->segment_count * (u32)sizeof(struct segment);
    if (header->segments > file_size || size > file_size - header->segments)
        return -ENOEXEC;
    if (inode_read(program->inode, header->segments, program->segments, size) != (int)size)
        return -ENOEXEC;
    for (u32 i = 0; i < header->segment_count; i++) {
        const struct segment *segment = &program->segments[i];
        if (segment->type == INTERPRETER || segment->type == DYNAMIC)
            return -ENOEXEC; /* there is nobody to link it */
        if (segment->type != LOAD || !segment->size)
            continue;
        if (!is_loadable(segment, file_size, lowest))
            return -ENOEXEC;
        lowest = (segment->start + segment->size + PAGE - 1) & ~(u32)(PAGE - 1);
        entry_found |= segment->rights & 1 && header->entry - segment->start < segment->size;
        if (header->segments - segment->offset < segment->file_size)
            program->headers_at = segment->start + header->segments - segment->offset;
    }
    int aligned = header->entry & 1 || !(header->entry & 3);
    return entry_found && aligned ? 0 : -ENOEXEC;
}

/* ---- memory */

/* Rights in ELF are 4 read, 2 write, 1 execute. */
static u32 rights_of(const struct segment *segment)
{
    u32 read = segment->rights & 4 ? READABLE : 0, write = segment->rights & 2 ? WRITABLE : 0;
    return read | write | (segment->rights & 1 ? EXECUTABLE : 0);
}

/* What lies between the file's part and the end of its last page has to be empty, though the file goes on there. */
static int clear_tail(struct memory *memory, u32 start, u32 end)
{
    if (start >= end)
        return 0;
    u32 page = region_page(memory, start, WRITABLE);
    if (page)
        clear((u8 *)at_physical(page) + start % PAGE, end - start);
    return page ? 0 : -ENOMEM;
}

static int load(struct program *program, const struct segment *segment)
{
    u32 first = segment->start & ~(u32)(PAGE - 1), file_end = segment->start + segment->file_size;
    u32 middle = segment->file_size ? rounded(file_end) : first, end = rounded(segment->start + segment->size);
    u32 rights = rights_of(segment);
    int error = 0;
    if (middle > first)
        error = region_add(program->memory, first, middle, rights, program->inode, segment->offset & ~(u32)(PAGE - 1), 0);
    if (!error && end > middle)
        error = region_add(program->memory, middle, end, rights, 0, 0, 0);
    if (!error && rights & WRITABLE && segment->size > segment->file_size)
        error = clear_tail(program->memory, file_end, middle);
    if (end > program->memory->brk_start)
        program->memory->brk_start = program->memory->brk_end = end;
    return error;
}

/* ---- the stack */

enum { NULL_ENTRY, PHDR = 3, PHENT = 4, PHNUM = 5, PAGESZ = 6, BASE = 7, FLAGS = 8, ENTRY = 9, UID = 11, EUID = 12, GID = 13,
       EGID = 14, PLATFORM = 15, HWCAP = 16, CLKTCK = 17, SECURE = 23, RANDOM = 25 };
enum { HALF_WORDS = 2, THUMB_CODE = 4, FAST_MULTIPLY = 16, ENHANCED_DSP = 128 }; /* what every core of ours has: ARMv5TE */

struct stack {
    struct memory *memory;
    u32 at;
    int error;
};

static u32 push(struct stack *stack, const void *data, u32 size)
{
    stack->at -= size;
    if (!stack->error)
        stack->error = memory_write(stack->memory, stack->at, data, size);
    return stack->at;
}

/* Addresses of `count` texts that follow each other, and a 0: written upwards. Where the next text begins. */
static const char *write_vector(struct stack *stack, u32 *at, const char *text, u32 *address, u32 count)
{
    static const u32 end;
    for (; count && !stack->error; count--, *at += 4) {
        u32 size = length(text) + 1;
        stack->error = memory_write(stack->memory, *at, address, 4);
        text += size;
        *address += size;
    }
    if (!stack->error)
        stack->error = memory_write(stack->memory, *at, &end, 4);
    *at += 4;
    return text;
}

static int build_stack(const struct program *program, u32 *sp)
{
    static const char platform[] = "v5l", random[16] = "wren: not random";
    const struct header *header = &program->header;
    struct stack stack = {program->memory, USER_END - 8, 0};
    u32 texts = push(&stack, words.text, words.used);
    u32 platform_at = push(&stack, platform, sizeof platform), random_at = push(&stack, random, sizeof random);
    u32 auxiliary[][2] = {
        {HWCAP, HALF_WORDS | THUMB_CODE | FAST_MULTIPLY | ENHANCED_DSP}, {PAGESZ, PAGE}, {CLKTCK, 100},
        {PHDR, program->headers_at}, {PHENT, header->segment_size}, {PHNUM, header->segment_count}, {BASE, 0}, {FLAGS, 0},
        {ENTRY, header->entry}, {UID, 0}, {EUID, 0}, {GID, 0}, {EGID, 0}, {SECURE, 0}, {RANDOM, random_at},
        {PLATFORM, platform_at}, {NULL_ENTRY, 0},
    };
    u32 vectors = (1 + words.arguments + 1 + words.environment + 1) * 4;
    stack.at = ((stack.at - sizeof auxiliary - vectors) & ~15u) + sizeof auxiliary + vectors;
    push(&stack, auxiliary, sizeof auxiliary);
    *sp = stack.at -= vectors;
    u32 at = *sp + 4;
    if (!stack.error)
        stack.error = memory_write(stack.memory, *sp, &words.arguments, 4);
    const char *rest = write_vector(&stack, &at, words.text, &texts, words.arguments);
    write_vector(&stack, &at, rest, &texts, words.environment);
    return stack.error ? -ENOMEM : 0;
}

/* ---- all of it */

static int build(struct program *program, u32 *sp)
{
    int error = read_headers(program);
    if (error)
        return error;
    program->memory = memory_create();
    if (!program->memory)
        return -ENOMEM;
    for (u32 i = 0; i < program->header.segment_count && !error; i++)
        if (program->segments[i].type == LOAD && program->segments[i].size)
            error = load(program, &program->segments[i]);
    u32 rights = READABLE | WRITABLE | EXECUTABLE; /* of the stack: where a signal's return code may lie */
    if (!error)
        error = region_add(program->memory, USER_END - STACK_LIMIT, USER_END, rights, 0, 0, 0);
    return error ? -ENOMEM : build_stack(program, sp);
}

static void name_after(struct process *process, const char *path)
{
    u32 i = 0;
    for (const char *at = path; *at; at++)
        if (*at == '/')
            path = at + 1;
    for (; path[i] && i < sizeof process->name - 1; i++)
        process->name[i] = path[i];
    process->name[i] = 0;
}

/* From here on nothing can fail. A parent that waits in vfork may look whether we are still in its memory. */
static void become(const struct program *program, const char *path, u32 sp)
{
    struct memory *old = current->memory;
    u32 entry = program->header.entry;
    current->memory = program->memory;
    if (old)
        memory_release(old);
    clear(&current->registers, sizeof current->registers);
    current->registers.sp = sp;
    current->registers.pc = entry & ~1u;
    current->registers.psr = PSR_USER | (entry & 1 ? PSR_THUMB : 0);
    current->has_registers = 1;
    signal_exec(current);
    files_exec(current);
    name_after(current, path);
    if (current->parent)
        wake(&current->parent->children);
}

static int replace(struct program *program, const char *path)
{
    u32 sp;
    int error = build(program, &sp);
    if (!error)
        become(program, path, sp);
    else if (program->memory)
        memory_release(program->memory);
    return error;
}

int process_exec(const char *path, u32 arguments, u32 environment)
{
    struct program program = {0};
    words.used = words.arguments = words.environment = 0;
    int error = find_file(path, 0, &program.inode);
    if (!error)
        error = gather(arguments, words.arguments != 0, &words.arguments); /* a script's path stands for its name */
    if (!error)
        error = gather(environment, 0, &words.environment);
    if (!error)
        error = replace(&program, path);
    if (program.inode)
        inode_release(program.inode); /* its regions hold it */
    return error;
}

int process_exec_first(const char *path, const char *const *arguments)
{
    static const char *const environment[] = {"HOME=/", "PATH=/bin", "TERM=linux"};
    struct program program = {0};
    words.used = words.arguments = words.environment = 0;
    int error = find_file(path, 0, &program.inode);
    for (const char *const *at = arguments + (words.arguments != 0); !error && *at; at++)
        error = add_own(*at);
    u32 count = words.arguments;
    for (u32 i = 0; !error && i < sizeof environment / sizeof *environment; i++)
        error = add_own(environment[i]);
    words.environment = words.arguments - count;
    words.arguments = count;
    if (!error)
        error = replace(&program, path);
    if (program.inode)
        inode_release(program.inode);
    return error;
}
