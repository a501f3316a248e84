"""Applets in C: what is committed is what the sources give, and a source that the personality never saw runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cells.personalities.brew.codes import Code
from cells.personalities.brew.header import HEADER, header
from cells.personalities.brew.image import parse
from cells.personalities.brew.kernel import INTERFACES
from cells.personalities.brew.method import methods_of
from cells.personalities.brew.python_module import Applet as PythonApplet
from cells.personalities.brew.table import page
from cells.programs.arm.build import SIZE_LIMIT, BuildError
from cells.programs.brew import NAMES, build
from cells.programs.phone.messages import Applet
from tests.support.brew import IMAGES, BrewBench

needs_toolchain = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")

UNSEEN = r"""
#include "AEEAppGen.h"

/* Every interface once, through its vtable; says "right" in the log, or where it went wrong. */
static int counter = 41; /* static data, which BREW's own loader does not allow */
static char room[64];

#define CHECK(what) do { if (!(what)) { DBGPRINT("wrong: " #what); return TRUE; } } while (0)

static void ticked(void *user)
{
    DBGPRINT(user == &counter && ++counter == 42 ? "ticked" : "wrong tick");
}

static boolean files(IShell *shell)
{
    IFileMgr *manager = NULL;
    AEEInfo info;
    AEEFileInfo entry;
    CHECK(ISHELL_CreateInstance(shell, AEECLSID_FILEMGR, (void **)&manager) == SUCCESS);
    IFile *file = IFILEMGR_OpenFile(manager, "note", _OFM_CREATE);
    CHECK(file && IFILE_Write(file, "twelve bytes", 12) == 12);
    CHECK(IFILE_Seek(file, _SEEK_START, 7) == SUCCESS);
    CHECK(IFILE_Read(file, room, sizeof room) == 5 && room[0] == 'b' && room[4] == 's');
    CHECK(IFILEMGR_GetInfo(manager, "note", &info) == SUCCESS && info.a == 12);
    CHECK(IFILEMGR_EnumInit(manager, "", FALSE) == SUCCESS && IFILEMGR_EnumNext(manager, &entry));
    CHECK(entry.dwSize == 12 && entry.szName[0] == 'n' && entry.szName[4] == 0);
    CHECK(IFILE_Release(file) == 0 && IFILEMGR_Release(manager) == 0);
    return FALSE;
}

static boolean pictures(AEEApplet *me)
{
    IDIB *dib = NULL;
    uint32 pixel = 0;
    AEERect clip = { 1, 2, 3, 4 }, seen;
    IDISPLAY_SetClipRect(me->m_pIDisplay, &clip);
    CHECK(IDISPLAY_GetClipRect(me->m_pIDisplay, &seen) == SUCCESS && seen.dy == 4);
    IDISPLAY_SetClipRect(me->m_pIDisplay, NULL);
    CHECK(IDISPLAY_CreateDIBitmap(me->m_pIDisplay, (void **)&dib, 16, 10, 6) == SUCCESS);
    CHECK(dib->cx == 10 && dib->cy == 6 && dib->nPitch == 20 && dib->nDepth == 16);
    dib->pBmp[11] = 0x1234; /* row 1, column 1 */
    CHECK(IDIB_GetPixel(dib, 1, 1, &pixel) == SUCCESS && pixel == 0x1234);
    CHECK(IDIB_DrawPixel(dib, 9, 5, 0x4321, AEE_RO_COPY) == SUCCESS && dib->pBmp[59] == 0x4321);
    IDISPLAY_BitBlt(me->m_pIDisplay, 100, 50, 10, 6, (IBitmap *)dib, 0, 0, AEE_RO_COPY);
    IDISPLAY_Update(me->m_pIDisplay);
    CHECK(IDIB_Release(dib) == 0);
    return FALSE;
}

static boolean memory(IShell *shell)
{
    IHeap *heap = NULL;
    CHECK(ISHELL_CreateInstance(shell, AEECLSID_HEAP, (void **)&heap) == SUCCESS);
    uint32 before = IHEAP_GetMemUsed(heap);
    char *block = MALLOC(1000);
    CHECK(block && block[999] == 0 && IHEAP_GetMemUsed(heap) == before + 1000);
    block[0] = 'x';
    block = REALLOC(block, 5000);
    CHECK(block && block[0] == 'x' && IHEAP_CheckAvail(heap, 1000) && !IHEAP_CheckAvail(heap, 1 << 20));
    FREE(block);
    CHECK(IHEAP_GetMemUsed(heap) == before && IHEAP_Release(heap) == 0);
    return FALSE;
}

static boolean handle(AEEApplet *me, AEEEvent event, uint32 word, uint32 data)
{
    IShell *shell = me->m_pIShell;
    AEEInfo info;
    if (event == EVT_USER)
        return word == 5 && data == 6;
    if (event != EVT_APP_START)
        return TRUE;
    CHECK(((AEEAppStart *)data)->clsApp == 0x01CE4000 && ((AEEAppStart *)data)->rc.dx == 320);
    CHECK(GETAPPINSTANCE() == me && STRLEN("four") == 4);
    ISHELL_GetDeviceInfo(shell, &info);
    CHECK(info.a == 320 && info.b == 240);
    CHECK(ISHELL_SendEvent(shell, 0, EVT_USER, 5, 6) && !ISHELL_SendEvent(shell, 0, EVT_USER, 5, 7));
    CHECK(ISHELL_SetTimer(shell, 10, ticked, &counter) == SUCCESS);
    CHECK(ISHELL_GetTimerExpiration(shell, ticked, &counter) <= 10);
    CHECK(IDISPLAY_AddRef(me->m_pIDisplay) == 2 && IDISPLAY_Release(me->m_pIDisplay) == 1);
    if (files(shell) || pictures(me) || memory(shell))
        return TRUE;
    *WRITENUMBER(room, -2147483647 - 1) = 0;
    DBGPRINT(room);
    DBGPRINT("right");
    return TRUE;
}

