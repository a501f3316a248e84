"""What the commands do that start something, without their options: each function returns the exit status."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hypervisor.abi.counts import READY
from hypervisor.abi.time import NEVER
from hypervisor.api import Run, launch
from hypervisor.core.lives import KILLED
from hypervisor.shell import topology
from hypervisor.shell.account import show_account, show_json
from hypervisor.shell.human import human_time
from hypervisor.shell.operator import Operator
from hypervisor.shell.problems import InputError
from hypervisor.shell.progress import Progress
from hypervisor.shell.screen.beside import ScreenBeside, WebBeside
from hypervisor.shell.signals import Signals
from hypervisor.shell.summary import Summary
from hypervisor.shell.terminal import Consoles, Terminal


@dataclass(frozen=True)
class RunOptions:
    """What `run` and `boot` are told."""

    topology: str
    flavour: str | None = None
    overrides: tuple[str, ...] = ()
    duration: str | None = None
    seed: int | None = None
    out: Path | None = None
    link: str = "shm"
    pace: float | None = None
    sandbox: bool = True
    as_json: bool = False
    remote: tuple[str, ...] = ()
    listen: str = "tcp://127.0.0.1:*"
    ticket: Path | None = None
    cables: tuple[str, ...] = ()
    screen: bool = False
    web: bool = False
    port: int = 0
    snapshot: Path | None = None
    at_mark: int = READY
    resume: Path | None = None

    @property
    def watched(self) -> bool:
        """Whether a person looks at its displays: it then keeps the wall clock's pace, and goes on until told otherwise."""
        return self.screen or self.web

    def refuse_views(self, beside: str) -> None:
        """Raises:
        InputError: somebody wants to look, which makes no sense with another option.
        """
        if self.watched:
            raise InputError(f"{beside}: there is nothing to look at with --screen or --web")


def run(options: RunOptions, description: Mapping[str, Any] | None = None) -> int:
    """Run a topology to its end, with a terminal as console if there is one; print the account."""
    if options.pace is not None and not options.pace > 0:
        raise InputError(f"--pace: must be more than 0, not {options.pace:g} (1.0 is real time)")
    if options.screen and not is_interactive(options):
        raise InputError("--screen: needs a terminal, and no --json (--web shows it in a browser)")
    with Signals() as signals:
        with start(options, description) as it:
            with ExitStack() as stack:
                operator = Operator(it)
                stack.callback(operator.close)
                if options.web:
                    page = stack.enter_context(WebBeside(options.port))
                    print(f"live: {page.url}", file=sys.stderr)
                _drive(it, options, signals)
            summary = it.summary()
            _tell(summary, options)
        for board in it.joined.boards:
            if board.summary is not None and not options.as_json:
                _tell(board.summary, options)
        if options.out and not options.as_json:
            _tell_pictures(options.out, it)
            print(f"run directory: {options.out}")
        if options.snapshot is not None:
            _tell_snapshot(it, options)
    return signals.status or max(status_of(summary), *(board.status or 0 for board in it.joined.boards), 0)


def mark_of(text: str | None, snapshot: Path | None) -> int:
    """The mark at which a snapshot is taken.

    Raises:
        InputError: it is no number, or none is taken; all else that is wrong the launch finds.
    """
    if text is None:
        return READY
    if snapshot is None:
        raise InputError("--at-mark: says when --snapshot FILE is taken; give that, too")
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise InputError(f'--at-mark: "{text}" is no number of 32 bits (write for example 0xb007)')
    return number


def start(options: RunOptions, description: Mapping[str, Any] | None = None) -> Run:
    """Launch what the options say."""
    return launch(
        description if description is not None else options.topology,
        flavour=options.flavour,
        seed=options.seed,
        overrides=options.overrides,
        duration=options.duration,
        out=options.out,
        link=options.link,
        sandbox=options.sandbox,
        remote=options.remote,
        listen=options.listen,
        ticket=options.ticket,
        cables=dict(_cable(text) for text in options.cables),
        snapshot=options.snapshot,
        at_mark=options.at_mark,
        resume=options.resume,
    )


def _cable(text: str) -> tuple[str, str]:
    """ "DEVICE=ENDPOINT"."""
    device, equals, endpoint = text.partition("=")
    if not equals or "://" not in endpoint:
        raise InputError(
            f'--cable: "{text}" is not DEVICE=ENDPOINT (write for example nic0=tcp://192.0.2.7:5555,nic0.cable)'
        )
    return device, endpoint


def _tell(summary: Summary, options: RunOptions) -> None:
    if options.as_json:
        show_json(summary, sys.stdout)
    else:
        show_account(summary, Console(highlight=False))


def _tell_snapshot(it: Run, options: RunOptions) -> None:
    """Raises:
    InputError: the mark has not come, or it could not be taken there.
    """
    if not it.snapshots.size:
        raise InputError(f"--at-mark {options.at_mark:#x}: {options.snapshot} is not written: {it.snapshots.why}")
    if not options.as_json:
        print(f"snapshot: {options.snapshot} ({it.snapshots.size:,} bytes)")


def _tell_pictures(out: Path, it: Run) -> None:
    """Where the last picture of each display is, and of each cell that took one; and how to see the next ones live."""
    last = {path.name.rpartition("-")[0]: path for path in sorted((out / "frames").glob("*.png"))}
    for name, path in last.items():
        print(f"picture of {name}: {path}")
    if last:
        print(f"live: cellvisor run {it.topology.name} --screen (in this terminal), --web (in a browser)")


def status_of(summary: Summary) -> int:
    """1 when a cell failed, else 0. A cell that somebody killed did not fail."""
    failed = [cell for cell in summary.cells.values() if cell.state == "failed" and not _was_killed(cell.why)]
    return 1 if failed else 0


