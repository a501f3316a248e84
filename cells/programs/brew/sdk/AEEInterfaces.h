/* Made of the personality's tables by `python -m cells.personalities.brew.header`. */
#ifndef AEEINTERFACES_H
#define AEEINTERFACES_H
#include "AEETypes.h"

#define SUCCESS 0x0
#define EFAILED 0x1
#define ENOMEMORY 0x2
#define ECLASSNOTSUPPORT 0x3
#define EUNABLETOLOAD 0x6
#define EEXPIRED 0xc
#define EBADSTATE 0xd
#define EBADPARM 0xe
#define EUNSUPPORTED 0x14
#define EFILEEXISTS 0x101
#define EFILENOEXISTS 0x102
#define EDIRNOTEMPTY 0x103
#define EBADFILENAME 0x104
#define EBADSEEKPOS 0x105
#define EFILEEOF 0x106
#define EFSFULL 0x107
#define ENETNONET 0x201
#define ENETCLOSED 0x202
#define EMSGSIZE 0x203
#define EVT_APP_START 0x0
#define EVT_APP_STOP 0x1
#define EVT_APP_SUSPEND 0x2
#define EVT_APP_RESUME 0x3
#define EVT_KEY 0x100
#define EVT_KEY_PRESS 0x101
#define EVT_KEY_RELEASE 0x102
#define EVT_POINTER_DOWN 0x401
#define EVT_POINTER_UP 0x402
#define EVT_POINTER_MOVE 0x403
#define EVT_USER 0x7000
#define AEECLSID_SHELL 0x1001000
#define AEECLSID_DISPLAY 0x1001001
#define AEECLSID_GRAPHICS 0x1001002
#define AEECLSID_FILEMGR 0x1001003
#define AEECLSID_NET 0x1001004
#define AEECLSID_HEAP 0x1001005
#define AEECLSID_BITMAP 0x1001006
#define CLR_USER_TEXT 0x1
#define CLR_USER_BACKGROUND 0x2
#define CLR_USER_LINE 0x3
#define AEE_FONT_NORMAL 0x8000
#define AEE_FONT_BOLD 0x8001
#define AEE_FONT_LARGE 0x8002
#define IDF_RECT_FRAME 0x1
#define IDF_RECT_FILL 0x2
#define IDF_RECT_INVERT 0x4
#define IDF_ALIGN_CENTER 0x10
#define IDF_ALIGN_RIGHT 0x20
#define IDF_ALIGN_MIDDLE 0x40
#define IDF_ALIGN_BOTTOM 0x80
#define IDF_TEXT_TRANSPARENT 0x100
#define AEE_RO_COPY 0x0
#define AEE_RO_TRANSPARENT 0x1
#define AEE_RO_NOT 0x2
#define _OFM_READ 0x1
#define _OFM_READWRITE 0x2
#define _OFM_CREATE 0x4
#define _OFM_APPEND 0x8
#define _SEEK_START 0x0
#define _SEEK_END 0x1
#define _SEEK_CURRENT 0x2
#define AEE_SOCK_STREAM 0x0
#define AEE_SOCK_DGRAM 0x1
#define AEE_NET_ERROR (-1)
#define AEE_NET_WOULDBLOCK (-2)

typedef struct AEEHelpers AEEHelpers;
typedef struct IShell IShell;
typedef struct IDisplay IDisplay;
typedef struct IBitmap IBitmap;
typedef struct IDIB IDIB;
typedef struct IGraphics IGraphics;
typedef struct IFileMgr IFileMgr;
typedef struct IFile IFile;
typedef struct INetMgr INetMgr;
typedef struct ISocket ISocket;
typedef struct IHeap IHeap;

struct AEEHelpers {
    uint32 (*AddRef)(void);
    uint32 (*Release)(void);
    void * (*Malloc)(uint32 size);
    void (*Free)(void *memory);
    void * (*Realloc)(void *memory, uint32 size);
    void (*DbgPrint)(const char *text);
    uint32 (*GetUpTimeMS)(void);
    uint32 (*GetTimeSeconds)(void);
    int32 (*GetRand)(void *memory, uint32 memorySize);
    void * (*GetAppInstance)(void);
};

