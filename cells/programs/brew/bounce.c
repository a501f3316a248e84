/* bounce: balls that move over the screen, 25 pictures a second, each drawn by calls of IGraphics and IDisplay. A touch sends the
 * nearest ball away; a key stops and goes on. */
#include "sdk/AEEAppGen.h"

#define AEECLSID_BOUNCE 0x01CE0001
#define BALLS 12
#define PICTURE_MS 40

typedef struct { int32 x, y, dx, dy, radius; RGBVAL color; } Ball; /* 1/16 pixels */

typedef struct {
    AEEApplet a;
    IGraphics *graphics;
    AEERect area;
    Ball balls[BALLS];
    uint32 pictures;
    boolean stopped;
} Bounce;

static const RGBVAL colors[] = {
    MAKE_RGB(240, 80, 60), MAKE_RGB(250, 180, 40), MAKE_RGB(90, 200, 90), MAKE_RGB(60, 160, 240),
    MAKE_RGB(190, 110, 230), MAKE_RGB(240, 240, 240),
};

static void set_up(Bounce *me)
{
    for (int at = 0; at < BALLS; at++) {
        Ball *ball = &me->balls[at];
        byte random[4];
        GETRAND(random, sizeof random);
        ball->radius = 5 + random[0] % 10;
        ball->x = (20 + (random[1] * (me->area.dx - 40) >> 8)) << 4;
        ball->y = (30 + (random[2] * (me->area.dy - 60) >> 8)) << 4;
        ball->dx = (random[3] & 31) - 16 + (at & 1 ? 24 : -24);
        ball->dy = (random[3] >> 3 & 31) - 16 + (at & 2 ? 20 : -20);
        ball->color = colors[at % 6];
    }
}

static void turn(int32 *place, int32 *speed, int32 least, int32 most)
{
    *place += *speed;
    if (*place < least) {
        *place = least;
        *speed = *speed < 0 ? -*speed : *speed;
    } else if (*place > most) {
        *place = most;
        *speed = *speed > 0 ? -*speed : *speed;
    }
}

static void draw_title(Bounce *me)
{
    char text[40] = "bounce ", *end = WRITENUMBER(text + 7, (int32)me->pictures);
    AECHAR wide[40];
    AEERect line = { 0, 0, me->area.dx, 14 };
    *end = 0;
    IDISPLAY_SetColor(me->a.m_pIDisplay, CLR_USER_BACKGROUND, MAKE_RGB(20, 30, 60));
    IDISPLAY_SetColor(me->a.m_pIDisplay, CLR_USER_TEXT, MAKE_RGB(200, 210, 240));
    IDISPLAY_DrawText(me->a.m_pIDisplay, AEE_FONT_BOLD, STRTOWSTR(text, wide, 40), -1, 0, 0, &line,
                      IDF_ALIGN_CENTER | IDF_ALIGN_MIDDLE);
}

static void draw(Bounce *me)
{
    IGraphics *pen = me->graphics;
    IGRAPHICS_ClearViewport(pen);
    for (int at = 0; at < BALLS; at++) {
        Ball *ball = &me->balls[at];
        IGRAPHICS_SetColor(pen, MAKE_RGB(10, 10, 20));
        IGRAPHICS_SetFillColor(pen, ball->color);
        IGRAPHICS_DrawCircle(pen, ball->x >> 4, ball->y >> 4, ball->radius);
        IGRAPHICS_SetColor(pen, MAKE_RGB(255, 255, 255));
        IGRAPHICS_DrawPoint(pen, (ball->x >> 4) - ball->radius / 3, (ball->y >> 4) - ball->radius / 3);
    }
    draw_title(me);
    IDISPLAY_Update(me->a.m_pIDisplay);
    me->pictures++;
}

static void tick(void *user)
{
    Bounce *me = user;
    for (int at = 0; at < BALLS; at++) {
        Ball *ball = &me->balls[at];
        turn(&ball->x, &ball->dx, ball->radius << 4, (me->area.dx - ball->radius - 1) << 4);
        turn(&ball->y, &ball->dy, (ball->radius + 14) << 4, (me->area.dy - ball->radius - 1) << 4);
    }
    draw(me);
    if (!me->stopped)
        ISHELL_SetTimer(me->a.m_pIShell, PICTURE_MS, tick, me);
}

static void touched(Bounce *me, int32 x, int32 y)
{
    Ball *nearest = me->balls;
    int32 least = 0x7FFFFFFF;
    for (int at = 0; at < BALLS; at++) {
        int32 dx = (me->balls[at].x >> 4) - x, dy = (me->balls[at].y >> 4) - y;
        if (dx * dx + dy * dy < least) {
            least = dx * dx + dy * dy;
            nearest = &me->balls[at];
        }
    }
    nearest->dx = nearest->x >> 4 > x ? 80 : -80;
    nearest->dy = nearest->y >> 4 > y ? 80 : -80;
}

static boolean handle(AEEApplet *applet, AEEEvent event, uint32 word, uint32 data)
{
    Bounce *me = (Bounce *)applet;
    (void)word;
    switch (event) {
    case EVT_APP_START:
        me->area = ((const AEEAppStart *)data)->rc;
        IGRAPHICS_SetBackground(me->graphics, MAKE_RGB(20, 30, 60));
        IGRAPHICS_SetFillMode(me->graphics, TRUE);
        set_up(me);
        tick(me);
        return TRUE;
    case EVT_APP_RESUME:
        tick(me);
        return TRUE;
    case EVT_APP_SUSPEND:
    case EVT_APP_STOP:
        ISHELL_CancelTimer(applet->m_pIShell, tick, me);
        return TRUE;
    case EVT_KEY:
        me->stopped = !me->stopped;
        if (!me->stopped)
            tick(me);
        return TRUE;
    case EVT_POINTER_DOWN:
        touched(me, (int16)data, (int16)(data >> 16));
        return TRUE;
    default:
        return FALSE;
    }
}

static void release(AEEApplet *applet)
{
    Bounce *me = (Bounce *)applet;
    if (me->graphics)
        IGRAPHICS_Release(me->graphics);
}

int32 AEEClsCreateInstance(AEECLSID cls, IShell *shell, IModule *module, void **object)
{
    int32 code = AEEApplet_New(sizeof(Bounce), cls, module, shell, object, handle, release);
    if (code != SUCCESS)
        return code;
    Bounce *me = *object;
    code = ISHELL_CreateInstance(shell, AEECLSID_GRAPHICS, (void **)&me->graphics);
    if (code != SUCCESS) {
        me->a.pvt->Release(&me->a);
        *object = NULL;
    }
    return code;
}

MODULE(AEECLSID_BOUNCE);