int32 AEEClsCreateInstance(AEECLSID cls, IShell *shell, IModule *module, void **object)
{
    return AEEApplet_New(sizeof(AEEApplet), cls, module, shell, object, handle, NULL);
}

MODULE(0x01CE4000);
"""


RELAY = r"""
#include "AEEAppGen.h"

/* Sends a key to the applet `word`, with much in registers meanwhile. */
static boolean handle(AEEApplet *me, AEEEvent event, uint32 word, uint32 data)
{
    if (event != EVT_USER)
        return TRUE;
    uint32 a = data * 3, b = data * 5, c = data * 7, d = data * 11;
    boolean handled = ISHELL_SendEvent(me->m_pIShell, word, EVT_KEY, 'x', 0);
    if (handled && a + b + c + d == 26 * data)
        DBGPRINT("as before");
    return TRUE;
}

int32 AEEClsCreateInstance(AEECLSID cls, IShell *shell, IModule *module, void **object)
{
    return AEEApplet_New(sizeof(AEEApplet), cls, module, shell, object, handle, NULL);
}

MODULE(0x01CE4001);
"""


class Middle(PythonApplet):
    """Passes keys on to `bounce`."""

    CLASS: ClassVar[int] = 0x01CE_4002

    def handle_event(self, code: int, word: int, data: Any) -> bool:
        return code != Code.KEY or bool(self.shell.send_event(int(Applet.BOUNCE), code, word, 0))


@needs_toolchain
@pytest.mark.slow
def test_an_event_passed_through_other_modules_leaves_the_callers_registers(tmp_path: Path) -> None:
    source = tmp_path / "relay.c"
    source.write_text(RELAY)
    python = {"middle": "tests.unit.programs.test_brew_applets:Middle"}
    bench = BrewBench(["bounce", "middle", "relay"], modules=["bounce", ("relay", build.build(source))], python=python)
    bench.run(0.1)
    for target in (Middle.CLASS, int(Applet.BOUNCE)):
        bench.later(bench.system.send, 0x01CE4001, Code.USER, target, 0x01234567 & 0xFF_FFFF)
    bench.run(0.2)
    assert bench.output.count("relay: as before") == 2
    assert "closed" not in bench.output


@needs_toolchain
@pytest.mark.slow
@pytest.mark.parametrize("thumb", [False, True], ids=["ARM", "Thumb"])
def test_a_module_from_a_source_that_nobody_here_saw_runs(tmp_path: Path, thumb: bool) -> None:
    source = tmp_path / "unseen.c"
    source.write_text(UNSEEN)
    bench = BrewBench(["unseen"], modules=[("unseen", build.build(source, thumb=thumb))])
    bench.run(0.1)
    assert "unseen: -2147483648\n" in bench.output
    assert "unseen: right\n" in bench.output
    assert "unseen: ticked\n" in bench.output
    buffer = bench.system.screen.buffer
    assert (buffer.get(101, 51), buffer.get(109, 55), buffer.get(102, 51)) == (0x1234, 0x4321, 0)
    bench.later(bench.system.close, 0x01CE4000)
    bench.run(0.2)
    assert "unseen is unloaded" in bench.output
    assert "not released" not in bench.output


@needs_toolchain
@pytest.mark.slow
def test_the_readmes_applet_runs(tmp_path: Path) -> None:
    text = (build.SOURCES / "README.md").read_text()
    source = tmp_path / "hello.c"
    source.write_text(text.partition("```c\n")[2].partition("```")[0])
    assert build.main([str(source)]) == 0
    bench = BrewBench(["hello"], modules=[("hello", source.with_suffix(".mod").read_bytes())])
    bench.run(0.1)
    assert bench.system.active == 0x01CE1000
    assert bench.system.screen.frames == 1
    assert len(set(bytes(bench.system.screen.buffer.data))) > 1


@needs_toolchain
@pytest.mark.slow
def test_the_committed_modules_are_what_their_sources_give() -> None:
    stale = [path.name for path, data in build.build_all().items() if path.read_bytes() != data]
    assert stale == [], "run python -m cells.programs.brew.build"


@needs_toolchain
def test_a_source_that_the_compiler_refuses_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "broken.c"
    source.write_text("int main(")
    with pytest.raises(BuildError):
        build.build(source)
    assert build.main([str(source)]) == 2
    assert "error" in capsys.readouterr().err


def test_the_header_is_what_the_tables_give() -> None:
    assert HEADER.read_text() == header(), "out of date: run python -m cells.programs.brew.build"


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_small_and_says_nothing_of_where_it_was_built(name: str) -> None:
    data = (IMAGES / f"{name}.mod").read_bytes()
    assert len(data) < SIZE_LIMIT
    assert parse(data).classes
    for trace in (b"/tmp", b"/home", b"/root", b"cellvisor-build", b"sdk/"):
        assert trace not in data


def test_the_phones_classes_are_those_of_the_modules() -> None:
    classes = {name: parse((IMAGES / f"{name}.mod").read_bytes()).classes for name in ("bounce", "film")}
    assert classes == {"bounce": (Applet.BOUNCE,), "film": (Applet.FILM,)}
    assert BrewBench().system.modules["clock"].classes == (Applet.CLOCK,)


def test_the_page_has_a_line_for_each_method() -> None:
    lines = page().splitlines()
    rows = [row for interface in INTERFACES for row in methods_of(interface)]
    assert len(rows) >= 90
    for row in rows:
        assert any(f" {row.name}(" in line and f"| {row.level} |" in line for line in lines), row.name