typedef struct IShellVtbl {
    uint32 (*AddRef)(IShell *po);
    uint32 (*Release)(IShell *po);
    int32 (*CreateInstance)(IShell *po, uint32 cls, void **object);
    boolean (*QueryClass)(IShell *po, uint32 cls);
    void (*GetDeviceInfo)(IShell *po, AEEInfo *info);
    int32 (*StartApplet)(IShell *po, uint32 cls);
    int32 (*CloseApplet)(IShell *po, boolean all);
    uint32 (*ActiveApplet)(IShell *po);
    int32 (*SetTimer)(IShell *po, int32 milliseconds, PFNNOTIFY call, void *callUser);
    int32 (*CancelTimer)(IShell *po, PFNNOTIFY call, void *callUser);
    uint32 (*GetTimerExpiration)(IShell *po, PFNNOTIFY call, void *callUser);
    boolean (*SendEvent)(IShell *po, uint32 cls, uint32 event, uint32 word, uint32 data);
    boolean (*PostEvent)(IShell *po, uint32 cls, uint32 event, uint32 word, uint32 data);
    int32 (*Resume)(IShell *po, PFNNOTIFY call, void *callUser);
} IShellVtbl;
struct IShell { const IShellVtbl *pvt; };
#define ISHELL_AddRef(p) ((p)->pvt->AddRef((p)))
#define ISHELL_Release(p) ((p)->pvt->Release((p)))
#define ISHELL_CreateInstance(p, a0, a1) ((p)->pvt->CreateInstance((p), a0, a1))
#define ISHELL_QueryClass(p, a0) ((p)->pvt->QueryClass((p), a0))
#define ISHELL_GetDeviceInfo(p, a0) ((p)->pvt->GetDeviceInfo((p), a0))
#define ISHELL_StartApplet(p, a0) ((p)->pvt->StartApplet((p), a0))
#define ISHELL_CloseApplet(p, a0) ((p)->pvt->CloseApplet((p), a0))
#define ISHELL_ActiveApplet(p) ((p)->pvt->ActiveApplet((p)))
#define ISHELL_SetTimer(p, a0, a1, a2) ((p)->pvt->SetTimer((p), a0, a1, a2))
#define ISHELL_CancelTimer(p, a0, a1) ((p)->pvt->CancelTimer((p), a0, a1))
#define ISHELL_GetTimerExpiration(p, a0, a1) ((p)->pvt->GetTimerExpiration((p), a0, a1))
#define ISHELL_SendEvent(p, a0, a1, a2, a3) ((p)->pvt->SendEvent((p), a0, a1, a2, a3))
#define ISHELL_PostEvent(p, a0, a1, a2, a3) ((p)->pvt->PostEvent((p), a0, a1, a2, a3))
#define ISHELL_Resume(p, a0, a1) ((p)->pvt->Resume((p), a0, a1))

