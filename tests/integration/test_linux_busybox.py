"""Debian's own programs, unmodified, under the personality. Needs `scripts/fetch_guests`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisor.shell.guests import GuestMissing, resolve
from tests.support.session import Session, cellvisor

pytestmark = [pytest.mark.guests, pytest.mark.slow]

COMMANDS: tuple[tuple[str, str], ...] = (
    ("echo hello", "hello"),
    ("echo one two three | wc -w", "3"),
    ("printf '%s-%d\\n' a 7", "a-7"),
    ("for i in 3 1 2; do echo $i; done | sort", "1\n2\n3"),
    ("seq 1 5 | tr '\\n' ' '", "1 2 3 4 5 "),
    ("mkdir -p /tmp/a/b && ls /tmp/a", "b"),
    ("echo first > /tmp/f; echo second >> /tmp/f; cat /tmp/f", "first\nsecond"),
    ("wc -l < /tmp/f", "2"),
    ("cp /tmp/f /tmp/g && cmp /tmp/f /tmp/g && echo same", "same"),
    ("mv /tmp/g /tmp/h; ls -1 /tmp", "a\nf\nh"),
    ("ln -s f /tmp/l; readlink /tmp/l", "f"),
    ("head -n 1 /tmp/l", "first"),
    ("tail -n 1 /tmp/f", "second"),
    ("grep -n sec /tmp/f", "2:second"),
    ("sed 's/first/last/' /tmp/f", "last\nsecond"),
    ("awk '{ n += length($1) } END { print n }' /tmp/f", "11"),
    ("cut -c 1-3 /tmp/f", "fir\nsec"),
    ("md5sum < /tmp/f", "b00f5ebd2719660908505ec74f769ad0  -"),
    ("find /tmp -type f | sort", "/tmp/f\n/tmp/h"),
    ("echo /tmp/[fh]", "/tmp/f /tmp/h"),
    ("cat <<END\nhere $((6 * 7))\nEND", "here 42"),
    ("(cd /tmp && pwd)", "/tmp"),
    ("false; echo $?", "1"),
    ("true && echo yes || echo no", "yes"),
    ("nothing_there 2> /dev/null; echo $?", "127"),
    ("sh -c 'exit 5'; echo $?", "5"),
    ("sh -c 'sh -c \"kill -9 \\$\\$\"; echo $?' 2> /dev/null", "137"),
    ("sleep 1 & wait $!; echo $?", "0"),
    ("(trap 'echo caught' USR1; kill -USR1 $(sh -c 'echo $PPID'); echo after)", "caught\nafter"),
    ("yes | head -n 3", "y\ny\ny"),
    ("echo data | tee /tmp/t | cat; cat /tmp/t", "data\ndata"),
    ("x=$(echo nested $(echo deep)); echo $x", "nested deep"),
    ("tar -C /tmp -cf /tmp/x.tar f h && tar -tf /tmp/x.tar", "f\nh"),
    ("gzip -c /tmp/f | gunzip -c | tail -n 1", "second"),
    ("dd if=/dev/zero bs=1000 count=3 2> /dev/null | wc -c", "3000"),
    ("test -d /tmp/a && echo directory", "directory"),
    ("rm -r /tmp/a /tmp/x.tar; ls -1 /tmp", "f\nh\nl\nt"),
    ("stat -c %s /tmp/f", "13"),
    ("chmod 600 /tmp/f; stat -c %a /tmp/f", "600"),
    ("expr 6 \\* 7", "42"),
    ("printf 'b 2\\na 1\\n' | sort | while read key value; do echo $value$key; done", "1a\n2b"),
    ("grep -c Pid: /proc/self/status", "3"),
    ("uname -m | cut -c 1-3", "arm"),
)
"""Command, and what it prints."""


def need(name: str) -> None:
    try:
        resolve(name, "armel")
    except GuestMissing as missing:
        pytest.skip(str(missing))


def script(place: Path, shell: str, **options: str) -> list[str]:
    """What each command printed, from one run of them all in one shell."""
    need("debian:busybox")
    need(f"debian:{shell}")
    path = place / "script"
    path.write_text("".join(f"{command}\necho =$?=\n" for command, _ in COMMANDS))
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    done = cellvisor("exec", *given, "--file", f"{path}=/script", "--", *words, "/script", place=place)
    assert done.returncode == 0, done.stderr
    parts = done.stdout.split("=0=\n")
    assert parts.pop() == ""
    return [part.removesuffix("\n") for part in parts]


@pytest.mark.parametrize("shell", ["busybox", "bash"])
def test_a_script_of_many_commands_prints_what_it_prints_on_linux(shell: str, tmp_path: Path) -> None:
    said = script(tmp_path, shell)
    assert dict(zip((command for command, _ in COMMANDS), said, strict=True)) == dict(COMMANDS)


def test_it_is_the_same_under_each_flavour_and_on_each_kind_of_cpu(tmp_path: Path) -> None:
    places = [("native", "arm926"), ("l4", "arm1176"), ("xen", "beagle"), ("okl4", "pxa255")]
    said = [script(tmp_path, "busybox", flavour=flavour, board=board) for flavour, board in places]
    assert said.count(said[0]) == len(places)


def test_an_interactive_shell_has_job_control(tmp_path: Path) -> None:
    need("debian:busybox")
    with Session("exec", "--", "busybox", "sh", place=tmp_path) as session:
        session.expect("# ")
        session.type("sh -c 'echo up; sleep 1000'\r")
        session.expect("\nup\r\n")
        session.type("\x1a")
        session.expect("Stopped")
        session.type("jobs\r")
        session.expect("Stopped +sh -c")
        session.type("fg\r")
        session.expect("sh -c")
        session.type("\x03")
        session.expect("# ")
        session.type("echo status $?\r")
        session.expect("status 130")
        session.type("exit 4\r")
        assert session.wait() == 4
