"""Topologies: the files that describe a device, loaded, judged and resolved.

    from hypervisor.shell.topology import load
    topology = load("hello", overrides=["cells.hello.ram=2MiB"], seed=3)
    [cell.name for cell in topology.cells]

`schema` has the keys, `cells` and `checks` the rules, `problems` how they are told; README.md lists them for users.
"""

from __future__ import annotations

from hypervisor.shell.topology.load import check, load, names
from hypervisor.shell.topology.problems import Problem, TopologyError
from hypervisor.shell.topology.spec import CellSpec, Topology

__all__ = ["CellSpec", "Problem", "Topology", "TopologyError", "check", "load", "names"]
