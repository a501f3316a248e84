"""Boards from files: by name, by path, and what is said when they are not right."""

from __future__ import annotations

from pathlib import Path

import pytest

import boards
from boards import BoardError, check_models, cpu_names, load_board, load_cpu, names

BOARD = """
name = "mine"
title = "A board of my own"
cpu = "{cpu}"
max_cores = 2
ram_base = 0
ram_size = "16MiB"
private = [
  {{ name = "vic", model = "pl190", role = "interrupt_controller", base = 0x1014_0000, size = 0x1000 }},
  {{ name = "timer0", model = "sp804", role = "timer", base = 0x101e_2000, size = 0x1000, irq = 4 }},
]

[power]
active_mw = 100
idle_mw = 10
source = "guess"
assumed = true
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_board_of_ones_own_is_loaded_by_path(tmp_path: Path) -> None:
    board = load_board(write(tmp_path, BOARD.format(cpu="arm926")))
    assert (board.name, board.ram_size, board.cpu.name) == ("mine", 16 << 20, "arm926")
    assert board.clock_hz == board.cpu.clock_hz
    assert (board.slice, board.quantum, board.cross_core_latency) == ("10ms", "1ms", "1ms")


def test_a_cpu_file_may_lie_beside_the_board(tmp_path: Path) -> None:
    text = Path(boards.__file__).with_name("cpu").joinpath("arm926.toml").read_text(encoding="utf-8")
    write(tmp_path, text.replace('name = "arm926"', 'name = "fast926"'), "fast.toml")
    assert load_board(write(tmp_path, BOARD.format(cpu="fast.toml"))).cpu.name == "fast926"


def test_a_mistyped_key_names_the_nearest_one_and_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, BOARD.format(cpu="arm926").replace("irq = 4", "irk = 4"))
    with pytest.raises(BoardError) as caught:
        load_board(path)
    assert str(caught.value) == f'{path}: private.timer0.irk: unknown key; did you mean "irq"?'


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"mine\.toml: max_cores: missing$"):
        load_board(write(tmp_path, BOARD.format(cpu="arm926").replace("max_cores = 2\n", "")))


def test_an_unknown_cpu_is_reported_in_the_board_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r'mine\.toml: cpu: "arm296": there is no such CPU; did you mean "arm926"\?'):
        load_board(write(tmp_path, BOARD.format(cpu="arm296")))


def test_a_fault_in_a_cpu_file_is_reported_in_that_file(tmp_path: Path) -> None:
    text = Path(boards.__file__).with_name("cpu").joinpath("arm926.toml").read_text(encoding="utf-8")
    write(tmp_path, text.replace("branch = ", "brunch = "), "bad.toml")
    with pytest.raises(BoardError) as caught:
        load_board(write(tmp_path, BOARD.format(cpu="bad.toml")))
    assert caught.value.file.endswith("bad.toml")
    assert caught.value.key.startswith("timing.brunch")


def test_a_cpu_must_time_every_class_of_instructions(tmp_path: Path) -> None:
    text = Path(boards.__file__).with_name("cpu").joinpath("arm926.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("branch", "store ="))]
    with pytest.raises(BoardError) as caught:
        load_cpu(write(tmp_path, "\n".join(lines), "bad.toml"))
    assert [caught.value.key, *(error.key for error in caught.value.more)] == ["timing.store", "timing.branch"]


def test_a_file_that_is_not_toml_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BoardError) as caught:
        load_board(write(tmp_path, "name = = 3\n"))
    assert "\n" not in str(caught.value)
    assert "line 1" in caught.value.why


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("beagel", 'beagel: board: there is no such board; did you mean "beagle"?'),
        ("nothing.toml", "nothing.toml: there is no such file"),
    ],
)
def test_a_board_that_does_not_exist_is_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(BoardError) as caught:
        load_board(name)
    assert str(caught.value).startswith(message)


def test_an_unknown_model_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    board = load_board(write(tmp_path, BOARD.format(cpu="arm926").replace('"sp804"', '"sp840"')))
    with pytest.raises(BoardError, match=r'^mine: private\.timer0\.model: .*"sp840"; did you mean "sp804"\?$'):
        check_models(board, ["pl190", "sp804"])


def test_a_changed_board_is_a_new_one() -> None:
    board = load_board("beagle")
    changed = board.with_(cores="2", ram_size="64MiB", cpu="cortex_a9", **{"private.timer0.params.frequency": 32_768})
    assert (changed.cores, changed.ram_size, changed.cpu.name) == (2, 64 << 20, "cortex_a9")
    assert changed.device("timer0").params == {"frequency": 32_768}
    assert (board.cores, board.cpu.name) == (1, "cortex_a8")


def test_built_in_names_are_listed() -> None:
    assert names() == ["arm1176", "arm926", "beagle", "evoke_qa4", "pxa255"]
    assert cpu_names() == ["arm1176", "arm926", "cortex_a8", "cortex_a9", "pxa255"]


def test_times_are_cycles_of_the_boards_clock() -> None:
    assert load_board("arm926").cycles("1ms") == 266_000


def test_asking_for_a_device_that_is_not_there_says_which_there_are() -> None:
    with pytest.raises(KeyError, match=r'beagle has no device "timr1"; did you mean "timer1"'):
        load_board("beagle").device("timr1")