typedef struct IDisplayVtbl {
    uint32 (*AddRef)(IDisplay *po);
    uint32 (*Release)(IDisplay *po);
    int32 (*GetFontMetrics)(IDisplay *po, uint32 font, uint32 *ascent, uint32 *descent);
    int32 (*MeasureText)(IDisplay *po, uint32 font, const AECHAR *text, int32 textLength);
    int32 (*DrawText)(IDisplay *po, uint32 font, const AECHAR *text, int32 textLength, int32 x, int32 y, const AEERect *background, uint32 flags);
    void (*DrawRect)(IDisplay *po, const AEERect *area, uint32 frame, uint32 fill, uint32 flags);
    void (*BitBlt)(IDisplay *po, int32 x, int32 y, int32 width, int32 height, IBitmap *source, int32 from_x, int32 from_y, uint32 rop);
    void (*Update)(IDisplay *po);
    uint32 (*SetColor)(IDisplay *po, uint32 item, uint32 color);
    void (*SetClipRect)(IDisplay *po, const AEERect *area);
    int32 (*GetClipRect)(IDisplay *po, AEERect *area);
    void (*ClearScreen)(IDisplay *po);
    int32 (*GetDeviceBitmap)(IDisplay *po, void **bitmap);
    int32 (*SetDestination)(IDisplay *po, IBitmap *target);
    int32 (*CreateDIBitmap)(IDisplay *po, void **bitmap, uint32 depth, uint32 width, uint32 height);
} IDisplayVtbl;
struct IDisplay { const IDisplayVtbl *pvt; };
#define IDISPLAY_AddRef(p) ((p)->pvt->AddRef((p)))
#define IDISPLAY_Release(p) ((p)->pvt->Release((p)))
#define IDISPLAY_GetFontMetrics(p, a0, a1, a2) ((p)->pvt->GetFontMetrics((p), a0, a1, a2))
#define IDISPLAY_MeasureText(p, a0, a1, a2) ((p)->pvt->MeasureText((p), a0, a1, a2))
#define IDISPLAY_DrawText(p, a0, a1, a2, a3, a4, a5, a6) ((p)->pvt->DrawText((p), a0, a1, a2, a3, a4, a5, a6))
#define IDISPLAY_DrawRect(p, a0, a1, a2, a3) ((p)->pvt->DrawRect((p), a0, a1, a2, a3))
#define IDISPLAY_BitBlt(p, a0, a1, a2, a3, a4, a5, a6, a7) ((p)->pvt->BitBlt((p), a0, a1, a2, a3, a4, a5, a6, a7))
#define IDISPLAY_Update(p) ((p)->pvt->Update((p)))
#define IDISPLAY_SetColor(p, a0, a1) ((p)->pvt->SetColor((p), a0, a1))
#define IDISPLAY_SetClipRect(p, a0) ((p)->pvt->SetClipRect((p), a0))
#define IDISPLAY_GetClipRect(p, a0) ((p)->pvt->GetClipRect((p), a0))
#define IDISPLAY_ClearScreen(p) ((p)->pvt->ClearScreen((p)))
#define IDISPLAY_GetDeviceBitmap(p, a0) ((p)->pvt->GetDeviceBitmap((p), a0))
#define IDISPLAY_SetDestination(p, a0) ((p)->pvt->SetDestination((p), a0))
#define IDISPLAY_CreateDIBitmap(p, a0, a1, a2, a3) ((p)->pvt->CreateDIBitmap((p), a0, a1, a2, a3))

typedef struct IBitmapVtbl {
    uint32 (*AddRef)(IBitmap *po);
    uint32 (*Release)(IBitmap *po);
    uint32 (*RGBToNative)(IBitmap *po, uint32 color);
    uint32 (*NativeToRGB)(IBitmap *po, uint32 pixel);
    int32 (*DrawPixel)(IBitmap *po, int32 x, int32 y, uint32 pixel, uint32 rop);
    int32 (*GetPixel)(IBitmap *po, int32 x, int32 y, uint32 *pixel);
    int32 (*DrawHScanline)(IBitmap *po, int32 y, int32 left, int32 right, uint32 pixel, uint32 rop);
    int32 (*FillRect)(IBitmap *po, const AEERect *area, uint32 pixel, uint32 rop);
    int32 (*BltIn)(IBitmap *po, int32 x, int32 y, int32 width, int32 height, IBitmap *source, int32 from_x, int32 from_y, uint32 rop);
    int32 (*GetInfo)(IBitmap *po, AEEInfo *info);
    int32 (*CreateCompatibleBitmap)(IBitmap *po, void **bitmap, int32 width, int32 height);
    int32 (*SetTransparencyColor)(IBitmap *po, uint32 pixel);
    uint32 (*GetTransparencyColor)(IBitmap *po);
} IBitmapVtbl;
struct IBitmap { const IBitmapVtbl *pvt; };
#define IBITMAP_AddRef(p) ((p)->pvt->AddRef((p)))
#define IBITMAP_Release(p) ((p)->pvt->Release((p)))
#define IBITMAP_RGBToNative(p, a0) ((p)->pvt->RGBToNative((p), a0))
#define IBITMAP_NativeToRGB(p, a0) ((p)->pvt->NativeToRGB((p), a0))
#define IBITMAP_DrawPixel(p, a0, a1, a2, a3) ((p)->pvt->DrawPixel((p), a0, a1, a2, a3))
#define IBITMAP_GetPixel(p, a0, a1, a2) ((p)->pvt->GetPixel((p), a0, a1, a2))
#define IBITMAP_DrawHScanline(p, a0, a1, a2, a3, a4) ((p)->pvt->DrawHScanline((p), a0, a1, a2, a3, a4))
#define IBITMAP_FillRect(p, a0, a1, a2) ((p)->pvt->FillRect((p), a0, a1, a2))
#define IBITMAP_BltIn(p, a0, a1, a2, a3, a4, a5, a6, a7) ((p)->pvt->BltIn((p), a0, a1, a2, a3, a4, a5, a6, a7))
#define IBITMAP_GetInfo(p, a0) ((p)->pvt->GetInfo((p), a0))
#define IBITMAP_CreateCompatibleBitmap(p, a0, a1, a2) ((p)->pvt->CreateCompatibleBitmap((p), a0, a1, a2))
#define IBITMAP_SetTransparencyColor(p, a0) ((p)->pvt->SetTransparencyColor((p), a0))
#define IBITMAP_GetTransparencyColor(p) ((p)->pvt->GetTransparencyColor((p)))

