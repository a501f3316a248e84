"""`python -m hypervisor.shell.guests`, which is what `scripts/fetch_guests` runs.

Exit status: 0 the guests are there, 1 they are not (a mirror failed, the cache is damaged), 2 something named is wrong.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .cache import Cache, default_root
from .catalog import Guest, catalog
from .errors import GuestError, GuestMissing, UsageError
from .guest_file import GuestFile, resolve
from .lock import pinned

Names = Annotated[list[str] | None, typer.Argument(metavar="[GUEST]...", help="Such as debian:marvell; all when none.")]
Mirror = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A Debian mirror (or a folder): what holds dists/ and pool/. Otherwise "
                 "CELLVISOR_DEBIAN_MIRROR, or the one in this machine's apt configuration."),
]  # fmt: skip
Keys = Annotated[Path | None, typer.Option(metavar="FILE", help="Trust the keys in this file instead of Debian's.")]
Unsigned = Annotated[bool, typer.Option("--no-check-signature", help="Do not check who signed; recorded as unchecked.")]
Update = Annotated[bool, typer.Option("--update", help="Take the newest versions, not the pinned ones.")]
Check = Annotated[bool, typer.Option("--check", help="Only verify what is in the cache; no network.")]
Json = Annotated[bool, typer.Option("--json", help="The guests as JSON on stdout, nothing else there.")]

notes = Console(stderr=True)


def main(
    guests: Names = None,
    mirror: Mirror = None,
    keyring: Keys = None,
    unsigned: Unsigned = False,
    update: Update = False,
    check: Check = False,
    as_json: Json = False,
) -> None:
    """Fetch the unmodified Debian kernels, shells, drivers, and a root and a disk with Debian's tools, into the user's cache."""
    try:
        wanted = [one for name in guests for one in catalog().named(name)] if guests else list(catalog().guests)
        if not check:
            fetch(wanted, mirror, keyring, unsigned, update)
        found = [resolve(guest.name, guest.architecture) for guest in wanted]
    except GuestMissing as problem:
        raise _end(problem, 1) from None
    except UsageError as problem:
        raise _end(problem, 2) from None
    except GuestError as problem:
        raise _end(problem, 1) from None
    except KeyboardInterrupt:
        raise _end("interrupted; the next fetch goes on from here", 130) from None
    show(found, as_json)
    if update:
        notes.print(f"its lock: {Cache(default_root()).lock_file}", highlight=False, soft_wrap=True)


def fetch(guests: list[Guest], mirror: str | None, keys: Path | None, unsigned: bool, update: bool) -> None:
    """Fetch, with bars. The network's and OpenPGP's libraries are imported here: `--check` does not need them."""
    from .fetch import Fetcher
    from .mirrors import mirrors
    from .progress import Bars
    from .signature import NoCheck, keyring

    book = catalog()
    trust = NoCheck() if unsigned else keyring(keys)
    with Bars(notes) as bars:
        places = partial(mirrors, mirror, book.suite)
        Fetcher(book, pinned(), Cache(default_root()), places, trust, bars, update).fetch(guests)


def show(found: list[GuestFile], as_json: bool) -> None:
    """The guests that are there, as a table or as JSON."""
    if as_json:
        typer.echo(json.dumps([one.record() | {"path": str(one.path)} for one in found], indent=2))
        return
    table = Table("guest", "architecture", "package", "version", "bytes", "SHA-256", box=None, header_style="bold")
    for one in found:
        size = f"{one.path.stat().st_size:,}"
        table.add_row(one.name, one.architecture, one.package, one.version, size, one.sha256[:16])
    Console(width=None if Console().is_terminal else 140).print(table)
    typer.echo(f"in {default_root()}")


def _end(problem: object, status: int) -> typer.Exit:
    notes.print(f"fetch_guests: {problem}", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
