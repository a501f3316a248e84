/* What every module has: IModule, IApplet, and how an applet comes into being. See README.md for a whole module. */
#ifndef AEEAPPGEN_H
#define AEEAPPGEN_H

#include "AEEStdLib.h"

typedef struct IModule IModule;
typedef struct {
    uint32 (*AddRef)(IModule *po);
    uint32 (*Release)(IModule *po);
    int32 (*CreateInstance)(IModule *po, IShell *shell, AEECLSID cls, void **object);
    void (*FreeResources)(IModule *po);
} IModuleVtbl;
struct IModule { const IModuleVtbl *pvt; uint32 references; };

typedef struct AEEApplet AEEApplet;
typedef boolean (*AEEHANDLER)(AEEApplet *applet, AEEEvent event, uint32 word, uint32 data);
typedef struct {
    uint32 (*AddRef)(AEEApplet *po);
    uint32 (*Release)(AEEApplet *po);
    boolean (*HandleEvent)(AEEApplet *po, AEEEvent event, uint32 word, uint32 data);
} IAppletVtbl;

/* The beginning of every applet's own structure. */
struct AEEApplet {
    const IAppletVtbl *pvt;
    uint32 references;
    AEECLSID clsID;
    IShell *m_pIShell;
    IModule *m_pIModule;
    IDisplay *m_pIDisplay;
    AEEHANDLER handler;
    void (*free_data)(AEEApplet *applet);
};

/* An applet of `size` bytes, zeroed, with a display; `free_data` (or NULL) releases what it holds beside that. */
int32 AEEApplet_New(uint32 size, AEECLSID cls, IModule *module, IShell *shell, void **object, AEEHANDLER handler,
                    void (*free_data)(AEEApplet *applet));

/* The module's own: make an applet of this class. */
int32 AEEClsCreateInstance(AEECLSID cls, IShell *shell, IModule *module, void **object);

int32 AEEMod_Load(IShell *shell, const AEEHelpers *helpers, IModule **module);

/* What the loader reads; sizes come from the linker. */
struct module_header {
    char magic[4];
    uint32 version;
    const void *text_size, *data_size, *bss_size;
    int32 (*entry)(IShell *, const AEEHelpers *, IModule **);
    AEECLSID classes[8];
};
extern const char text_size[], data_size[], bss_size[];

/* Once in each module: the class ids of its applets. */
#define MODULE(...) \
    __attribute__((section(".header"), used)) const struct module_header module_header = { \
        { 'C', 'V', 'M', 'D' }, 1, text_size, data_size, bss_size, AEEMod_Load, { __VA_ARGS__ } \
    }

#endif
