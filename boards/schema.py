"""What a board is: the shape of a board file and of a CPU file, and the rules that hold inside them.

Three descriptions are kept apart: a **CPU** (what an instruction costs, how its caches and TLB are laid out), a
**board** (which CPU, how fast, memory, devices and where their interrupts lead), and a topology (what runs on the
board; not here). All values are frozen: a changed board is a new one, checked again (`Board.with_`).

Devices are *private* (every machine cell has its own, inside the cell) or *physical* (one of each, owned by the
monitor; a cell that was given one reaches it by trapped loads and stores). An interrupt is an input number of a
controller:

    irq      the input of the private controller `parent`, or of the root one (the controller that has no `irq`)
    line     physical devices only: the number by which the monitor's own controller knows the interrupt

Numbers carry where they come from; `assumed` marks what was not checked against a source.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from boards import rules
from boards.errors import Complaint, Complaints, did_you_mean
from boards.units import size_in_bytes, time_in_cycles

Size = Annotated[PositiveInt, BeforeValidator(size_in_bytes)]
Offset = Annotated[NonNegativeInt, BeforeValidator(size_in_bytes)]
Role = Literal["interrupt_controller", "timer", "uart", "clock", "flash", "display", "touch", "network", "other"]
InstructionClass = Literal[
    "alu",
    "multiply",
    "load",
    "store",
    "load_multiple_per_register",
    "store_multiple_per_register",
    "branch",
    "coprocessor",
    "exception",
]


class Strict(BaseModel):
    """A table of a file: immutable, and an unknown key is an error that names the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [key for key in data if key not in cls.model_fields]
            if unknown:
                raise Complaints(
                    [Complaint(key, f"unknown key{did_you_mean(key, cls.model_fields)}") for key in unknown]
                )
        return data


class Cache(Strict):
    """One cache: bytes, bytes per line, ways, and how it is indexed and tagged."""

    size: Size
    line: PositiveInt
    ways: PositiveInt
    kind: Literal["VIVT", "VIPT", "PIPT"]
    replacement: Literal["random", "turn"] = "turn"
    """Which line of a full set goes: one by chance, or each in its turn."""
    source: str
    assumed: bool = False
    write_allocate: bool = False
    """Whether a store that misses brings its line in."""

    @property
    def sets(self) -> int:
        """Lines in each way."""
        return self.size // (self.line * self.ways)

    @model_validator(mode="after")
    def _whole_sets(self) -> Cache:
        if self.size != self.line * self.ways * self.sets or self.sets & (self.sets - 1):
            raise Complaint("size", f"{self.size} bytes do not make a power of two of sets")
        return self


class Caches(Strict):
    """First-level instruction and data cache, and a unified second level if there is one."""

    l1i: Cache
    l1d: Cache
    l2: Cache | None = None


class Tlb(Strict):
    """The main TLB. `split`: instructions and data have `entries` each. `micro`: entries of a micro TLB before it."""

    entries: PositiveInt
    ways: PositiveInt
    locked: NonNegativeInt = 0
    split: bool = False
    micro: NonNegativeInt = 0
    asid: bool
    source: str
    assumed: bool = False


class Timing(Strict):
    """Cycles of one class of instructions, caches hitting."""

    cycles: PositiveInt
    source: str
    assumed: bool = False


class Cpu(Strict):
    """A processor core. `timing` is the table with sources, `cycles` the same as plain numbers."""

    name: str
    title: str
    unicorn_model: str
    architecture: Literal["v5te", "v6k", "v7a"]
    compatible: str
    """Its name in device trees."""
    midr: NonNegativeInt
    clock_hz: PositiveInt
    caches: Caches
    tlb: Tlb
    timing: dict[InstructionClass, Timing]
    flush: dict[Literal["cache_line", "tlb_entry"], Timing] = Field(default_factory=dict)
    """After a flush: what it takes to have one line of the cache, or one entry of the TLB, again."""
    memory: dict[Literal["line_fill", "store"], Timing] = Field(default_factory=dict)
    """What it takes to have a line of a first-level cache, and to be rid of a store or a dirty line that goes past it. Charged
    only where a cell asks for it."""
    sources: tuple[str, ...] = ()

    @property
    def cycles(self) -> dict[str, int]:
        """Instruction class -> cycles."""
        return {name: timing.cycles for name, timing in self.timing.items()}

    @model_validator(mode="after")
    def _every_class(self) -> Cpu:
        missing = [name for name in InstructionClass.__args__ if name not in self.timing]  # type: ignore[attr-defined]
        if missing:
            raise Complaints([Complaint(f"timing.{name}", "missing") for name in missing])
        return self