typedef struct IDIBVtbl {
    uint32 (*AddRef)(IDIB *po);
    uint32 (*Release)(IDIB *po);
    uint32 (*RGBToNative)(IDIB *po, uint32 color);
    uint32 (*NativeToRGB)(IDIB *po, uint32 pixel);
    int32 (*DrawPixel)(IDIB *po, int32 x, int32 y, uint32 pixel, uint32 rop);
    int32 (*GetPixel)(IDIB *po, int32 x, int32 y, uint32 *pixel);
    int32 (*DrawHScanline)(IDIB *po, int32 y, int32 left, int32 right, uint32 pixel, uint32 rop);
    int32 (*FillRect)(IDIB *po, const AEERect *area, uint32 pixel, uint32 rop);
    int32 (*BltIn)(IDIB *po, int32 x, int32 y, int32 width, int32 height, IBitmap *source, int32 from_x, int32 from_y, uint32 rop);
    int32 (*GetInfo)(IDIB *po, AEEInfo *info);
    int32 (*CreateCompatibleBitmap)(IDIB *po, void **bitmap, int32 width, int32 height);
    int32 (*SetTransparencyColor)(IDIB *po, uint32 pixel);
    uint32 (*GetTransparencyColor)(IDIB *po);
} IDIBVtbl;
struct IDIB { const IDIBVtbl *pvt; uint16 *pBmp; int16 cx, cy, nPitch, nDepth; };
#define IDIB_AddRef(p) ((p)->pvt->AddRef((p)))
#define IDIB_Release(p) ((p)->pvt->Release((p)))
#define IDIB_RGBToNative(p, a0) ((p)->pvt->RGBToNative((p), a0))
#define IDIB_NativeToRGB(p, a0) ((p)->pvt->NativeToRGB((p), a0))
#define IDIB_DrawPixel(p, a0, a1, a2, a3) ((p)->pvt->DrawPixel((p), a0, a1, a2, a3))
#define IDIB_GetPixel(p, a0, a1, a2) ((p)->pvt->GetPixel((p), a0, a1, a2))
#define IDIB_DrawHScanline(p, a0, a1, a2, a3, a4) ((p)->pvt->DrawHScanline((p), a0, a1, a2, a3, a4))
#define IDIB_FillRect(p, a0, a1, a2) ((p)->pvt->FillRect((p), a0, a1, a2))
#define IDIB_BltIn(p, a0, a1, a2, a3, a4, a5, a6, a7) ((p)->pvt->BltIn((p), a0, a1, a2, a3, a4, a5, a6, a7))
#define IDIB_GetInfo(p, a0) ((p)->pvt->GetInfo((p), a0))
#define IDIB_CreateCompatibleBitmap(p, a0, a1, a2) ((p)->pvt->CreateCompatibleBitmap((p), a0, a1, a2))
#define IDIB_SetTransparencyColor(p, a0) ((p)->pvt->SetTransparencyColor((p), a0))
#define IDIB_GetTransparencyColor(p) ((p)->pvt->GetTransparencyColor((p)))

