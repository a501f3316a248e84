"""What a run does for a campaign: orders that the host does not carry out are told, what is left behind has a name."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns import leaks, one
from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.campaigns.leaks import Held
from hypervisor.shell.campaigns.one import NotDoneError, _signal
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.campaigns.runner import Directory


def run_with(process: Any) -> Any:
    """A run with one cell whose process is that."""
    return SimpleNamespace(cell=lambda _name: SimpleNamespace(index=0), hosts=[SimpleNamespace(process=process)])


def test_a_process_that_does_not_come_to_its_state_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one, "SETTLE_S", 0.01)
    deaf = SimpleNamespace(pid=os.getpid(), kill=lambda _number: None)
    with pytest.raises(NotDoneError, match=r"the process of a is \w+, not stopped, at most 0.01 s after signal 19"):
        _signal(run_with(deaf), "a", 19, psutil.STATUS_STOPPED)


def test_a_process_that_is_gone_was_killed_but_not_stopped() -> None:
    with subprocess.Popen(["true"]) as short:
        short.wait()
    gone = SimpleNamespace(pid=short.pid, kill=lambda _number: None)
    _signal(run_with(gone), "a", 9, psutil.STATUS_ZOMBIE)
    with pytest.raises(NotDoneError, match="the process of a is gone, not stopped"):
        _signal(run_with(gone), "a", 19, psutil.STATUS_STOPPED)


def test_a_cell_without_a_process_can_get_no_signal() -> None:
    with pytest.raises(NotDoneError, match="a has no process now"):
        _signal(run_with(None), "a", 9, psutil.STATUS_ZOMBIE)


def test_what_the_host_did_not_carry_out_is_tried_again(tmp_path: Path) -> None:
    campaign = load_campaign("hello_kills")
    directory = Directory(tmp_path / "c", campaign)
    done, undone = (
        Result(each.id, "hello", each.flavour, 1, 0, "kill", "hello", 5, str(verdict), "", {})
        for each, verdict in zip(campaign.injections, (Verdict.MASKED, Verdict.NOT_INJECTED), strict=False)
    )
    directory.add(undone)
    directory.add(done)
    assert directory.finished(campaign.injections) == [done]


def test_what_is_left_behind_is_named_and_what_was_there_before_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "SETTLE_S", 0.0)
    before = socket.socket()
    held = Held((tmp_path,))
    assert held.left() == []
    segment, ours = os.memfd_create("forgotten"), socket.socket()
    (tmp_path / "forgotten").write_text("")
    try:
        assert held.left() == ["leak: 1 descriptors of memfd segments", "leak: 1 sockets", "leak: 1 temporary files"]
    finally:
        os.close(segment)
        ours.close()
        before.close()