class Power(Strict):
    """What the processor draws, in milliwatts, running and waiting for an interrupt."""

    active_mw: PositiveInt
    idle_mw: NonNegativeInt
    source: str
    assumed: bool


class DeviceSpec(Strict):
    """One device at its place."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    model: str
    role: Role
    base: NonNegativeInt
    size: Size
    irq: NonNegativeInt | None = None
    more_irqs: tuple[NonNegativeInt, ...] = ()
    """Inputs of a part's further output lines, in the model's order."""
    parent: str | None = None
    line: NonNegativeInt | None = None
    params: dict[str, int | str] = Field(default_factory=dict)


class Region(Strict):
    """A range of addresses that exists on the board and is not modelled; devices may lie inside."""

    name: str
    base: NonNegativeInt
    size: Size


class VirtualRoom(Strict):
    """Where virtual devices of a cell may lie: `most` pages from `base` on, and as many free inputs of the root controller."""

    base: NonNegativeInt
    irq: NonNegativeInt
    most: PositiveInt


class LinuxBoot(Strict):
    """How an unmodified kernel is started here. Offsets are from the start of RAM."""

    kernel: str
    console: str
    load_offset: Offset
    dtb_offset: Offset
    initrd_offset: Offset
    cmdline: str
    device_tree: str


class Board(Strict):
    """A whole board."""

    name: str
    title: str
    cpu: Cpu
    clock_hz: PositiveInt
    cores: PositiveInt = 1
    max_cores: Annotated[int, Field(ge=1, le=4)]
    ram_base: NonNegativeInt
    ram_size: Size
    slice: str = "10ms"
    quantum: str = "1ms"
    cross_core_latency: str = "1ms"
    power: Power
    stand_in: str = ""
    private: tuple[DeviceSpec, ...]
    physical: tuple[DeviceSpec, ...] = ()
    regions_not_modelled: tuple[Region, ...] = ()
    virtual: VirtualRoom | None = None
    linux: LinuxBoot | None = None
    sources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _rules(self) -> Board:
        complaints = [complaint for rule in rules.RULES for complaint in rule(self)]
        if complaints:
            raise Complaints(complaints)
        return self

    @property
    def devices(self) -> tuple[DeviceSpec, ...]:
        """Private and physical devices."""
        return self.private + self.physical

    @property
    def controller(self) -> DeviceSpec | None:
        """The root of the private interrupt controllers: the one that no other stands above."""
        roots = (spec for spec in self.private if spec.role == "interrupt_controller" and spec.irq is None)
        return next(roots, None)

    def device(self, name: str) -> DeviceSpec:
        """The device of that name.

        Raises:
            KeyError: there is none.
        """
        for spec in self.devices:
            if spec.name == name:
                return spec
        raise KeyError(f'{self.name} has no device "{name}"{did_you_mean(name, [spec.name for spec in self.devices])}')

    def cycles(self, text: str) -> int:
        """Cycles of this board's clock in a text like "10ms"."""
        return time_in_cycles(text, self.clock_hz)

    def with_(self, **overrides: Any) -> Board:
        """A changed board, checked again. Keys may be dotted: `{"power.idle_mw": 5, "private.timer0.irq": 35}`.

        Raises:
            BoardError: a key does not exist, or a rule is broken.
        """
        from boards.loader import override  # the loader builds on this module

        return override(self, overrides)
