"""A call as a state machine: what may happen when, as a table.

    call = Call()
    actions = call.happens(What.DIAL, "+4989123456")     # [Do.CHALLENGE]

Theory: pure. Events come from the user interface, from the network and from timers; each has an entry for each state in which it
means something, and is ignored in the others. Every call is authenticated before it goes anywhere: `CHECKING` is where the
network's challenge waits for the keystore's answer.
"""

from __future__ import annotations

from enum import Enum

from cells.programs.phone.messages import End


class State(Enum):
    """Of the one call that a phone can have."""

    IDLE = "idle"
    CHECKING_OUT = "checking a call that we make"
    DIALLING = "dialling"
    CHECKING_IN = "checking a call that comes in"
    RINGING = "ringing"
    CONNECTED = "connected"


class What(Enum):
    """Events."""

    DIAL = "the user dials"
    ANSWER = "the user answers"
    HANGUP = "the user hangs up"
    PAGED = "the network has a call for us"
    ACCEPTED = "the network believes who we are"
    REFUSED = "the network does not"
    TAKEN = "the other side has answered"
    BUSY = "the other side is busy"
    DROPPED = "the other side has hung up"
    TIMEOUT = "nobody answers"


class Do(Enum):
    """What follows from an event."""

    CHALLENGE = "answer the network's challenge"
    SET_UP = "have the network call the other side"
    RING = "tell the user interface that it rings"
    CONNECT = "voice begins, on both sides"
    END = "the call is over"
    TELL_BUSY = "tell the user interface that there is a call already"


S, W = State, What
TABLE: dict[tuple[State, What], tuple[State, Do, End | None]] = {
    (S.IDLE, W.DIAL): (S.CHECKING_OUT, Do.CHALLENGE, None),
    (S.IDLE, W.PAGED): (S.CHECKING_IN, Do.CHALLENGE, None),
    (S.CHECKING_OUT, W.ACCEPTED): (S.DIALLING, Do.SET_UP, None),
    (S.CHECKING_OUT, W.REFUSED): (S.IDLE, Do.END, End.REFUSED),
    (S.CHECKING_OUT, W.HANGUP): (S.IDLE, Do.END, End.HERE),
    (S.DIALLING, W.TAKEN): (S.CONNECTED, Do.CONNECT, None),
    (S.DIALLING, W.BUSY): (S.IDLE, Do.END, End.BUSY),
    (S.DIALLING, W.DROPPED): (S.IDLE, Do.END, End.THERE),
    (S.DIALLING, W.HANGUP): (S.IDLE, Do.END, End.HERE),
    (S.DIALLING, W.TIMEOUT): (S.IDLE, Do.END, End.MISSED),
    (S.CHECKING_IN, W.ACCEPTED): (S.RINGING, Do.RING, None),
    (S.CHECKING_IN, W.REFUSED): (S.IDLE, Do.END, End.REFUSED),
    (S.CHECKING_IN, W.DROPPED): (S.IDLE, Do.END, End.THERE),
    (S.RINGING, W.ANSWER): (S.CONNECTED, Do.CONNECT, None),
    (S.RINGING, W.HANGUP): (S.IDLE, Do.END, End.HERE),
    (S.RINGING, W.DROPPED): (S.IDLE, Do.END, End.MISSED),
    (S.RINGING, W.TIMEOUT): (S.IDLE, Do.END, End.MISSED),
    (S.CONNECTED, W.HANGUP): (S.IDLE, Do.END, End.HERE),
    (S.CONNECTED, W.DROPPED): (S.IDLE, Do.END, End.THERE),
    **{(state, W.DIAL): (state, Do.TELL_BUSY, End.BUSY) for state in S if state is not S.IDLE},
}
"""(state, event) -> (new state, what to do, how the call ended)."""


class Call:
    """The call. `number`: whose; `cause`: how the last one ended."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self.number = ""
        self.cause = End.IDLE

    def happens(self, what: What, number: str = "") -> Do | None:
        """An event: what is to be done about it; None for one that means nothing now."""
        found = TABLE.get((self.state, what))
        if found is None:
            return None
        before = self.state
        self.state, do, cause = found
        if before is State.IDLE:
            self.number = number
        if cause is not None and do is Do.END:
            self.cause = cause
        return do
