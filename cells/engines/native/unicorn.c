/* Unicorn's functions, found in the library that the `unicorn` package has loaded: nothing is linked at build time. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct unicorn unicorn;
static void *library;

#define ENTRY(field) {"uc_" #field, offsetof(struct unicorn, field)}
static const struct {
    const char *name;
    size_t at;
} entries[] = {
    ENTRY(open), ENTRY(close), ENTRY(ctl), ENTRY(query), ENTRY(strerror), ENTRY(reg_read), ENTRY(reg_write),
    ENTRY(emu_start), ENTRY(emu_stop), ENTRY(hook_add), ENTRY(hook_del), ENTRY(mem_map_ptr),
    ENTRY(mmio_map), ENTRY(mem_unmap), ENTRY(mem_protect), ENTRY(vmem_translate), ENTRY(context_size),
    ENTRY(context_alloc), ENTRY(context_save), ENTRY(context_restore), ENTRY(context_free), ENTRY(version),
};

/* Once for the process: vCPUs of other threads may run already. */
const char *native_load(const char *path) {
    static char missing[64];
    void *opened = library ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library)
        return NULL;
    if (opened == NULL)
        return dlerror();
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        void *function = dlsym(opened, entries[i].name);
        if (function == NULL) {
            snprintf(missing, sizeof missing, "%s is not in the library", entries[i].name);
            return missing;
        }
        memcpy((char *)&unicorn + entries[i].at, &function, sizeof function);
    }
    /* With this, asking for a register that the CPU model lacks is an error code; without it, a line on stderr. */
    setenv("UC_IGNORE_REG_BREAK", "1", 0);
    library = opened;
    return NULL;
}

void *unicorn_symbol(const char *name) {
    return library ? dlsym(library, name) : NULL;
}

const char *native_error(int code) {
    return unicorn.strerror ? unicorn.strerror(code) : "Unicorn is not loaded";
}
