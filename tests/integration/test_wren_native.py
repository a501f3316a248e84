"""Our kernel with all of the CPU's privileges: its own vectors, tables and devices, on every board; and without any of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.live import Live

BOARDS = ("beagle", "evoke_qa4", "arm1176", "arm926", "pxa255")
CRIMES = " ".join(f"/bin/crash,{name}" for name in ("read_kernel", "jump_kernel", "privileged", "undefined", "stack"))


def table(board: str = "beagle", **more: Any) -> dict[str, Any]:
    kernel = {"image": "wren", "initrd": "wren", "ram": "16MiB", **more}
    return {"name": "wren", "board": board, "for": "10s", "cells": {"wren": kernel}}


def lines(live: Live, board: str, script: str, **options: Any) -> list[str]:
    run = live(table(board, args=script), flavour="native", **options)
    assert run.run().why == "finished"
    return run.console("wren").replace(b"\r", b"").decode().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_every_test_program_ends_well_on_every_board(live: Live, board: str) -> None:
    said = lines(live, board, "@/etc/tests")
    ended = [line for line in said if line.startswith("init: /bin/")]
    assert len(ended) >= 10
    assert all(line.endswith(": exit 0") for line in ended)
    assert said[-1] == "init: end, worst 0"


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_a_process_that_breaks_a_rule_ends_alone(live: Live, board: str) -> None:
    said = lines(live, board, CRIMES)
    assert said.count("alive") == 5
    assert said[-1] == "init: end, worst 0"
    assert "c0000000: SIGSEGV" in said
    assert "read the table base: SIGILL" in said


def test_the_same_is_said_over_both_transports(live: Live) -> None:
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(table(args="@/etc/tests"), flavour="native", link=link)
        run.run()
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


@pytest.mark.parametrize("board", BOARDS)
def test_what_is_typed_ends_its_sleep_and_is_answered(live: Live, board: str) -> None:
    run = live(table(board, args="init=/bin/sh"), flavour="native")
    run.until("20ms")
    run.type_text("wren", b"echo one two\n")
    run.until("40ms")
    said = run.console("wren").replace(b"\r", b"")
    assert b"\none two\n" in said, said
    assert run.cell("wren").account.exits["wait"] == 2, "it slept until then, and sleeps again"


# ---- the same image without privileges


@pytest.mark.parametrize("flavour", ["xen", "l4", "okl4"])
def test_the_native_kernel_in_user_mode_ends_at_its_first_sensitive_instruction(live: Live, flavour: str) -> None:
    run = live(table(image="wren.native", paravirtual=True), flavour=flavour)
    run.run()
    assert run.state("wren") == "failed"
    why = run.cell("wren").why
    assert "0x4000800c" in why
    assert "0xee109f10 is MRC p15, which needs privileges" in why
    assert "\n" not in why
    run.monitor.check_invariants()


def test_another_cell_lives_on(live: Live) -> None:
    cells = {
        "wren": {"image": "wren.native", "initrd": "wren", "ram": "16MiB", "paravirtual": True},
        "other": {"guest": "cells.programs.counter:main"},
    }
    run = live({"name": "two", "board": "beagle", "for": "5ms", "cells": cells}, flavour="xen")
    run.run()
    assert run.state("wren") == "failed"
    assert run.state("other") != "failed"


def test_the_native_kernel_is_a_guest_like_any_other_if_nobody_takes_its_privileges(live: Live) -> None:
    run = live(table(image="wren.native", args="/bin/bench,null,1"), flavour="okl4")
    assert run.run().why == "finished"
    assert run.state("wren") == "shut down"
