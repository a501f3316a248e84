"""Fault campaigns, the pure part: what can be done to a cell, when, to whom, and what came of it.

from hypervisor.faults import ACTIONS, Device, Fault, Plan, expand, judge

plan = Plan("storage", (Fault("kill", "*", at="50ms"),))
for injection in expand(plan, [Device(flavour, 1, digest, ("client", "storage"), hz, duration)]):
    print(injection.id, injection.cell, injection.at)
"""

from __future__ import annotations

from hypervisor.faults.actions import ACTIONS, Action, GuestKind, Key, Order, check_order
from hypervisor.faults.injector import Injector
from hypervisor.faults.plan import ANY, Device, Fault, Injection, Plan, Step, expand
from hypervisor.faults.points import POINTS, Point
from hypervisor.faults.seen import CellSeen, Seen
from hypervisor.faults.statistics import wilson
from hypervisor.faults.verdict import Judgement, Rules, Verdict, judge

__all__ = [
    "ACTIONS",
    "ANY",
    "POINTS",
    "Action",
    "CellSeen",
    "Device",
    "Fault",
    "GuestKind",
    "Injection",
    "Injector",
    "Judgement",
    "Key",
    "Order",
    "Plan",
    "Point",
    "Rules",
    "Seen",
    "Step",
    "Verdict",
    "check_order",
    "expand",
    "judge",
    "wilson",
]
