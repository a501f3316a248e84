"""What cells were refused, by kind: what they asked for and why not, with the numbers taken out.

    count(account.refusals, "hypercall 32", "NO_SUCH_SLOT: slot 7 is empty")
    account.refusals                     # {("channel_send", "NO_SUCH_SLOT: slot N is empty"): 1}

Theory: the trace has each refusal in full; this is their sum, which the account of a run shows. The ordinary talk of
honest cells (no room now, nothing there yet) is no refusal of anything. A cell that asks for ever stranger things fills
`KINDS` kinds, and the rest are counted as one more.
"""

from __future__ import annotations

import re
from collections import Counter

from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall

Refusals = Counter[tuple[str, str]]
"""(what, why) -> how often."""
KINDS = 128
MORE = ("more", "other kinds than are listed")
ORDINARY = frozenset(
    {"FULL", "EMPTY", "TIMEOUT", "PEER_GONE", "WRONG_STATE", "ETIME", "EAGAIN", "ENOENT", "EEXIST", "EBUSY"}
)
"""Statuses, and error numbers of xen, that honest guests meet."""
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b\d+")
_CALL = re.compile(r"hypercall (\d+)")
_KNOWN = frozenset(Hypercall)


def count(refusals: Refusals, what: str, why: str) -> None:
    """One more."""
    if why.partition(":")[0] in ORDINARY:
        return
    kind = _name(what), _NUMBER.sub("N", why)
    refusals[kind if kind in refusals or len(refusals) < KINDS else MORE] += 1


def _name(what: str) -> str:
    """What was asked for, without its numbers.

    >>> _name("hypercall 32"), _name("hypercall 999"), _name("device at 0x10120000")
    ('channel_send', 'an unknown call', 'device at N')
    """
    found = _CALL.fullmatch(what)
    if found is None:
        return _NUMBER.sub("N", what)
    number = int(found[1])
    if number in _KNOWN:
        return Hypercall(number).name.lower()
    return "a call of xen" if XEN_CALLS <= number < XEN_CALLS + 64 else "an unknown call"
