"""The baseband's tasks on REX, from the most urgent down: voice, pager, call, user interface, console, measurements.

Theory: what has a deadline is urgent and short (voice, 20 ms; the paging slot, one TDMA frame); what talks to others is
below it and never waits for them: a message to Linux goes or is lost, the keystore's answer is waited for until a time.
The call's task is alone with the state machine (call.py); everybody else hands it events, at most `EVENTS` of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any

from cells.personalities.rtos.guest import Rtos
from cells.personalities.rtos.lines import Line
from cells.personalities.rtos.rex import Rex, Tcb
from cells.personalities.rtos.status import Refused
from cells.personalities.rtos.task import Task, Work
from cells.programs.amss.call import Call, Do, State, What
from cells.programs.amss.network import LEVELS, PAGING, PAYLOAD, Network, content, frame
from cells.programs.amss.triplets import TRIPLETS
from cells.programs.keystore import Answer, answer, request
from cells.programs.phone.messages import End, Kind, Message

VOICE, PAGER, CALL, USER, CONSOLE, MEASURE = 200, 180, 120, 100, 90, 50
"""Priorities."""
FRAME_SIG, EVENT_SIG, TIMER_SIG = 0x1, 0x2, 0x4
CODEC_CYCLES = 360_000
"""Decode one frame and encode one: 18 million operations a second are what the enhanced full rate codec is given as (ETSI TR 101
291 class), of which a fiftieth is a frame's; a cycle each is assumed."""
SLOT_CYCLES, MESSAGE_CYCLES, EVENT_CYCLES = 100_000, 2_000, 5_000
"""To read a paging block, to look at a message, to act on an event: assumed."""
SLOT_DEADLINE = "4615us"
"""A TDMA frame (3GPP TS 45.002): then the next block is on the air."""
EVENTS = 16
RINGS_FOR, DIALS_FOR = 15_000, 30_000
"""Milliseconds after which nobody answers: assumed."""
KEYSTORE_PATIENCE = "200ms"
LOOK = "500ms"
"""How often the signal is measured and the account brought up to date."""
NUMBER = 32
"""Characters of a number that are kept."""
USER_EVENTS = {Kind.DIAL: What.DIAL, Kind.ANSWER: What.ANSWER, Kind.HANGUP: What.HANGUP}
ORDERS = ("ring", "drop")


