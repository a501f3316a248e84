"""A cell that turns hostile is stopped, whatever it tries: see tests/support/attacks.py for the attacks.

Each runs in a cell of its own under a monitor of its own with bait laid out, once as whoever runs the tests and, when
that is root, once more as a plain user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.attacks import ATTACKS
from tests.support.native_attacks import TABLE
from tests.support.patience import PATIENCE_S
from tests.support.sandbox_lab import SECRET

ROOT = Path(__file__).parents[2]
PLAIN_USER = 12345
USERS = [None, PLAIN_USER] if os.getuid() == 0 else [None]

OFTEN_REFUSED_ANYWAY = {
    "become_root",  # a plain user
    "lock_memory",  # a plain user
    # Containers without ptrace, and the security module Yama:
    "open_the_memory_of_another_cell",
    "open_the_memory_file_of_another_cell",
    "steal_a_descriptor_of_another_cell",
    "steal_a_descriptor_of_the_monitor",
    "read_the_memory_of_another_cell",
    "read_the_memory_of_the_monitor",
    "trace_another_cell",
    "trace_the_monitor",
}
STOPPED_BY_SECCOMP_ALONE = {
    "look_whether_a_file_is_there",
    "replace_itself_by_another_program",
    "slow_the_monitor_down",
    "pin_the_monitor_elsewhere",
    "send_a_datagram",
    "connect_to_a_socket_in_a_directory",
    "make_a_pair_of_sockets",
    "take_memory_by_a_memory_file",
    "shrink_a_shared_segment",
    "seal_a_shared_segment",
    "reopen_a_read_only_segment_for_writing",
    "raise_a_limit",
    "map_memory_to_run",
    "make_memory_run",
    "type_on_the_terminal",
}

pytestmark = pytest.mark.slow


@cache
def siege(sandbox: bool, user: int | None = None, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What came of all attacks under one monitor."""
    natively = sandbox and not without
    options = json.dumps({"sandbox": sandbox, "user": user, "without": without, "natively": natively})
    command = [sys.executable, "-m", "tests.support.attacked_monitor", options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def open_doors(result: dict[str, Any]) -> set[str]:
    return {name for name, attack in result["attacks"].items() if not attack["stopped"]}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", list(ATTACKS))
def test_it_is_stopped(name: str, user: int | None) -> None:
    attack = siege(sandbox=True, user=user)["attacks"][name]
    assert attack["stopped"], attack["how"]


@pytest.mark.parametrize("user", USERS)
def test_the_other_cell_is_unharmed_by_all_of_them(user: int | None) -> None:
    assert siege(sandbox=True, user=user)["victim"] == {"alive": True, "secret": SECRET.decode()}


@pytest.mark.parametrize("user", USERS)
def test_the_attacker_is_the_only_one_of_its_user_if_it_can_be(user: int | None) -> None:
    result = siege(sandbox=True, user=user)
    if result["user"] == 0:
        assert any(line.startswith("own uid: user") for line in result["report"]["held"])
    else:
        assert "own uid: not root" in result["report"]["lacking"]


@pytest.mark.parametrize("user", USERS)
def test_every_raw_system_call_that_would_do_harm_is_refused_by_the_sandbox(user: int | None) -> None:
    refused = siege(sandbox=True, user=user)["native"]["refused"]
    assert set(refused) == {name for name, _, _ in TABLE}
    assert {name: how for name, how in refused.items() if how != "EPERM"} == {}


@pytest.mark.parametrize("user", USERS)
def test_what_a_cell_may_call_gets_it_nowhere(user: int | None) -> None:
    found = siege(sandbox=True, user=user)["native"]["mischief"]
    assert found.pop("write_what_it_may_only_read").split()[:6] == ["EACCES"] * 3 + ["EINVAL"] * 2 + ["EBADF"]
    assert found == {
        "hold_the_monitor_by_a_futex": "ETIMEDOUT ETIMEDOUT ok ok",
        "hide_descriptors_in_flight": "ETOOMANYREFS after True",
        "take_every_descriptor": "EMFILE below 64",
        "move_the_common_position": str(8 * 4096),
        "block_nothing_for_others": "ok",
        "nest_pollers": "EPERM",
        "start_threads_by_hand": "EAGAIN",
    }


@pytest.mark.parametrize("user", USERS)
def test_what_costs_the_attacker_its_life_costs_nobody_elses(user: int | None) -> None:
    ends = siege(sandbox=True, user=user)["native"]["ends"]
    assert ends.pop("raise every signal a thousand times").startswith("killed by SIG")
    assert ends == {
        "call as a 32-bit process": "killed by SIGSYS",
        "call by the second door of x32": "killed by SIGSYS",
        "die by a signal without a name": "killed by signal 40",
        "die holding words that others share": "exit code 0",
        "fault without a stack": "killed by SIGSEGV",
    }


@pytest.mark.parametrize("user", USERS)
def test_from_outside_the_host_looks_as_it_did_before_all_of_that(user: int | None) -> None:
    native = siege(sandbox=True, user=user)["native"]
    assert native["before"]["files"]["written where it was to go"]
    assert native["after"] == native["before"]


def test_without_a_sandbox_the_attacks_get_through_so_the_bait_is_real() -> None:
    assert set(ATTACKS) - open_doors(siege(sandbox=False)) <= OFTEN_REFUSED_ANYWAY


def test_without_landlock_they_are_stopped_all_the_same() -> None:
    assert open_doors(siege(sandbox=True, without=("landlock",))) == set()


def test_without_seccomp_only_those_get_through_that_the_documentation_names() -> None:
    assert open_doors(siege(sandbox=True, without=("seccomp",))) <= STOPPED_BY_SECCOMP_ALONE
