"""Terms of a stream through a split driver (`../streams.py`): the same amounts as elsewhere, of each kernel that it passes.

Theory: the driver domain works for its client, so its client pays: what a kernel of its own does (at native prices), that this
kernel is redirected (at the flavour's), and what the hypervisor does between the two. What the client itself does without a
device of its own is more or less than what it does with one, hence `signed`. No price is made for any of it.

>>> term("driver.instruction").title
'driver domain: instructions'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.tables.protocol import NATIVE, VIRTUALIZED, Term, terms


class Part(NamedTuple):
    """Whose amounts: `kernels` (prefixes of counters, with their signs), at the prices of a column; in words, around a term's."""

    column: str
    kernels: Mapping[str, int]
    words: str


CLIENT, DRIVER, HYPERVISOR = "client", "driver", "hypervisor"
PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "client": Part(NATIVE, {"client_": 1, "direct_": -1}, "client: {}, less those with a device of its own"),
        "client_moved": Part(VIRTUALIZED, {"client_": 1}, "client: {}, redirected"),
        "driver": Part(NATIVE, {"driver_": 1}, "driver domain: {}"),
        "driver_moved": Part(VIRTUALIZED, {"driver_": 1}, "driver domain: {}, redirected"),
    }
)


class Work(NamedTuple):
    """What the hypervisor does, and the term of the flavour's fit that has its price; "": `COPY`."""

    title: str
    counters: Mapping[str, float]
    like: str
    why: str


COPY = "copy"
"""The flavour's own record says what a word copied takes: no row of a fit has any."""
WORKS: Mapping[str, Work] = MappingProxyType(
    {
        "call": Work(
            "calls",
            {"client_hvc": 1, "driver_hvc": 1, "direct_hvc": -1},
            "entry",
            "those of a device's registers taken off",
        ),
        "switch": Work("switches between client and driver domain", {"xen_switches": 1}, "switch", ""),
        "mapping": Work("pages mapped and unmapped", {"xen_map": 1, "xen_unmap": 1}, "page_table", ""),
        COPY: Work("words copied", {"xen_copy": 1}, "", "headers, and what comes back"),
    }
)


@cache
def derived() -> Mapping[str, Term]:
    """All of them: "driver.instruction" and so on."""
    made = {found.name: found for part in PARTS for found in _kernels(part)}
    return made | {
        f"{HYPERVISOR}.{name}": Term(
            f"{HYPERVISOR}.{name}",
            f"hypervisor: {one.title}",
            one.counters,
            f"as {one.like or one.title}",
            one.why,
            signed=True,
        )
        for name, one in WORKS.items()
    }


def _kernels(name: str) -> Iterator[Term]:
    part = PARTS[name]
    for base in terms().values():
        counters = {
            f"{kernel}{counter}": sign * weight
            for kernel, sign in part.kernels.items()
            for counter, weight in base.counters.items()
        }
        title = part.words.format(base.title)
        yield Term(f"{name}.{base.name}", title, counters, base.price, base.why, signed=True)


def term(name: str) -> Term:
    """A term of terms.toml, or one of these. Raises KeyError: there is none."""
    return terms()[name] if name in terms() else derived()[name]


def owner(name: str) -> str:
    """Who it is that a derived term is of: CLIENT, DRIVER or HYPERVISOR."""
    return name.partition(".")[0].removesuffix("_moved")