typedef struct IGraphicsVtbl {
    uint32 (*AddRef)(IGraphics *po);
    uint32 (*Release)(IGraphics *po);
    uint32 (*SetColor)(IGraphics *po, uint32 color);
    uint32 (*SetFillColor)(IGraphics *po, uint32 color);
    boolean (*SetFillMode)(IGraphics *po, boolean filling);
    uint32 (*SetBackground)(IGraphics *po, uint32 color);
    int32 (*ClearViewport)(IGraphics *po);
    int32 (*DrawPoint)(IGraphics *po, int32 x, int32 y);
    int32 (*DrawLine)(IGraphics *po, int32 x, int32 y, int32 to_x, int32 to_y);
    int32 (*DrawRect)(IGraphics *po, const AEERect *area);
    int32 (*DrawCircle)(IGraphics *po, int32 x, int32 y, int32 radius);
    int32 (*Update)(IGraphics *po);
} IGraphicsVtbl;
struct IGraphics { const IGraphicsVtbl *pvt; };
#define IGRAPHICS_AddRef(p) ((p)->pvt->AddRef((p)))
#define IGRAPHICS_Release(p) ((p)->pvt->Release((p)))
#define IGRAPHICS_SetColor(p, a0) ((p)->pvt->SetColor((p), a0))
#define IGRAPHICS_SetFillColor(p, a0) ((p)->pvt->SetFillColor((p), a0))
#define IGRAPHICS_SetFillMode(p, a0) ((p)->pvt->SetFillMode((p), a0))
#define IGRAPHICS_SetBackground(p, a0) ((p)->pvt->SetBackground((p), a0))
#define IGRAPHICS_ClearViewport(p) ((p)->pvt->ClearViewport((p)))
#define IGRAPHICS_DrawPoint(p, a0, a1) ((p)->pvt->DrawPoint((p), a0, a1))
#define IGRAPHICS_DrawLine(p, a0, a1, a2, a3) ((p)->pvt->DrawLine((p), a0, a1, a2, a3))
#define IGRAPHICS_DrawRect(p, a0) ((p)->pvt->DrawRect((p), a0))
#define IGRAPHICS_DrawCircle(p, a0, a1, a2) ((p)->pvt->DrawCircle((p), a0, a1, a2))
#define IGRAPHICS_Update(p) ((p)->pvt->Update((p)))

typedef struct IFileMgrVtbl {
    uint32 (*AddRef)(IFileMgr *po);
    uint32 (*Release)(IFileMgr *po);
    void * (*OpenFile)(IFileMgr *po, const char *name, uint32 mode);
    int32 (*GetInfo)(IFileMgr *po, const char *name, AEEInfo *info);
    int32 (*Remove)(IFileMgr *po, const char *name);
    int32 (*MkDir)(IFileMgr *po, const char *name);
    int32 (*RmDir)(IFileMgr *po, const char *name);
    int32 (*Test)(IFileMgr *po, const char *name);
    uint32 (*GetFreeSpace)(IFileMgr *po);
    int32 (*GetLastError)(IFileMgr *po);
    int32 (*EnumInit)(IFileMgr *po, const char *folder, boolean folders);
    boolean (*EnumNext)(IFileMgr *po, AEEFileInfo *info);
} IFileMgrVtbl;
struct IFileMgr { const IFileMgrVtbl *pvt; };
#define IFILEMGR_AddRef(p) ((p)->pvt->AddRef((p)))
#define IFILEMGR_Release(p) ((p)->pvt->Release((p)))
#define IFILEMGR_OpenFile(p, a0, a1) ((p)->pvt->OpenFile((p), a0, a1))
#define IFILEMGR_GetInfo(p, a0, a1) ((p)->pvt->GetInfo((p), a0, a1))
#define IFILEMGR_Remove(p, a0) ((p)->pvt->Remove((p), a0))
#define IFILEMGR_MkDir(p, a0) ((p)->pvt->MkDir((p), a0))
#define IFILEMGR_RmDir(p, a0) ((p)->pvt->RmDir((p), a0))
#define IFILEMGR_Test(p, a0) ((p)->pvt->Test((p), a0))
#define IFILEMGR_GetFreeSpace(p) ((p)->pvt->GetFreeSpace((p)))
#define IFILEMGR_GetLastError(p) ((p)->pvt->GetLastError((p)))
#define IFILEMGR_EnumInit(p, a0, a1) ((p)->pvt->EnumInit((p), a0, a1))
#define IFILEMGR_EnumNext(p, a0) ((p)->pvt->EnumNext((p), a0))

