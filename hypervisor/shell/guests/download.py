"""Bytes from a mirror: with a limit, with a hash, and picked up where they stopped.

    download("http://.../x.deb", Path("x.deb"), Expected(sha256, size), report, "x")

A transfer goes to `x.deb.part`; a later try asks the server for the rest. Only a file whose size and SHA-256 are right
gets its name, by rename, so a file with the final name is whole. Proxies are those of the environment (urllib reads
http_proxy and the like).
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from .errors import FetchError, NotThereError
from .hashes import Expected

TIMEOUT = 60.0  # seconds without a byte
TRIES = 4
CHUNK = 1 << 16
MISSING = (404, 410)
PARTIAL, UNSATISFIABLE = 206, 416


class Report(Protocol):
    """Whoever watches."""

    def note(self, line: str) -> None:
        """Something worth a line."""

    def transfer(self, what: str, total: int, done: int) -> Callable[[int], None]:
        """A transfer begins, with `done` bytes already there; call the result with each further count."""


def read(url: str, limit: int) -> bytes:
    """A small file, whole. Raises NotThereError, FetchError."""
    with _open(url, 0) as answer:
        try:
            content = answer.read(limit + 1)
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(f"{url}: {error}") from None
    if len(content) > limit:
        raise FetchError(f"{url}: larger than {limit} bytes")
    return content


def download(url: str, target: Path, expected: Expected, report: Report, what: str) -> Path:
    """Get a file whose hash is known, unless it is there; `what` names it to people. Raises FetchError."""
    if expected.fits(target):
        return target
    part = target.with_name(target.name + ".part")
    problem = ""
    for _ in range(TRIES):
        try:
            _transfer(url, part, expected, partial(report.transfer, what))
        except NotThereError:
            raise
        except (OSError, http.client.HTTPException, FetchError) as error:
            problem = str(error) or type(error).__name__
            continue
        if expected.fits(part):
            return part.replace(target)
        problem = _what_is_wrong(part, expected)
    raise FetchError(f"{url}: {problem}")


def _what_is_wrong(part: Path, expected: Expected) -> str:
    """Say it, and drop the bytes when they are all there and still wrong (a short file is kept: the rest may come)."""
    size = part.stat().st_size
    if size < expected.size:
        return f"the transfer ended after {size} of {expected.size} bytes"
    part.unlink()
    return f"its SHA-256 is not {expected.sha256}, which the signed index gives"


def _transfer(url: str, part: Path, expected: Expected, begin: Callable[[int, int], Callable[[int], None]]) -> None:
    done = part.stat().st_size if part.exists() else 0
    if done >= expected.size:
        part.unlink()
        done = 0
    with _open(url, done) as answer:
        resumed = getattr(answer, "status", None) == PARTIAL
        done = done if resumed else 0
        advance = begin(expected.size, done)
        with part.open("ab" if resumed else "wb") as file:
            while done < expected.size and (chunk := answer.read(min(CHUNK, expected.size - done))):
                file.write(chunk)
                done += len(chunk)
                advance(len(chunk))


def _open(url: str, offset: int) -> IO[bytes]:
    request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        answer: IO[bytes] = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == UNSATISFIABLE and offset:
            return _open(url, 0)
        kind = NotThereError if error.code in MISSING else FetchError
        raise kind(f"{url}: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        kind = NotThereError if isinstance(error.reason, FileNotFoundError) else FetchError
        raise kind(f"{url}: {getattr(error.reason, 'strerror', None) or error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"{url}: {error}") from None
    return answer