def _was_killed(why: str) -> bool:
    return why == KILLED or why.startswith(f"{KILLED};")  # with what its policy says of it


def _drive(it: Run, options: RunOptions, signals: Signals) -> None:
    """Let it run: on a terminal that is a cell's console, at the wall clock's pace and without end unless told."""
    console = it.topology.console
    end = _end(it, options)
    if options.watched:
        it.touch_by_hand()
    if options.screen:
        with ScreenBeside(it.interrupt) as screen:
            it.sources.append(screen)
            _until(it, end, options.pace or 1.0, signals)
            it.sources.remove(screen)
        return
    if console is not None and is_interactive(options):
        print(f"console of {console}; Ctrl-] leaves and ends the run", file=sys.stderr)
        cell = it.topology.cell(console)
        window = cell.terminal if cell.kind == "personality" else None  # a UART knows of none
        with Terminal(console, it.interrupt, window) as terminal:
            it.on_output.append(terminal.output)
            it.sources.append(terminal)
            it.ticks.append(lambda: None if it.monitor.finished else terminal.tell_end(it.cell(console)))
            _until(it, end, options.pace or 1.0, signals)
        return
    drive_unattended(it, options, signals, talk=not options.as_json, end=end)


def _end(it: Run, options: RunOptions) -> int:
    """When it ends by itself: where a person looks on, only if asked to."""
    duration = it.topology.duration
    looked_at = is_interactive(options) and (options.watched or it.topology.console is not None)
    return NEVER if duration is None or (looked_at and options.duration is None) else duration


def drive_unattended(it: Run, options: RunOptions, signals: Signals, *, talk: bool, end: int | None = None) -> None:
    """Let it run to `end`, or the topology's, without anybody at a console. `talk`: show what the cells say."""
    end = end or it.topology.duration or NEVER
    with Progress(it.topology.board.clock_hz, end, enabled=_shows_progress(options)) as progress, ExitStack() as stack:
        if talk:
            consoles = Consoles(clear=progress.live and sys.stdout.isatty())
            it.on_output.append(consoles)
            stack.callback(consoles.close)
        it.ticks.append(lambda: _tick(it, progress))
        _until(it, end, options.pace or (1.0 if options.watched else None), signals)


def is_interactive(options: RunOptions) -> bool:
    """A person is at both ends."""
    return not options.as_json and sys.stdin.isatty() and sys.stdout.isatty()


def _shows_progress(options: RunOptions) -> bool:
    """Not beside JSON, nor over what the next program of a pipe prints on the same terminal."""
    try:
        piped = stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:  # a notebook's
        piped = False
    return not options.as_json and not piped


def _until(it: Run, end: int, pace: float | None, signals: Signals) -> None:
    """To the end, or to Ctrl-C or Ctrl-]."""
    with signals.ending(it.interrupt):
        if pace is not None:
            it.until_paced(end, pace)
        else:
            it.until(end)


def _tick(it: Run, progress: Progress) -> None:
    cells = it.monitor.cells
    insns = sum(cell.account.insns for cell in cells)
    progress.tick(it.now, insns, lambda: {cell.name: str(cell.shown_state()) for cell in cells})


# ---- check, replay, cell


def check(name: str, flavour: str | None, overrides: tuple[str, ...], as_json: bool) -> int:
    """All problems of a topology."""
    problems = topology.check(name, overrides=overrides, flavour=flavour)
    if as_json:
        print(json.dumps([dataclasses.asdict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            print(problem)
        if not problems:
            print(f"{name}: no problems")
    return 2 if problems else 0


@dataclass(frozen=True)
class ReplayOptions:
    """What `replay` is told."""

    directory: Path
    until: str | None
    files: Path | None
    link: str
    as_json: bool


def replay(options: ReplayOptions) -> int:
    """A recorded run once more; 1 if it went another way."""
    from hypervisor.shell.rerun import Outcome, rerun  # the rest needs none of it

    with ExitStack() as stack, Signals() as signals:

        def watch(it: Run) -> None:
            duration = it.topology.duration or NEVER
            progress = Progress(it.topology.board.clock_hz, duration, enabled=not options.as_json)
            stack.enter_context(progress)
            stack.enter_context(signals.ending(it.interrupt))
            it.ticks.append(lambda: _tick(it, progress))

        outcome: Outcome = rerun(
            options.directory, link=options.link, until=options.until, files=options.files, started=watch
        )
    if options.as_json:
        print(json.dumps({"equal": outcome.difference is None, **dataclasses.asdict(outcome)}, indent=2))
    elif (difference := outcome.difference) is not None:
        print(f"{options.directory / 'trace.jsonl'}: line {difference.line} is the first difference")
        print(f"recorded: {difference.recorded or 'nothing more'}")
        print(f"replayed: {difference.replayed or 'nothing more'}")
    else:
        up_to = f"up to {human_time(outcome.time, outcome.hz)}, sha256 {outcome.sha256}"
        stopped = f"before {human_time(outcome.time, outcome.hz)}" if options.until else "as far as it went"
        print(f"the same trace, {outcome.lines} lines {up_to if outcome.whole else stopped}")
    return signals.status or (0 if outcome.difference is None else 1)


def join(endpoint: str, ticket: Path, *, sandbox: bool) -> int:
    """Be a remote cell."""
    from hypervisor.shell.join import join as be_cell

    status, said = be_cell(endpoint, ticket, sandbox=sandbox)
    if status:
        print(f"cellvisor: {said}", file=sys.stderr)
    return 1 if status else 0