typedef struct IFileVtbl {
    uint32 (*AddRef)(IFile *po);
    uint32 (*Release)(IFile *po);
    void (*Readable)(IFile *po, PFNNOTIFY call, void *callUser);
    int32 (*Read)(IFile *po, void *memory, uint32 memorySize);
    int32 (*Write)(IFile *po, const void *bytes, uint32 bytesSize);
    int32 (*GetInfo)(IFile *po, AEEInfo *info);
    int32 (*Seek)(IFile *po, uint32 origin, int32 distance);
    int32 (*Truncate)(IFile *po, uint32 size);
} IFileVtbl;
struct IFile { const IFileVtbl *pvt; };
#define IFILE_AddRef(p) ((p)->pvt->AddRef((p)))
#define IFILE_Release(p) ((p)->pvt->Release((p)))
#define IFILE_Readable(p, a0, a1) ((p)->pvt->Readable((p), a0, a1))
#define IFILE_Read(p, a0, a1) ((p)->pvt->Read((p), a0, a1))
#define IFILE_Write(p, a0, a1) ((p)->pvt->Write((p), a0, a1))
#define IFILE_GetInfo(p, a0) ((p)->pvt->GetInfo((p), a0))
#define IFILE_Seek(p, a0, a1) ((p)->pvt->Seek((p), a0, a1))
#define IFILE_Truncate(p, a0) ((p)->pvt->Truncate((p), a0))

typedef struct INetMgrVtbl {
    uint32 (*AddRef)(INetMgr *po);
    uint32 (*Release)(INetMgr *po);
    void * (*OpenSocket)(INetMgr *po, uint32 kind);
    uint32 (*GetHostByName)(INetMgr *po, const char *name);
} INetMgrVtbl;
struct INetMgr { const INetMgrVtbl *pvt; };
#define INETMGR_AddRef(p) ((p)->pvt->AddRef((p)))
#define INETMGR_Release(p) ((p)->pvt->Release((p)))
#define INETMGR_OpenSocket(p, a0) ((p)->pvt->OpenSocket((p), a0))
#define INETMGR_GetHostByName(p, a0) ((p)->pvt->GetHostByName((p), a0))

typedef struct ISocketVtbl {
    uint32 (*AddRef)(ISocket *po);
    uint32 (*Release)(ISocket *po);
    int32 (*Connect)(ISocket *po, uint32 address, uint32 port);
    int32 (*Write)(ISocket *po, const void *bytes, uint32 bytesSize);
    int32 (*Read)(ISocket *po, void *memory, uint32 memorySize);
    void (*Readable)(ISocket *po, PFNNOTIFY call, void *callUser);
    void (*Cancel)(ISocket *po, PFNNOTIFY call, void *callUser);
    int32 (*GetLastError)(ISocket *po);
} ISocketVtbl;
struct ISocket { const ISocketVtbl *pvt; };
#define ISOCKET_AddRef(p) ((p)->pvt->AddRef((p)))
#define ISOCKET_Release(p) ((p)->pvt->Release((p)))
#define ISOCKET_Connect(p, a0, a1) ((p)->pvt->Connect((p), a0, a1))
#define ISOCKET_Write(p, a0, a1) ((p)->pvt->Write((p), a0, a1))
#define ISOCKET_Read(p, a0, a1) ((p)->pvt->Read((p), a0, a1))
#define ISOCKET_Readable(p, a0, a1) ((p)->pvt->Readable((p), a0, a1))
#define ISOCKET_Cancel(p, a0, a1) ((p)->pvt->Cancel((p), a0, a1))
#define ISOCKET_GetLastError(p) ((p)->pvt->GetLastError((p)))

typedef struct IHeapVtbl {
    uint32 (*AddRef)(IHeap *po);
    uint32 (*Release)(IHeap *po);
    boolean (*CheckAvail)(IHeap *po, uint32 size);
    uint32 (*GetMemUsed)(IHeap *po);
} IHeapVtbl;
struct IHeap { const IHeapVtbl *pvt; };
#define IHEAP_AddRef(p) ((p)->pvt->AddRef((p)))
#define IHEAP_Release(p) ((p)->pvt->Release((p)))
#define IHEAP_CheckAvail(p, a0) ((p)->pvt->CheckAvail((p), a0))
#define IHEAP_GetMemUsed(p) ((p)->pvt->GetMemUsed((p)))

#endif
