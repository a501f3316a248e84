"""Where things lie: topologies, images, kernels, guest modules.

Only paths typed by a user depend on the working directory, and nothing that belongs to a user is imported or run.

A Python guest "package.module:function" is looked for on Python's path, then in the topology's own directory, and its
source is only parsed: the names that the module binds at its top level tell whether the function is there.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import tokenize
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.resources import files
from pathlib import Path
from typing import Any

from boards import toml
from hypervisor.shell.topology.problems import Problem, TopologyError, nearest
from hypervisor.shell.topology.toml_text import render_toml

FROM_PYTHON = "<python>"
"""What stands for the file's name when a caller passed a dict."""


@dataclass(frozen=True)
class Source:
    """A topology as it was found. `directory` is where its relative paths begin."""

    label: str
    stem: str
    text: str
    data: Mapping[str, Any]
    directory: Path | None


def topologies() -> Path:
    """The directory of the built-in topologies."""
    return Path(str(files("boards"))) / "topologies"


def images() -> Path:
    """The directory of the built-in bare-metal images."""
    return Path(str(files("cells"))) / "programs" / "arm" / "images"


def kernels() -> Path:
    """The directory of our own paravirtual kernel: an image for each flavour, and its initial RAM disk."""
    return Path(str(files("cells"))) / "wren" / "images"


def programs() -> Path:
    """The directory of the guest programs that come with the project."""
    return Path(str(files("cells"))) / "programs"


def policies() -> Path:
    """The directory of the built-in policies."""
    return Path(str(files("boards"))) / "policies"


def built_in(directory: Path, suffix: str) -> list[str]:
    """Names of the built-in files of a kind."""
    return sorted(path.stem for path in directory.glob(f"*{suffix}"))


def read_topology(source: str | Path | Mapping[str, Any]) -> Source:
    """A topology by built-in name, by path, or as the dict itself.

    Raises:
        TopologyError: there is no such file, or it is not TOML.
    """
    if isinstance(source, Mapping):
        return Source(FROM_PYTHON, "python", render_toml(source), source, None)
    path = _topology_path(source)
    try:
        text = path.read_text(encoding="utf-8")
        return Source(str(source), path.stem, text, toml.loads(text), path.parent.resolve())
    except OSError as error:
        raise _alone(str(source), "", f"cannot be read: {error.strerror} (give a TOML file)") from None
    except UnicodeDecodeError as error:
        raise _alone(str(source), f"byte {error.start}", "is not UTF-8 text (give a TOML file)") from None
    except toml.TomlError as error:
        why, _, place = str(error).rpartition(" (")
        raise _alone(str(source), place.strip("()").removeprefix("at "), f"is not TOML: {why}") from None


def _topology_path(source: str | Path) -> Path:
    """The built-in file of this name, else the path itself."""
    known = built_in(topologies(), ".toml")
    if isinstance(source, str) and source in known:
        return topologies() / f"{source}.toml"
    path = Path(source)
    if not _exists(path):
        what = "no such file" if _is_path(str(source)) else "no built-in topology has this name, and no file"
        raise _alone(str(source), "", f"{what} ({nearest(path.stem, known)})")
    return path


def _exists(path: Path) -> bool:
    """Whether there is something; a name that the host cannot even have is nothing."""
    try:
        return path.exists()
    except OSError:
        return False


def _alone(file: str, key: str, why: str) -> TopologyError:
    return TopologyError([Problem(file, key, why)])


def _is_path(text: str) -> bool:
    return "/" in text or text.endswith((".toml", ".elf"))


def under(directory: Path | None, text: str) -> Path:
    """A path of the file: relative ones begin where the file lies."""
    path = Path(text)
    with suppress(RuntimeError):  # "~somebody" who does not exist stays as it is
        path = path.expanduser()
    return (directory or Path()) / path


def of_users(directory: Path | None) -> Path | None:
    """Where files that a run writes lie: not among the built-in topologies, which are part of an installation."""
    return None if directory == topologies().resolve() else directory


def find_file(text: str, directory: Path | None) -> Path:
    """The file at a path of the topology.

    Raises:
        ValueError: there is none.
    """
    path = under(directory, text)
    if _exists(path) and path.is_file():
        return path.resolve()
    what = " (it is no plain file)" if _exists(path) else ""
    raise ValueError(f'there is no file "{text}"{what}')


KERNEL = "wren"
"""The name of our own kernel: of its image for the run's flavour, and of its initial RAM disk."""


PHONE = "phone"
"""The name of the root with the phone's user interface."""
ROOTS = (KERNEL, PHONE)
"""Names of roots of ours."""


