"""`cellvisor check IMAGE`: which of an image's instructions need privileges. Exit status 1 if there is any."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from hypervisor.abi.sensitive import MEANING
from hypervisor.shell.human import printable
from hypervisor.shell.problems import InputError
from hypervisor.shell.sensitive.code import Code, code_of
from hypervisor.shell.sensitive.scan import Found, scan
from hypervisor.shell.topology import sources

_TOML = ".toml"
_ELF, _ZIMAGE_MAGIC, _ZIMAGE_MAGIC_AT = b"\x7fELF", b"\x18\x28\x6f\x01", 0x24


def find_image(name: str) -> Path | None:
    """The image that is meant, None if it is a topology: an image of ours by name, or a file that is no text."""
    path = Path(name)
    if path.suffix == _TOML or name in sources.built_in(sources.topologies(), _TOML):
        return None
    if path.is_file():
        return path if _is_binary(path) else None
    try:
        return sources.find_image(name, None)
    except ValueError:
        return None


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4096)
    return start.startswith(_ELF) or start[_ZIMAGE_MAGIC_AT:][:4] == _ZIMAGE_MAGIC or b"\0" in start


def check_image(path: Path, name: str, as_json: bool) -> int:
    """List them.

    Raises:
        ImageError: it is no image.
    """
    try:
        beside = path.with_suffix(".map")
        code = code_of(name, path.read_bytes(), beside.read_text(errors="replace") if beside.is_file() else None)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    found = list(scan(code))
    if as_json:
        json.dump(_plain(code, found), sys.stdout, indent=2)
        print()
    else:
        _show(code, found)
    return 1 if found else 0


def _counts(found: list[Found]) -> dict[str, int]:
    counted = Counter(each.rule.fate for each in found)
    return {fate.value: counted[fate] for fate in MEANING}


def _plain(code: Code, found: list[Found]) -> dict[str, Any]:
    return {
        "file": code.file,
        "inexact": code.why_inexact,
        "counts": _counts(found),
        "instructions": [
            {
                "address": each.address,
                "symbol": each.symbol,
                "word": each.word,
                "text": each.text,
                "class": each.rule.fate.value,
                "kind": each.rule.name,
                "in_user_mode": each.rule.does,
                "manual": each.rule.manual,
            }
            for each in found
        ],
    }


def _show(code: Code, found: list[Found]) -> None:
    name = printable(code.file)
    if not found:
        print(f"{name}: no sensitive instruction: it can run in user mode")
        return
    names = max(len(printable(each.symbol)) for each in found)
    texts = max(len(printable(each.text)) for each in found)
    for each in found:
        symbol, text = printable(each.symbol).ljust(names), printable(each.text).ljust(texts)
        print(f"{each.address:08x}  {symbol}  {text}  {each.rule.fate.value}")
    counts = _counts(found)
    print(f"\n{name}: {len(found)} sensitive instruction{'s' * (len(found) > 1)}")
    for fate, meaning in MEANING.items():
        if counts[fate.value]:
            print(f"{counts[fate.value]:6} {fate.value}: {meaning}")
    print()
    for rule in dict.fromkeys(each.rule for each in found):
        print(f"{rule.name}: {rule.does} ({rule.manual})")
    if code.why_inexact:
        print(f"inexact: {code.why_inexact}")
