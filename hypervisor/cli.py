"""The `cellvisor` command. Thin: it reads options, calls the Python interface, and prints.

What a command needs is imported when it runs: `cellvisor kill` is done before `cellvisor run` has loaded its engine.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated, Any

import typer

from hypervisor.commands import again, bench, inject, judge, operate, start, sweep
from hypervisor.version import VERSION

app = typer.Typer(
    name="cellvisor",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An embedded device split into isolated cells, in deterministic virtual time.",
    epilog="Try: [bold]cellvisor run hello[/], [bold]cellvisor run ticker --for 3s[/], "
    "[bold]cellvisor boot debian:marvell[/]",
)

GROUPS = (start, judge, inject, sweep, operate, again, bench)
"""In the order of the help."""

for group in GROUPS:
    app.registered_commands += group.app.registered_commands


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"cellvisor {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """What comes before a command's name."""


def main() -> None:
    """The command's entry: `app`, with a wrong use of it told as one line too."""
    gc.set_threshold(20_000)  # what is imported stays: going through it a hundred times takes a tenth of the start
    try:
        status: Any = app(prog_name="cellvisor", standalone_mode=False)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        where = getattr(getattr(error, "ctx", None), "command_path", "cellvisor")
        why = usage().replace("Value error, ", "")
        if why:  # else the help was shown
            print(f"cellvisor: {why} (see {where} --help)", file=sys.stderr)
        status = 2
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
