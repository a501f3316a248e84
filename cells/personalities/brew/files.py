"""IFileMgr and IFile: files in the cell's memory, of which each module has its own, and `shared/`.

Theory: a name is relative to the module's directory; no name leads out of it, since names are compared and never walked. What
all files together may take is bounded, those among them that were removed and are still open. Files outlive applets and modules,
not the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.brew.codes import Error, Mode, Seek
from cells.personalities.brew.crime import Refusal
from cells.personalities.brew.method import Notify, method
from cells.personalities.brew.object import Object

if TYPE_CHECKING:
    from cells.personalities.brew.module import Module

SPACE, MOST = 512 << 10, 256
"""Bytes and number of all files of the cell."""
NAME_LIMIT = 63
SHARED = "shared/"
BYTES_PER_CYCLE = 2


class Store:
    """All files by "module/name"; a directory is a name with None behind it."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray | None] = {}
        self.open: list[File] = []

    @property
    def free(self) -> int:
        """Bytes that are left."""
        contents = [*self.files.values(), *(file.content for file in self.open)]
        return SPACE - sum(len(data) for data in {id(data): data for data in contents if data is not None}.values())

    def path(self, module: Module, name: str) -> str:
        """Where a module's name leads.

        Raises:
            Refusal: EBADFILENAME.
        """
        name = name.removeprefix("fs:/~/")
        parts = name.split("/")
        if not 0 < len(name) <= NAME_LIMIT or any(part in ("", ".", "..") for part in parts) or not name.isprintable():
            raise Refusal(Error.EBADFILENAME)
        return name if name.startswith(SHARED) else f"{module.name}/{name}"

    def add(self, path: str, content: bytearray | None) -> bytearray | None:
        """A new one.

        Raises:
            Refusal: EFILEEXISTS, EFSFULL, or EFILENOEXISTS for the directory.
        """
        if path in self.files:
            raise Refusal(Error.EFILEEXISTS)
        if len(self.files) >= MOST:
            raise Refusal(Error.EFSFULL)
        folder = path.rpartition("/")[0]
        if folder.count("/") and self.files.get(folder, b"") is not None:
            raise Refusal(Error.EFILENOEXISTS)
        self.files[path] = content
        return content


