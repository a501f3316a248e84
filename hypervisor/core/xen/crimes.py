"""What an injected fault lets a domain call: numbers that are not its own, and its partners' bells without end.

Theory: every number that a call names (a port, a grant of another domain, a port of another domain) means something to one domain
alone. A forged one is a number that nobody gave to the caller; each of these calls comes back with an error, in the call's answer
or in the structure's status.
"""

from __future__ import annotations

from hypervisor.abi.faults import Draws
from hypervisor.abi.xen import BIND_INTERDOMAIN, MAP_GRANT, PORT, Call, EvtchnOp, GrantOp, PortState
from hypervisor.core.mechanism import CallWords
from hypervisor.core.xen.domains import Domain, Domains

STRANGE = 512
"""Numbers from which a forged one is drawn: more than honest domains ever get."""


def forged(domain: Domain, domains: Domains, draws: Draws) -> list[CallWords]:
    """A port, a port of another domain, and grants of each other domain that this one was never told."""
    port = next(number for number in range(STRANGE + draws.below(STRANGE), 4 * STRANGE) if number not in domain.ports)
    others = [other for other in domains.all() if other is not domain]
    calls = [_call(Call.EVENT_CHANNEL, EvtchnOp.SEND, PORT.pack(port))]
    for other in others:
        bind = BIND_INTERDOMAIN.pack(other.domid, STRANGE + draws.below(STRANGE), 0)
        grant = MAP_GRANT.pack(0, 0, STRANGE + draws.below(STRANGE), other.domid, 0, 0, 0)
        calls += [
            _call(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, bind),
            _call(Call.GRANT_TABLE, GrantOp.MAP, grant, 1),
        ]
    return calls


def pestering(domain: Domain) -> list[CallWords]:
    """A bell for each partner: a ring costs the caller a call, the receiver a bit that is set already."""
    bound = [
        number for number, port in domain.ports.items() if port.state is PortState.INTERDOMAIN and not port.handler
    ]
    return [_call(Call.EVENT_CHANNEL, EvtchnOp.SEND, PORT.pack(number)) for number in bound]


def _call(call: Call, operation: int, structure: bytes, count: int = 0) -> CallWords:
    """The structure comes with the call, as if the guest had it in its memory."""
    return int(call), int(operation), 0, count, structure
