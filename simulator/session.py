"""One run over its connections: what is due is sent, every answer is checked and counted.

Owns the run from sign-on to sign-off. Must not know how anything is shown: a view reads `Session` while it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import trio

from isowire.framing import FRAMINGS, Framing
from simulator.checks import Answer, answer_of, check_reply
from simulator.doorstep import AcceptedLines, Doorstep
from simulator.errors import SimulatorError
from simulator.lines import LinePolicy, Lines
from simulator.messages import Fields
from simulator.network import Clock, Dial, Exchange, utc_now
from simulator.openloop import Schedule, drive
from simulator.record import Record, heard
from simulator.shop import Planned
from simulator.tally import Summary, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a run does."""

    rate_per_s: float = 50.0
    seconds: float = 10.0
    framing: Framing = FRAMINGS["bin2"]
    lines: LinePolicy = field(default_factory=LinePolicy)
    timer_ms: int = 2500
    """The network's timer: the issuer's default deadline of 2000 ms and half a second on the way."""
    patience_s: float = 5.0
    """How long the end of the run waits for what is not answered yet."""


class Source(Protocol):
    """Where messages come from."""

    def next_stan(self) -> str:
        """A number for a message of network management."""

    def next(self, at: datetime) -> Planned | None:
        """The message sent at `at`; None when there are no more."""

    def learn(self, planned: Planned, answer: Answer) -> None:
        """Hear an answer that was right."""


@dataclass(frozen=True, slots=True)
class _Sent:
    planned: Planned
    at: datetime


class Session:
    """A run. `run` it once; the other attributes may be read at any time."""

    def __init__(
        self,
        order: Order,
        source: Source,
        dial: Dial | Doorstep,
        *,
        record: Record | None = None,
        now: Clock = utc_now,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """With a doorstep the issuer dials. `say` hears of connections lost and found, in words."""
        self.order = order
        self.tally = Tally()
        self.started_s = 0.0
        self._source = source
        self._record = record
        self._now = now
        self._outstanding: dict[Exchange, _Sent] = {}
        self._settled = trio.Event()
        self._sending = True
        self._stop_sending: Callable[[], None] = lambda: None
        self._took_s = 0.0
        self._ended_early = ""
        self.lines = _lines(
            dial,
            order,
            now=now,
            next_stan=source.next_stan,
            on_stray=lambda what: self.tally.note_wrong([what]),
            say=say,
        )

    @property
    def waiting(self) -> int:
        """Sent and not answered yet."""
        return len(self._outstanding)

    async def run(self) -> Summary:
        """From sign-on to sign-off. Raises SimulatorError where no connection can be had at the start.

        Without `reconnect`, the loss of the last connection ends it early.
        """
        failure: SimulatorError | None = None
        async with trio.open_nursery() as nursery:
            try:
                await self.lines.open(nursery)
            except SimulatorError as problem:
                failure = problem
            else:
                await self._work()
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self.tally.summary(
            seconds=self._took_s,
            rate_per_s=self.order.rate_per_s,
            timer_ms=self.order.timer_ms,
            connections_lost=self.lines.losses,
            ended_early=self._ended_early,
        )

    async def _work(self) -> None:
        """Send what is due, wait for what is not answered yet, sign off."""
        self.started_s = trio.current_time()
        await self._send()
        with trio.move_on_after(self.order.patience_s):
            if self._outstanding:
                await self._settled.wait()
        self._took_s = trio.current_time() - self.started_s
        if self.lines.all_lost.is_set():
            self._ended_early = f"every connection is lost: {self.lines.losses[-1]}"
        for exchange in list(self._outstanding):
            exchange.lost = f"no answer within {self.order.patience_s:g} s after the end"
            self._done(exchange)
        await self.lines.sign_off()

    async def _send(self) -> None:
        """Everything the schedule holds, or until no connection or no message is left."""
        order = self.order
        schedule = Schedule(self.started_s, order.rate_per_s, max(1, round(order.rate_per_s * order.seconds)))
        async with trio.open_nursery() as nursery:
            self._stop_sending = nursery.cancel_scope.cancel

            async def stop_when_all_lost() -> None:
                await self.lines.all_lost.wait()
                self._stop_sending()

            nursery.start_soon(stop_when_all_lost)
            await drive(schedule, self._put)
            self._stop_sending()
        self._sending = False

    def _put(self, _number: int, due_s: float) -> None:
        line = self.lines.pick()
        if line is None:
            self.tally.due += 1
            self.tally.unsent += 1
            return
        at = self._now()
        planned = self._source.next(at)
        if planned is None:
            self._stop_sending()
            return
        self.tally.due += 1
        exchange = Exchange(fields=planned.fields, due_s=due_s, on_done=self._done)
        if line.put(exchange):
            self.tally.kinds[planned.kind.value] += 1
            self._outstanding[exchange] = _Sent(planned, at)
        else:
            self.tally.unsent += 1

    def _done(self, exchange: Exchange) -> None:
        """An exchange is answered, or lost."""
        sent = self._outstanding.pop(exchange, None)
        if sent is None:
            return
        planned = sent.planned
        latency_s = 0.0
        if exchange.reply is None:
            self.tally.unanswered += 1
        else:
            latency_s = exchange.answered_s - exchange.due_s
            self._check(planned, exchange, exchange.reply, latency_s)
        if self._record is not None:
            self._record.write(
                heard(planned, sent.at, exchange.reply, latency_ms=latency_s * 1000, lost=exchange.lost)
            )
        if not self._outstanding and not self._sending:
            self._settled.set()

    def _check(self, planned: Planned, exchange: Exchange, reply: Fields, latency_s: float) -> None:
        tally = self.tally
        tally.answered += 1
        tally.latencies.record(latency_s)
        tally.late += (exchange.answered_s - exchange.sent_s) * 1000 > self.order.timer_ms
        tally.response_codes[reply.get("39", "none")] += 1
        wrong = check_reply(planned.fields, reply, planned.earlier)
        if wrong:
            tally.note_wrong([str(each) for each in wrong])
        else:
            self._source.learn(planned, answer_of(reply))


def _lines(
    dial: Dial | Doorstep,
    order: Order,
    *,
    now: Clock,
    next_stan: Callable[[], str],
    on_stray: Callable[[str], None],
    say: Callable[[str], None],
) -> Lines:
    if isinstance(dial, Doorstep):
        return AcceptedLines(
            dial, order.framing, order.lines, now=now, next_stan=next_stan, on_stray=on_stray, say=say
        )
    return Lines(dial, order.framing, order.lines, now=now, next_stan=next_stan, on_stray=on_stray, say=say)
