/* Linked into every module: its IModule, the life of its applets, and the few functions of a library that there are. */
#include "AEEAppGen.h"

const AEEHelpers *aee_helpers;

static uint32 module_add_ref(IModule *po)
{
    return ++po->references;
}

static uint32 module_release(IModule *po)
{
    uint32 left = --po->references;
    if (!left)
        FREE(po);
    return left;
}

static int32 module_create(IModule *po, IShell *shell, AEECLSID cls, void **object)
{
    *object = NULL;
    return AEEClsCreateInstance(cls, shell, po, object);
}

static void module_free_resources(IModule *po)
{
    (void)po;
}

static const IModuleVtbl module_vtable = { module_add_ref, module_release, module_create, module_free_resources };

int32 AEEMod_Load(IShell *shell, const AEEHelpers *helpers, IModule **module)
{
    (void)shell;
    aee_helpers = helpers;
    IModule *made = MALLOC(sizeof *made);
    if (!made)
        return ENOMEMORY;
    made->pvt = &module_vtable;
    made->references = 1;
    *module = made;
    return SUCCESS;
}

static uint32 applet_add_ref(AEEApplet *po)
{
    return ++po->references;
}

static uint32 applet_release(AEEApplet *po)
{
    uint32 left = --po->references;
    if (left)
        return left;
    if (po->free_data)
        po->free_data(po);
    if (po->m_pIDisplay)
        IDISPLAY_Release(po->m_pIDisplay);
    ISHELL_Release(po->m_pIShell);
    po->m_pIModule->pvt->Release(po->m_pIModule);
    FREE(po);
    return 0;
}

static boolean applet_handle(AEEApplet *po, AEEEvent event, uint32 word, uint32 data)
{
    return po->handler(po, event, word, data);
}

static const IAppletVtbl applet_vtable = { applet_add_ref, applet_release, applet_handle };

int32 AEEApplet_New(uint32 size, AEECLSID cls, IModule *module, IShell *shell, void **object, AEEHANDLER handler,
                    void (*free_data)(AEEApplet *applet))
{
    AEEApplet *made = MALLOC(size);
    if (!made)
        return ENOMEMORY;
    made->pvt = &applet_vtable;
    made->references = 1;
    made->clsID = cls;
    made->handler = handler;
    made->free_data = free_data;
    made->m_pIShell = shell;
    ISHELL_AddRef(shell);
    made->m_pIModule = module;
    module->pvt->AddRef(module);
    int32 code = ISHELL_CreateInstance(shell, AEECLSID_DISPLAY, (void **)&made->m_pIDisplay);
    if (code != SUCCESS) {
        made->m_pIDisplay = NULL;
        applet_release(made);
        return code;
    }
    *object = made;
    return SUCCESS;
}

void *memcpy(void *to, const void *from, uint32 size)
{
    byte *at = to;
    const byte *source = from;
    while (size--)
        *at++ = *source++;
    return to;
}

void *memset(void *to, int value, uint32 size)
{
    byte *at = to;
    while (size--)
        *at++ = (byte)value;
    return to;
}

uint32 STRLEN(const char *text)
{
    uint32 length = 0;
    while (text[length])
        length++;
    return length;
}

AECHAR *STRTOWSTR(const char *text, AECHAR *to, uint32 room)
{
    uint32 at = 0;
    for (; text[at] && at + 1 < room; at++)
        to[at] = (byte)text[at];
    to[at] = 0;
    return to;
}

char *WRITENUMBER(char *to, int32 number)
{
    char digits[12];
    uint32 left = number < 0 ? 0u - (uint32)number : (uint32)number;
    int count = 0;
    do {
        uint32 tenth = 0, rest = left; /* no division: it would call a library */
        for (int bit = 28; bit >= 0; bit--)
            if (rest >= 10u << bit && 10u << bit >> bit == 10u) {
                rest -= 10u << bit;
                tenth |= 1u << bit;
            }
        digits[count++] = (char)('0' + rest);
        left = tenth;
    } while (left);
    if (number < 0)
        *to++ = '-';
    while (count)
        *to++ = digits[--count];
    return to;
}
