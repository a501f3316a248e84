/* film: a picture that turns and breathes, computed pixel by pixel into a bitmap whose memory is the module's (IDIB), and put on the
 * screen by one call: what a video player does. */
#include "sdk/AEEAppGen.h"

#define AEECLSID_FILM 0x01CE0002
#define PICTURE_MS 66
#define SIDE 64

typedef struct {
    AEEApplet a;
    IDIB *picture;
    AEERect area;
    uint32 pictures;
    uint16 texture[SIDE * SIDE];
} Film;

/* A sine of a turn in 1024 parts, -256 to 256, from two parabolas. */
static int32 sine(int32 angle)
{
    int32 at = angle & 511, half = at * (512 - at) >> 8;
    return angle & 512 ? -half : half;
}

static uint16 color(uint32 red, uint32 green, uint32 blue)
{
    return (uint16)((red & 31) << 11 | (green & 63) << 5 | (blue & 31));
}

static void paint_texture(Film *me)
{
    for (uint32 y = 0; y < SIDE; y++)
        for (uint32 x = 0; x < SIDE; x++) {
            uint32 woven = (x ^ y) & 63;
            boolean seam = !(x & 15) || !(y & 15);
            me->texture[y * SIDE + x] = seam ? color(31, 60, 24) : color(woven >> 1, woven >> 1, 31 - (x >> 2));
        }
}

/* Each point of the texture becomes 2 x 2 pixels. */
static void compute(Film *me)
{
    int32 time = (int32)me->pictures * 6, zoom = 300 + sine(time * 2);
    int32 across = sine(time + 256) * zoom >> 3, down = sine(time) * zoom >> 3;
    int32 width = me->picture->cx >> 1, height = me->picture->cy >> 1;
    uint32 row_u = (uint32)(time << 10), row_v = (uint32)(time << 9);
    for (int32 y = 0; y < height; y++) {
        uint32 u = row_u, v = row_v;
        uint32 *upper = (uint32 *)(me->picture->pBmp + 2 * y * me->picture->cx);
        uint32 *lower = (uint32 *)(me->picture->pBmp + (2 * y + 1) * me->picture->cx);
        for (int32 x = 0; x < width; x++) {
            uint32 pixel = me->texture[(v >> 14 & 63) * SIDE + (u >> 14 & 63)];
            *upper++ = *lower++ = pixel | pixel << 16;
            u += (uint32)across;
            v += (uint32)down;
        }
        row_u -= (uint32)down;
        row_v += (uint32)across;
    }
}

static void play(void *user)
{
    Film *me = user;
    char text[32] = "film ", *end = WRITENUMBER(text + 5, (int32)me->pictures);
    AECHAR wide[32];
    *end = 0;
    compute(me);
    IDISPLAY_BitBlt(me->a.m_pIDisplay, 0, 0, me->picture->cx, me->picture->cy, (IBitmap *)me->picture, 0, 0, AEE_RO_COPY);
    IDISPLAY_DrawText(me->a.m_pIDisplay, AEE_FONT_LARGE, STRTOWSTR(text, wide, 32), -1, 8, me->area.dy - 26, NULL, 0);
    IDISPLAY_Update(me->a.m_pIDisplay);
    me->pictures++;
    ISHELL_SetTimer(me->a.m_pIShell, PICTURE_MS, play, me);
}

static boolean start(Film *me, const AEEAppStart *how)
{
    me->area = how->rc;
    paint_texture(me);
    IDISPLAY_SetColor(me->a.m_pIDisplay, CLR_USER_TEXT, MAKE_RGB(255, 255, 255));
    int32 code = IDISPLAY_CreateDIBitmap(me->a.m_pIDisplay, (void **)&me->picture, 16, (uint32)how->rc.dx & ~1u,
                                         (uint32)how->rc.dy & ~1u);
    if (code != SUCCESS)
        return FALSE;
    play(me);
    return TRUE;
}

static boolean handle(AEEApplet *applet, AEEEvent event, uint32 word, uint32 data)
{
    Film *me = (Film *)applet;
    (void)word;
    switch (event) {
    case EVT_APP_START:
        return start(me, (const AEEAppStart *)data);
    case EVT_APP_RESUME:
        play(me);
        return TRUE;
    case EVT_APP_SUSPEND:
    case EVT_APP_STOP:
        ISHELL_CancelTimer(applet->m_pIShell, play, me);
        return TRUE;
    default:
        return FALSE;
    }
}

static void release(AEEApplet *applet)
{
    Film *me = (Film *)applet;
    if (me->picture)
        IDIB_Release(me->picture);
}

int32 AEEClsCreateInstance(AEECLSID cls, IShell *shell, IModule *module, void **object)
{
    return AEEApplet_New(sizeof(Film), cls, module, shell, object, handle, release);
}

MODULE(AEECLSID_FILM);
