/* Types and small helpers, by the names that the public BREW headers have for them. */
#ifndef AEETYPES_H
#define AEETYPES_H

typedef unsigned char byte, boolean;
typedef signed short int16;
typedef unsigned short uint16, AECHAR;
typedef signed int int32;
typedef unsigned int uint32, RGBVAL, NativeColor, AEECLSID, AEEEvent;

#define TRUE 1
#define FALSE 0
#ifndef NULL
#define NULL ((void *)0)
#endif

#define MAKE_RGB(r, g, b) (((RGBVAL)(r) << 8) | ((RGBVAL)(g) << 16) | ((RGBVAL)(b) << 24))

typedef struct { int16 x, y, dx, dy; } AEERect;
typedef struct { uint32 a, b, c, d; } AEEInfo;
typedef struct { uint32 dwSize, bFolder; char szName[64]; } AEEFileInfo;
typedef void (*PFNNOTIFY)(void *pUser);

/* What EVT_APP_START points to. */
typedef struct { int32 error; AEECLSID clsApp; AEERect rc; const char *pszArgs; } AEEAppStart;

#endif