class Baseband:
    """What the tasks share."""

    def __init__(self, rtos: Rtos, network: Network) -> None:
        self.rtos, self.network, self.rex = rtos, network, Rex(rtos)
        self.call = Call()
        self.level = LEVELS - 1
        self.calls = 0
        self._serial = 0
        self._connected_at = 0
        self._events: deque[tuple[What, str]] = deque(maxlen=EVENTS)
        self.voice = self.rex.rex_def_task("voice", VOICE, self.voice_task, deadline="20ms")
        self.pager = self.rex.rex_def_task("pager", PAGER, self.pager_task, period=PAGING, deadline=SLOT_DEADLINE)
        self.control = self.rex.rex_def_task("call", CALL, self.call_task)
        self.timer = self.rex.rex_def_timer(self.control, TIMER_SIG)
        if "linux" in rtos.lines:
            self.rex.rex_def_task("user", USER, self.user_task, rtos.lines["linux"])
        self.rex.rex_def_task("console", CONSOLE, self.console_task)
        self.rex.rex_def_task("measure", MEASURE, self.measure_task)
        network.on_event = self.post
        network.on_frame = self._frame_came
        self._tell_of_job, rtos.on_job = rtos.on_job, self._job_done

    # ---- events

    def post(self, what: What, number: str = "") -> None:
        """An event for the call: from anybody, in no time."""
        self._events.append((what, number))
        self.rex.rex_set_sigs(self.control, EVENT_SIG)

    def tell(self, kind: Kind, a: int = 0, b: int = 0, c: int = 0, text: str = "") -> None:
        """A message to the user interface; nobody waits for it to be there."""
        if "linux" in self.rtos.lines:
            self.rtos.lines["linux"].post(Message(kind, a, b, c, text).pack())

    def _frame_came(self, time: int) -> None:
        self.rtos.jobs.release(self.voice.task, time)
        self.rex.rex_set_sigs(self.voice, FRAME_SIG)

    def _job_done(self, task: Task) -> None:
        self._tell_of_job(task)
        if task.timing.missed:
            self.account()

    # ---- voice, pager

    def voice_task(self, rex: Rex) -> Generator[Any, Any, None]:
        """Each frame that comes is decoded, and one that was spoken goes back under its number."""
        while True:
            yield rex.rex_wait(FRAME_SIG)
            rex.rex_clr_sigs(self.voice, FRAME_SIG)
            while self.network.down:
                found = content(self.network.down.popleft())
                yield Work(CODEC_CYCLES)
                if found is not None:
                    number, heard = found
                    self.network.up(frame(number, bytes(255 - byte for byte in heard[:PAYLOAD])))
            if self.voice.task.timing.open:
                yield self.rtos.next_period()

    def pager_task(self, rex: Rex) -> Generator[Any, Any, None]:
        """In the phone's slot it listens whether it is called, and sleeps until the next one."""
        while True:
            yield Work(SLOT_CYCLES)
            number = self.network.page()
            if number:
                self.post(What.PAGED, number)
            yield self.rtos.next_period()

    # ---- the call

    def call_task(self, rex: Rex) -> Generator[Any, Any, None]:
        """Events in order; what follows from them."""
        while True:
            signals = yield rex.rex_wait(EVENT_SIG | TIMER_SIG)
            rex.rex_clr_sigs(self.control, EVENT_SIG | TIMER_SIG)
            if signals & TIMER_SIG:
                self._events.append((What.TIMEOUT, ""))
            while self._events:
                yield Work(EVENT_CYCLES)
                do = self.call.happens(*self._events.popleft())
                if do is not None:
                    yield from self._do(do)

    def _do(self, do: Do) -> Generator[Any, Any, None]:
        call, rex = self.call, self.rex
        if do is Do.CHALLENGE:
            self._events.appendleft(((yield from self._authenticate()), ""))
        elif do is Do.SET_UP:
            rex.rex_set_timer(self.timer, DIALS_FOR)
            self.network.set_up(call.number)
        elif do is Do.RING:
            rex.rex_set_timer(self.timer, RINGS_FOR)
            self.tell(Kind.RINGING, text=call.number)
        elif do is Do.CONNECT:
            self._connect()
        elif do is Do.END:
            self._end()
        elif do is Do.TELL_BUSY:
            self.tell(Kind.ENDED, End.BUSY)

    def _authenticate(self) -> Generator[Any, Any, What]:
        """The network's challenge to the keystore and back: whether the network believes the answer."""
        triplet, line = self.network.challenge(), self.rtos.lines.get("keystore")
        if line is None:
            return What.REFUSED
        self._serial += 1
        line.post(request(self._serial, triplet.nonce))
        until = self.rtos.after(KEYSTORE_PATIENCE)
        try:
            while True:
                found = answer((yield line.receive(until)))
                if found is not None and found.serial == self._serial:
                    break
        except Refused:
            return What.REFUSED
        right = found.status == Answer.OK and self.network.verify(triplet, found.mac)
        return What.ACCEPTED if right else What.REFUSED

    def _connect(self) -> None:
        self.rex.rex_clr_timer(self.timer)
        self.calls += 1
        self._connected_at = self.rtos.now()
        self.network.connect()
        self.tell(Kind.CONNECTED, 0, text=self.call.number)
        self.rtos.print("call connected:", self.call.number)
        self.account()

    def _end(self) -> None:
        self.rex.rex_clr_timer(self.timer)
        self.rex.rex_clr_sigs(self.control, TIMER_SIG)
        self.network.release()
        voice = self.network.voice
        self.tell(Kind.ENDED, self.call.cause, voice.sent, voice.lost, self.call.number)
        self.rtos.print(f"call ended ({self.call.cause.name.lower()}): {voice.sent} frames, {voice.lost} lost")
        self.account()

    # ---- who talks to the user

    def user_task(self, _rex: Rex, line: Line) -> Generator[Any, Any, None]:
        """Messages of the user interface. Whatever they say, each costs the same, below everything that has a deadline.

        It is told at the start how things are: after a restart of this cell it may still show a call that is no more.
        """
        self._greet()
        while True:
            data = yield line.receive()
            yield Work(MESSAGE_CYCLES)
            try:
                message = Message.unpack(data)
            except ValueError:
                continue
            if message.kind == Kind.HELLO:
                self._greet()
            elif message.kind in USER_EVENTS:
                self.post(USER_EVENTS[Kind(message.kind)], message.text[:NUMBER])

    def _greet(self) -> None:
        """The user interface has started: how things are."""
        self.tell(Kind.SIGNAL, self.level)
        state, number = self.call.state, self.call.number
        if state is State.CONNECTED:
            since = (self.rtos.now() - self._connected_at) * 1000 // self.rtos.hz
            self.tell(Kind.CONNECTED, since, text=number)
        elif state is State.RINGING:
            self.tell(Kind.RINGING, text=number)
        else:
            self.tell(Kind.ENDED, End.IDLE)

    def console_task(self, _rex: Rex) -> Generator[Any, Any, None]:
        """What somebody types at the network: "ring NUMBER", "drop"."""
        while True:
            line = yield self.rtos.console.queue.receive()
            yield Work(MESSAGE_CYCLES)
            order, _, number = line.decode("ascii", "replace").strip().partition(" ")
            if order == "ring" and number:
                self.network.ring(number[:NUMBER])
            elif order == "drop":
                self.network.drop()
            else:
                self.rtos.print(f"? {order[:NUMBER]} (ring NUMBER, drop)")

    def measure_task(self, rex: Rex) -> Generator[Any, Any, None]:
        """The level of the signal, which wanders, and the account; and that the cell is alive: nothing above starves this
        task."""
        while True:
            yield Work(MESSAGE_CYCLES)
            level = min(max(self.level + self.rtos.random.choice((-1, 0, 0, 1)), 1), LEVELS - 1)
            if level != self.level:
                self.level = level
                self.tell(Kind.SIGNAL, level)
            self.account()
            self.rtos.port.heartbeat()
            yield self.rtos.sleep(LOOK)

    def account(self) -> None:
        """What the run's account shows."""
        total, tasks = self.network.total, [self.voice.task.timing, self.pager.task.timing]
        missed = sum(timing.misses for timing in tasks)
        jobs = sum(timing.jobs for timing in tasks)
        late = sum(timing.missed for timing in tasks)  # counted, and not over yet
        figures = {
            "calls": self.calls,
            "voice_sent": total.sent,
            "voice_lost": total.lost,
            "voice_latency_us": self.rtos.micros(total.latency),
            "deadlines_met": jobs - (missed - late),
            "deadlines_missed": missed,
        }
        for name, value in figures.items():
            self.rtos.report(name, value)


def main(rtos: Rtos, *args: str | int | float) -> None:
    """Make the tasks. `args`: "call=AT:NUMBER[:FOR]": somebody calls at a time, and hangs up after another."""
    network = Network(rtos, TRIPLETS)
    baseband = Baseband(rtos, network)
    for text in args:
        _script(baseband, str(text))


def _script(baseband: Baseband, text: str) -> None:
    word, _, rest = text.partition("=")
    parts = rest.split(":")
    if word != "call" or len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f'"{text}" is no argument of the baseband; write "call=2s:+4989123456:3s"')
    at, number, *duration = parts
    rtos, network = baseband.rtos, baseband.network
    rtos.timer(f"calls {number}", lambda: network.ring(number)).start(at)
    for length in duration:
        rtos.timer(f"drops {number}", network.drop).start(rtos.cycles(at) + rtos.cycles(length))


__all__ = ["Baseband", "Tcb", "main"]
