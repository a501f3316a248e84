/* rogue: an applet that does wrong when a key says so, for tests and for whoever wants to see what becomes of it. Key "a" is the first
 * of the crimes below. EVT_USER calls an entry of the gate (word) with one wild pointer (data) for every argument. */
#include "sdk/AEEAppGen.h"

#define AEECLSID_ROGUE 0x01CE0004
#define AEECLSID_ACCOMPLICE 0x01CE0005
#define GATE 0xFFFF0000u
#define HELD 12

typedef struct {
    AEEApplet a;
    void *held[HELD];
} Rogue;

typedef int32 (*ANY)(void *, uint32, uint32, uint32, uint32, uint32, uint32, uint32, uint32);

static uint32 sum;

static void write_null(Rogue *me)
{
    (void)me;
    *(volatile uint32 *)4 = 1;
}

static void wild_vtable(Rogue *me)
{
    me->a.pvt = (const IAppletVtbl *)0xDEADBEE0; /* the next event finds it */
}

static void wild_method(Rogue *me)
{
    static IAppletVtbl vtable;
    vtable = *me->a.pvt;
    vtable.HandleEvent = (boolean(*)(AEEApplet *, AEEEvent, uint32, uint32))0x00000100;
    me->a.pvt = &vtable;
}

static void null_this(Rogue *me)
{
    me->a.m_pIDisplay->pvt->Update(NULL);
}

static void after_release(Rogue *me)
{
    IGraphics *pen = NULL;
    ISHELL_CreateInstance(me->a.m_pIShell, AEECLSID_GRAPHICS, (void **)&pen);
    const IGraphicsVtbl *vtable = pen->pvt;
    IGRAPHICS_Release(pen);
    vtable->ClearViewport(pen);
}

static __attribute__((noinline)) uint32 deeper(uint32 depth)
{
    volatile uint32 here[16] = { depth };
    return depth == 0xFFFFFFFF ? 0 : deeper(depth + 1) + here[depth & 15];
}

static void recursion(Rogue *me)
{
    (void)me;
    sum += deeper(0);
}

static void self_modification(Rogue *me)
{
    (void)me;
    *(volatile uint32 *)&write_null = 0xE12FFF1E;
}

static void never_returns(Rogue *me)
{
    (void)me;
    for (;;)
        sum++;
}

static void never_returns_calling(Rogue *me)
{
    for (;;)
        ISHELL_ActiveApplet(me->a.m_pIShell);
}

static void own_svc(Rogue *me)
{
    (void)me;
    __asm__ volatile("svc #42");
}

static void no_instruction(Rogue *me)
{
    (void)me;
    __asm__ volatile(".inst 0xE7F000F0");
}

static void wild_free(Rogue *me)
{
    FREE((byte *)me + 4);
}

static void writes_vtable(Rogue *me)
{
    *(const void *volatile *)me->a.m_pIDisplay = NULL;
}

static void runs_stack_gap(Rogue *me)
{
    (void)me;
    __asm__ volatile("mov sp, #0\n push {r0-r3}");
}

static void leaks(Rogue *me)
{
    for (int at = 0; at < 3; at++)
        ISHELL_CreateInstance(me->a.m_pIShell, AEECLSID_GRAPHICS, &me->held[at]);
    IDISPLAY_AddRef(me->a.m_pIDisplay);
    MALLOC(100);
}

static void closes_itself(Rogue *me)
{
    ISHELL_CloseApplet(me->a.m_pIShell, FALSE);
    IDISPLAY_Update(me->a.m_pIDisplay); /* still there: the shell acts when the handler has returned */
}

static void events_inside_events(Rogue *me)
{
    ISHELL_SendEvent(me->a.m_pIShell, 0, EVT_KEY, 'q', 0);
}

static void hoards(Rogue *me)
{
    void *object;
    while (ISHELL_CreateInstance(me->a.m_pIShell, AEECLSID_FILEMGR, &object) == SUCCESS)
        sum++;
    while (MALLOC(4096))
        sum++;
    while (IDISPLAY_CreateDIBitmap(me->a.m_pIDisplay, &object, 16, 500, 500) == SUCCESS)
        sum++;
    DBGPRINT("nothing is left");
}

static void timers(Rogue *me)
{
    for (uint32 at = 1; ISHELL_SetTimer(me->a.m_pIShell, 0, (PFNNOTIFY)at, me) == SUCCESS; at++)
        sum++;
}

static void returns_garbage(Rogue *me)
{
    (void)me;
    __asm__ volatile("ldr lr, =0x12345678\n bx lr");
}

static void (*const crimes[])(Rogue *) = {
    write_null, wild_vtable, wild_method, null_this, after_release, recursion, self_modification, never_returns,
    never_returns_calling, own_svc, no_instruction, wild_free, writes_vtable, runs_stack_gap, leaks, closes_itself,
    events_inside_events, hoards, timers, returns_garbage,
};

/* The object whose vtable has this entry, or none. */
static void *fitting(Rogue *me, uint32 entry)
{
    for (int at = 0; at < HELD; at++) {
        const IShell *object = me->held[at];
        const uint32 *methods = object ? (const uint32 *)object->pvt : NULL;
        for (uint32 method = 0; methods && method < 12 && methods[method] <= GATE + 8 * entry; method++)
            if (methods[method] == GATE + 8 * entry)
                return me->held[at];
    }
    return NULL;
}

static void get_one_of_each(Rogue *me)
{
    IShell *shell = me->a.m_pIShell;
    me->held[0] = shell;
    me->held[1] = me->a.m_pIDisplay;
    ISHELL_CreateInstance(shell, AEECLSID_GRAPHICS, &me->held[2]);
    ISHELL_CreateInstance(shell, AEECLSID_FILEMGR, &me->held[3]);
    ISHELL_CreateInstance(shell, AEECLSID_NET, &me->held[4]);
    ISHELL_CreateInstance(shell, AEECLSID_HEAP, &me->held[5]);
    IDISPLAY_GetDeviceBitmap(me->a.m_pIDisplay, &me->held[6]);
    IDISPLAY_CreateDIBitmap(me->a.m_pIDisplay, &me->held[7], 16, 8, 8);
    me->held[8] = IFILEMGR_OpenFile((IFileMgr *)me->held[3], "own", _OFM_CREATE);
    me->held[9] = INETMGR_OpenSocket((INetMgr *)me->held[4], AEE_SOCK_DGRAM);
}

static boolean handle(AEEApplet *applet, AEEEvent event, uint32 word, uint32 data)
{
    Rogue *me = (Rogue *)applet;
    if (event == EVT_KEY && word - 'a' < sizeof crimes / sizeof *crimes) {
        crimes[word - 'a'](me);
        return TRUE;
    }
    if (event == EVT_USER) {
        if (!me->held[0])
            get_one_of_each(me);
        ((ANY)(GATE + 8 * word))(fitting(me, word), data, data, data, data, data, data, data, data);
        return TRUE;
    }
    return event <= EVT_APP_RESUME;
}

int32 AEEClsCreateInstance(AEECLSID cls, IShell *shell, IModule *module, void **object)
{
    return AEEApplet_New(sizeof(Rogue), cls, module, shell, object, handle, NULL);
}

MODULE(AEECLSID_ROGUE, AEECLSID_ACCOMPLICE);
