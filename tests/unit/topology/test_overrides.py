"""Changes from the command line."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.shell.topology import TopologyError, check, load
from hypervisor.shell.topology.overrides import Override, parse_override


def one_hog(**keys: Any) -> dict[str, Any]:
    return {"board": "arm926", "cells": {"hog": {"image": "hog", **keys}}}


def said(*overrides: str, **asked: Any) -> list[str]:
    return [str(problem) for problem in check(one_hog(), overrides=overrides, **asked)]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("seed=3", ("seed",), 3),
        ("scheduler.slice=1ms", ("scheduler", "slice"), "1ms"),
        ("cells.linux.kernel=debian:marvell", ("cells", "linux", "kernel"), "debian:marvell"),
        ("cells.a.cores=[0, 1]", ("cells", "a", "cores"), [0, 1]),
        ('cells.a.label="3"', ("cells", "a", "label"), "3"),
        ("cells.a.append=root=/dev/ram quiet", ("cells", "a", "append"), "root=/dev/ram quiet"),
        ("cells.a.append=", ("cells", "a", "append"), ""),
        (" seed = 3 ", ("seed",), 3),
    ],
)
def test_a_change_is_a_dotted_path_and_a_toml_value_or_a_bare_word(
    text: str, path: tuple[str, ...], value: Any
) -> None:
    assert parse_override(text) == Override(path, value)


def test_a_key_of_a_gateway_is_reached_with_one_more_dot() -> None:
    device = {"board": "beagle", "cells": {"net": {"domain": "net", "network": {"address": "10.0.2.2/24"}}}}
    found = load(device, overrides=['cells.net.network.forward={ "80" = "127.0.0.1:8080" }']).cell("net").network
    assert found is not None
    assert (found.ports, found.host) == ((80,), (8080,))
    for wrong, why in (
        (["cells.net.network.forwards=1"], "unknown key; did you mean forward?"),
        (["cells.net.network.forward.80=1"], "has to name one key of the cell, for example cells.NAME.priority"),
        (["cells.net.network=7", "cells.net.network.address=1"], "has to name one key of the cell"),
    ):
        assert why in "\n".join(str(problem) for problem in check(device, overrides=wrong))


def test_a_value_cannot_smuggle_in_a_second_key() -> None:
    assert parse_override("seed=3\nname='x'").value == "3\nname='x'"


@pytest.mark.parametrize("text", ["seed", "=3", "cells..x=3", ""])
def test_a_change_without_key_or_value_is_refused_with_an_example(text: str) -> None:
    assert said(text) == [f"--set {text}: write KEY=VALUE, for example scheduler.slice=1ms"]


def test_changes_reach_cells_scheduler_and_board() -> None:
    changes = ["cells.hog.priority=3", "scheduler.slice=1ms", "board.cores=2", "cells.hog.count=2"]

    topology = load(one_hog(), overrides=changes)

    assert [(cell.name, cell.priority, cell.cores) for cell in topology.cells] == [
        ("hog0", 3, (0, 1)),
        ("hog1", 3, (0, 1)),
    ]
    assert topology.slice == topology.board.clock_hz // 1000
    assert topology.board.cores == 2
    assert topology.overrides == tuple(changes)


def test_the_last_change_of_a_key_wins() -> None:
    assert load(one_hog(), overrides=["seed=3", "seed=4"]).seed == 4


def test_sizes_of_the_board_may_be_written_as_sizes() -> None:
    assert load(one_hog(), overrides=["board.ram_size=64MiB"]).board.ram_size == 64 << 20


def test_the_callers_dict_is_left_alone() -> None:
    topology = one_hog()
    load(topology, overrides=["cells.hog.priority=3", "scheduler.slice=1ms"])
    assert topology == one_hog()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("board.corse=2", "board.corse: unknown key; did you mean cores?"),
        ("scheduler.slise=1ms", "scheduler.slise: unknown key; did you mean slice?"),
        ("cells.hgo.priority=1", "cells.hgo.priority: no such cell; did you mean hog?"),
        ("cells.hog.priorty=1", "cells.hog.priorty: unknown key; did you mean priority?"),
        ("hog.priority=1", "hog.priority: unknown key; did you mean cells.hog.priority?"),
        ("sched.slice=1ms", "sched.slice: unknown key; did you mean scheduler?"),
        ("flavor=okl4", "flavor: unknown key; did you mean flavour?"),
        ("cells.hog=1", "cells.hog: has to name one key of the cell, for example cells.NAME.priority"),
        ("cells.hog.cores.0=1", "cells.hog.cores.0: has to name one key of the cell, for example cells.NAME.priority"),
        ("seed.x=1", "seed.x: leads into a key that has no parts; write the whole value"),
        ("board.power=x", "board.power: is a whole table; name a key in it"),
        ("board.cores.x=1", "board.cores.x: leads into a key that has no parts that can be set"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_the_nearest_known_one(change: str, why: str) -> None:
    assert said(change) == [f"--set {why}"]


def test_a_bad_value_is_blamed_on_the_option_that_brought_it() -> None:
    assert said("cells.hog.priority=300") == ["--set cells.hog.priority: must be 0..255, not 300"]
    assert said(flavour="okl5") == ['--flavour: "okl5" is not known; did you mean okl4?']
    assert said(seed=-1) == ["--seed: must be 0..18446744073709551615, not -1"]
    assert said(duration="soon") == [
        '--for: "soon" is not a time; write for example "10ms", "2s", "250us" or "300cycles"'
    ]


def test_devices_of_the_board_are_changed_by_their_names() -> None:
    topology = load(one_hog(), overrides=["board.private.timer.params.frequency=2000000"])
    assert topology.board.device("timer").params["frequency"] == 2_000_000


def test_the_board_gets_another_cpu_by_name() -> None:
    assert load(one_hog(), overrides=["board.cpu=arm1176"]).board.cpu.unicorn_model == "1176"


def test_a_cpu_model_that_the_engine_does_not_have_is_refused() -> None:
    (line,) = said("board.cpu.unicorn_model=927")
    assert line.startswith('--set board.cpu.unicorn_model: there is no CPU model "927"; did you mean ')


def test_bad_values_of_the_board_are_told_all_at_once() -> None:
    lines = said("board.slice=soon", "board.cores=99", "board.corse=2")
    assert [line.partition(": ")[0] for line in lines] == [
        "--set board.corse",
        "--set board.cores",
        "--set board.slice",
    ]


def test_a_board_with_more_cores_than_it_can_have_is_refused() -> None:
    (problem,) = check(one_hog(), overrides=["board.cores=99"])
    assert str(problem).startswith("--set board.cores: ")


def test_arguments_win_over_file_and_changes() -> None:
    topology = load(one_hog(), overrides=["seed=3", "for=1s"], seed=5, duration="2s", flavour="native")
    assert (topology.seed, topology.until, topology.flavour) == (5, "2s", "native")
    assert topology.duration == 2 * topology.board.clock_hz


def test_text_changes_and_arguments_give_the_same_topology_again() -> None:
    first = load(one_hog(), overrides=["cells.hog.count=2", "board.cores=2"], seed=9, duration="1s")
    import tomllib

    again = load(
        tomllib.loads(first.source_text),
        overrides=first.overrides,
        flavour=first.flavour,
        seed=first.seed,
        duration=first.until,
    )
    assert again.digest == first.digest


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(TopologyError) as caught:
        load(one_hog(ram="6KiB"), overrides=["board.corse=2", "foo", "cells.hog.cores=[7]"], flavour="xne")
    assert [problem.key for problem in caught.value.problems] == [
        "foo",
        "cells.hog.ram",
        "board.corse",
        "flavour",
        "cells.hog.cores",
    ]
