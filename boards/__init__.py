"""Boards as data: CPUs, memory maps, devices and device trees, each with its sources.

>>> from boards import load_board, names
>>> names()
['arm1176', 'arm926', 'beagle', 'evoke_qa4', 'pxa255']
>>> load_board("beagle").with_(cores=2).cores
2
"""

from __future__ import annotations

from boards.errors import BoardError
from boards.flatten import Hypervisor, TreeNode, device_tree
from boards.loader import check_models, cpu_names, load_board, load_cpu, names
from boards.rules import HYPERCALL_BASE, HYPERCALL_SIZE
from boards.schema import Board, Cache, Caches, Cpu, DeviceSpec, LinuxBoot, Power, Region, Timing, Tlb, VirtualRoom

__all__ = [
    "HYPERCALL_BASE",
    "HYPERCALL_SIZE",
    "Board",
    "BoardError",
    "Cache",
    "Caches",
    "Cpu",
    "DeviceSpec",
    "Hypervisor",
    "LinuxBoot",
    "Power",
    "Region",
    "Timing",
    "Tlb",
    "TreeNode",
    "VirtualRoom",
    "check_models",
    "cpu_names",
    "device_tree",
    "load_board",
    "load_cpu",
    "names",
]