class File(Object):
    """An open file. It keeps its content if it is removed meanwhile."""

    NAME = "IFile"

    def __init__(self, module: Module, content: bytearray, mode: int) -> None:
        super().__init__(module)
        self.content, self._writes = content, bool(mode & (Mode.READWRITE | Mode.CREATE | Mode.APPEND))
        self._at = len(content) if mode & Mode.APPEND else 0

    def gone(self) -> None:
        """See `Object`."""
        self.module.system.store.open.remove(self)

    def _worked(self, count: int) -> int:
        self.module.system.port.work(count // BYTES_PER_CYCLE)
        return count

    @method("void Readable(notify call)")
    def readable(self, call: Notify) -> None:
        """Call back when there is something to read, which is soon."""
        if call.function:
            self.module.system.call_later(self.module, call)

    @method("int Read(room memory)")
    def read(self, size: int) -> tuple[int, bytes]:
        """Bytes from where it stands; how many, 0 at the end."""
        data = bytes(self.content[self._at : self._at + size])
        self._at += len(data)
        return self._worked(len(data)), data

    @method("int Write(data bytes)")
    def write(self, data: bytes) -> int:
        """How many were written: 0 if it may not, or the store is full."""
        grows = max(self._at + len(data) - len(self.content), 0)
        if not self._writes or grows > self.module.system.store.free:
            return 0
        self.content[self._at : self._at + len(data)] = data
        self._at += len(data)
        return self._worked(len(data))

    @method("int GetInfo(out_info info)")
    def get_info(self) -> tuple[int, tuple[int, int, int, int]]:
        """Size, and where it stands."""
        return Error.SUCCESS, (len(self.content), self._at, 0, 0)

    @method("int Seek(word from, int distance)", "a position behind the end is EBADSEEKPOS")
    def seek(self, origin: int, distance: int) -> int:
        """Stand elsewhere."""
        bases = {Seek.START: 0, Seek.END: len(self.content), Seek.CURRENT: self._at}
        to = bases.get(Seek(origin), 0) + distance if origin in set(Seek) else -1
        if not 0 <= to <= len(self.content):
            return Error.EBADSEEKPOS
        self._at = to
        return Error.SUCCESS

    @method("int Truncate(word size)")
    def truncate(self, size: int) -> int:
        """Forget what is behind."""
        if not self._writes or size > len(self.content):
            return Error.EFAILED
        del self.content[size:]
        self._at = min(self._at, size)
        return Error.SUCCESS


class FileMgr(Object):
    """The files of a module."""

    NAME = "IFileMgr"

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._error: int = Error.SUCCESS
        self._left: list[str] = []

    def _path(self, name: str) -> str:
        return self.module.system.store.path(self.module, name)

    def _done(self, code: int) -> int:
        """Remember it for GetLastError."""
        self._error = code
        return Error.SUCCESS if code == Error.SUCCESS else Error.EFAILED

    def _tried(self, name: str, action: str) -> int:
        files = self.module.system.store.files
        try:
            path = self._path(name)
            if path not in files:
                return self._done(Error.EFILENOEXISTS)
            is_folder = files[path] is None
            if is_folder != (action == "RmDir"):
                return self._done(Error.EBADFILENAME)
            if any(other.startswith(path + "/") for other in files):
                return self._done(Error.EDIRNOTEMPTY)
            del files[path]
        except Refusal as refusal:
            return self._done(refusal.code)
        return self._done(Error.SUCCESS)

    @method("pointer OpenFile(text name, word mode)")
    def open_file(self, name: str, mode: int) -> File | None:
        """An IFile; none if there is no such file, or, with _OFM_CREATE, if there is one."""
        store = self.module.system.store
        try:
            path = self._path(name)
            content = store.add(path, bytearray()) if mode & Mode.CREATE else store.files.get(path)
            if content is None:
                raise Refusal(Error.EFILENOEXISTS)
            found = self.module.objects.add(File(self.module, content, mode))
            store.open.append(found)
        except Refusal as refusal:
            self._error = refusal.code
            return None
        self._error = Error.SUCCESS
        return found

    @method("int GetInfo(text name, out_info info)")
    def get_info(self, name: str) -> tuple[int, tuple[int, int, int, int] | None]:
        """Size, and 1 for a directory."""
        try:
            found = self.module.system.store.files.get(path := self._path(name))
            if found is None and path not in self.module.system.store.files:
                raise Refusal(Error.EFILENOEXISTS)
        except Refusal as refusal:
            return self._done(refusal.code), None
        return self._done(Error.SUCCESS), (len(found or b""), int(found is None), 0, 0)

    @method("int Remove(text name)")
    def remove(self, name: str) -> int:
        """Delete a file."""
        return self._tried(name, "Remove")

    @method("int MkDir(text name)")
    def mk_dir(self, name: str) -> int:
        """Make a directory."""
        try:
            self.module.system.store.add(self._path(name), None)
        except Refusal as refusal:
            return self._done(refusal.code)
        return self._done(Error.SUCCESS)

    @method("int RmDir(text name)")
    def rm_dir(self, name: str) -> int:
        """Delete an empty directory."""
        return self._tried(name, "RmDir")

    @method("int Test(text name)")
    def test(self, name: str) -> int:
        """Whether there is one."""
        return self.get_info(name)[0]

    @method("word GetFreeSpace()", "no total")
    def get_free_space(self) -> int:
        """Bytes that files may still take."""
        return max(self.module.system.store.free, 0)

    @method("int GetLastError()")
    def get_last_error(self) -> int:
        """Why the last call failed."""
        return self._error

    @method("int EnumInit(text folder, flag folders)", "the names of a module are one list: no folder is looked into")
    def enum_init(self, folder: str, folders: bool) -> int:
        """Begin to list files, or directories."""
        own = self.module.name + "/"
        files = self.module.system.store.files
        mine = [path for path in files if path.startswith(own)]
        self._left = [path.removeprefix(own) for path in mine if (files[path] is None) == folders]
        return Error.SUCCESS

    @method("flag EnumNext(out_name info)")
    def enum_next(self) -> tuple[bool, tuple[int, int, bytes] | None]:
        """Size, 1 for a directory, and name of the next one; False behind the last."""
        while self._left:
            name = self._left.pop(0)
            content = self.module.system.store.files.get(f"{self.module.name}/{name}", b"")
            return True, (len(content or b""), int(content is None), name.encode()[:NAME_LIMIT])
        return False, None
