"""What `edf` and `reservation` have in common: each vCPU with a budget has a server, the account of what is left of it.

A subclass says how a server begins (`begin`) and when what is left of it makes sense (`is_sound`); it ranks by its servers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

from hypervisor.core.errors import require_none
from hypervisor.core.policies.policy import VcpuParams
from hypervisor.core.policies.ranked import RankedPolicy


class Account(Protocol):
    """A server, as far as it is the same for all."""

    @property
    def left(self) -> int:
        """Cycles left of the budget."""
        ...


Server = TypeVar("Server", bound=Account)


class BudgetedPolicy(RankedPolicy, Generic[Server]):
    """Servers come and go with the vCPUs that have budgets."""

    name: str

    def __init__(self, slice_cycles: int) -> None:
        super().__init__(slice_cycles)
        self._servers: dict[int, Server] = {}

    @abstractmethod
    def begin(self) -> Server:
        """The server of a vCPU that has not run yet."""

    @abstractmethod
    def is_sound(self, server: Server, params: VcpuParams) -> bool:
        """Whether what it has left can be."""

    def add(self, vcpu: VcpuParams) -> None:
        """Learn of a vCPU and open its server."""
        super().add(vcpu)
        if vcpu.budget:
            self._servers[vcpu.vcpu] = self.begin()

    def remove(self, vcpu: int) -> None:
        """Forget it and its server."""
        super().remove(vcpu)
        self._servers.pop(vcpu, None)

    def check_invariants(self) -> None:
        """Exactly those with a budget have a server, and what each has left of it can be.

        Raises:
            InvariantBroken: it is not so.
        """
        super().check_invariants()
        budgeted = {vcpu for vcpu, params in self._vcpus.items() if params.budget}
        problems = [f"{self.name}: vCPU {vcpu} and its server do not match" for vcpu in budgeted ^ self._servers.keys()]
        problems += [
            f"{self.name}: vCPU {vcpu} has {self._servers[vcpu].left} of a budget of {self._vcpus[vcpu].budget} left"
            for vcpu in budgeted & self._servers.keys()
            if not self.is_sound(self._servers[vcpu], self._vcpus[vcpu])
        ]
        require_none(problems)