def find_image(text: str, directory: Path | None, flavour: str = "") -> Path:
    """A bare-metal image by built-in name or path. "wren" is the one for `flavour`, "wren.native" that one whatever it is.

    Raises:
        ValueError: there is none.
    """
    own = {name: kernels() / f"{name}.elf" for name in built_in(kernels(), ".elf")}
    if text == KERNEL:
        text = f"{KERNEL}.{flavour}"
    return own.get(text) or _named(text, directory, images(), ".elf", "image", [KERNEL, *own])


def task_images() -> Path:
    """The directory of the built-in images of the real-time personality."""
    return Path(str(files("cells"))) / "personalities" / "rtos" / "image" / "images"


def find_task_image(text: str, directory: Path | None) -> Path:
    """An image with tasks of the real-time personality, by built-in name or path.

    Raises:
        ValueError: there is none.
    """
    return _named(text, directory, task_images(), ".elf", "image of tasks")


def find_ramdisk(text: str, directory: Path | None) -> Path:
    """An initial RAM disk or root: "wren" is the one of our own kernel, "phone" the phone's, everything else a path.

    Raises:
        ValueError: there is none.
    """
    own = {KERNEL: kernels() / "initramfs.cpio", PHONE: programs() / "phone" / "images" / "phone.cpio"}
    return own.get(text) or find_file(text, directory)


def _named(text: str, directory: Path | None, ours: Path, suffix: str, what: str, more: Sequence[str] = ()) -> Path:
    """A file of ours by its name, else the user's at a path. `more`: names for which the caller has files."""
    known = built_in(ours, suffix)
    if text in known:
        return ours / f"{text}{suffix}"
    known += more
    try:
        return find_file(text, directory)
    except ValueError as error:
        if _is_path(text):
            raise
        raise ValueError(f'no built-in {what} is called "{text}"; {nearest(text, known)}') from error


def find_policy(text: str, directory: Path | None) -> Path:
    """A policy by built-in name or path.

    Raises:
        ValueError: there is none.
    """
    return _named(text, directory, policies(), ".toml", "policy")


def check_guest(text: str, directory: Path | None) -> Path | None:
    """The source file of a Python guest, or None if it has none that could be read.

    Raises:
        ValueError: no such module or function.
    """
    module, colon, function = text.partition(":")
    if not colon or not function.isidentifier():
        raise ValueError(f'"{text}" does not name a function; write "module:function"')
    spec = find_module(module, directory)
    if spec is None:
        raise ValueError(f'there is no module "{module}" (on Python\'s path or beside the topology)')
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    names = _bound_names(path)
    if function not in names and "*" not in names:
        raise ValueError(f'module "{module}" has no function "{function}"; {nearest(function, sorted(names))}')
    return path


def find_module(name: str, directory: Path | None) -> ModuleSpec | None:
    """Where a module would be imported from. Its packages are walked, not imported: importing runs code."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    search: list[str] | None = [*sys.path, *([str(directory)] if directory else [])]
    spec = None
    for at in range(len(parts)):
        if search is None:
            return None
        spec = PathFinder.find_spec(".".join(parts[: at + 1]), search) or (_elsewhere(parts[0]) if at == 0 else None)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else None
    return spec


def _elsewhere(package: str) -> ModuleSpec | None:
    """A package that is on no path, as one of an editable installation (ours too, by `./scripts/run`): its finder says where."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(package, None) if find is not None and finder is not PathFinder else None
        if spec is not None and spec.submodule_search_locations is not None:
            return spec
    return None


def module_exists(name: str, directory: Path | None) -> bool:
    """Whether a module can be imported, built-in ones included."""
    return name in sys.builtin_module_names or find_module(name, directory) is not None


def _bound_names(path: Path) -> set[str]:
    """What a module binds at its top level, `*` for names that cannot be known.

    Raises:
        ValueError: it is not Python.
    """
    try:
        with tokenize.open(path) as file:
            tree = ast.parse(file.read(), filename=path.name)
    except SyntaxError as error:
        raise ValueError(f'"{path.name}" is not Python (line {error.lineno or 1})') from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f'"{path.name}" cannot be read: {error}') from None
    return {name for statement in tree.body for name in _names_of(statement)}


def _names_of(node: ast.AST) -> set[str]:
    """The names that a statement binds; blocks such as `if` and `try` are looked into, functions are not."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign):
        return {node.target.id} if isinstance(node.target, ast.Name) else set()
    return {name for child in ast.iter_child_nodes(node) for name in _names_of(child)}


def sha256(path: Path) -> str:
    """The hash by which a run names a binary."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
