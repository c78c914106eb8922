"""Sent or void: one synchronous choice for every answer.

Owns every reply from decision to the moment when its first byte is handed to the kernel, or its deadline passes. A
reply becomes ready when the log has caught up with it; a line then takes it. At the deadline a reply that no line has
begun to send is dropped; when that was the last waiter of an approval's answer, and none was sent, the answer is void
and its hold is released. There is no third outcome and no await between the question and the choice.

Knows no bytes of ISO 8583, no ledger, no journal: whoever owns the shard passes in what voiding means.
"""

import heapq
from collections.abc import Callable
from typing import Protocol

import trio

from authoriser.limits import OUTSTANDING_REPLIES_MAX

WAITING, READY, SENT, DROPPED = range(4)
"""A reply's life: the log has not caught up; a line may send it; a byte of it has left; none ever will."""


class Sender(Protocol):
    """A line that can take ready replies. `owed` counts those of its replies that the desk holds."""

    owed: int

    def take(self, reply: "PendingReply") -> None: ...

    def resolved(self) -> None:
        """One of its replies was sent or dropped: it owes one less."""


class Answer:
    """One approval's answer while nobody knows whether it left. Repeats of its request join it."""

    __slots__ = ("account_id", "hold_id", "key", "policy_name", "waiting")

    def __init__(self, key: str, account_id: str, hold_id: int, policy_name: str) -> None:
        self.key = key
        self.account_id = account_id
        self.hold_id = hold_id
        self.policy_name = policy_name
        self.waiting = 0


class PendingReply:
    """One reply to one line. `deadline` and `arrived` are seconds of `trio.current_time`."""

    __slots__ = ("_desk", "answer", "arrived", "data", "deadline", "line", "number", "state")

    def __init__(
        self,
        desk: "AnswerDesk",
        line: Sender,
        data: bytes,
        *,
        arrived: float,
        deadline: float,
        answer: Answer | None,
        number: int,
    ) -> None:
        self._desk = desk
        self.line = line
        self.data = data
        self.arrived = arrived
        self.deadline = deadline
        self.answer = answer
        self.number = number
        self.state = WAITING

    def release(self) -> None:
        """The log has caught up: the line may send it. A reply that was dropped meanwhile stays dropped."""
        if self.state == WAITING:
            self.state = READY
            self.line.take(self)

    def sendable(self, now: float) -> bool:
        """Whether a line may begin to send it at `now`. At its deadline it is dropped here, for good."""
        if self.state != READY:
            return False
        if now >= self.deadline:
            self._desk.drop(self)
            return False
        return True

    def sent(self, now: float) -> None:
        """A byte of it was handed to the kernel."""
        self._desk.sent(self, now)


class AnswerDesk:
    """All replies of one process that are neither sent nor dropped."""

    def __init__(
        self,
        *,
        void: Callable[[Answer], None],
        on_sent: Callable[[float], None] = lambda _seconds: None,
        on_silence: Callable[[], None] = lambda: None,
    ) -> None:
        """`void` is called once for an answer that no waiter got; `on_sent` with seconds since arrival."""
        self._void = void
        self._on_sent = on_sent
        self._on_silence = on_silence
        self._answers: dict[str, Answer] = {}
        self._outstanding: dict[int, PendingReply] = {}
        self._deadlines: list[tuple[float, int]] = []
        """A heap of deadlines and the replies' numbers. Not the replies: one that was sent is freed at once, young, and
        no walk of the garbage collector meets it."""
        self._next_number = 1
        self._sweeper = trio.lowlevel.ParkingLot()
        self._resolved = trio.lowlevel.ParkingLot()
        self._sweep_at = float("inf")

    @property
    def outstanding(self) -> int:
        return len(self._outstanding)

    @property
    def admits(self) -> bool:
        return len(self._outstanding) < OUTSTANDING_REPLIES_MAX

    @property
    def admits_repeats(self) -> bool:
        return len(self._outstanding) < 2 * OUTSTANDING_REPLIES_MAX

    def expect(
        self, line: Sender, data: bytes, *, arrived: float, deadline_s: float, answer: Answer | None = None
    ) -> PendingReply:
        """A reply that is to leave within `deadline_s` of `arrived`. With `answer`, its hold depends on it."""
        number = self._next_number
        self._next_number = number + 1
        deadline = arrived + deadline_s
        reply = PendingReply(
            self, line, data, arrived=arrived, deadline=deadline, answer=answer, number=number
        )
        self._outstanding[number] = reply
        line.owed += 1
        if answer is not None:
            answer.waiting += 1
        heapq.heappush(self._deadlines, (deadline, number))
        if deadline < self._sweep_at:
            self._sweep_at = deadline
            self._sweeper.unpark()
        return reply

    def open_answer(self, key: str, account_id: str, hold_id: int, policy_name: str) -> Answer:
        """The answer of a new approval: void unless one of its replies leaves in time."""
        answer = self._answers[key] = Answer(key, account_id, hold_id, policy_name)
        return answer

    def joined(self, key: str) -> Answer | None:
        """The open answer that a repeat joins; None where it was sent, voided, or held nothing."""
        return self._answers.get(key)

    def accounts_waiting(self) -> set[str]:
        """The accounts of all open answers: each may yet be void."""
        return {answer.account_id for answer in self._answers.values()}

    def sent(self, reply: PendingReply, now: float) -> None:
        if reply.state != READY:
            raise AssertionError("only a ready reply is sent")
        reply.state = SENT
        answer = reply.answer
        if answer is not None:
            # Sent to one is sent for all: from here on nothing voids it, whatever becomes of the other waiters.
            self._answers.pop(answer.key, None)
            answer.waiting -= 1
        self._resolve(reply)
        self._on_sent(now - reply.arrived)

    def drop(self, reply: PendingReply) -> None:
        """Silence: this reply will not leave. The last waiter's silence voids the answer."""
        if reply.state >= SENT:
            return
        reply.state = DROPPED
        answer = reply.answer
        self._resolve(reply)
        self._on_silence()
        if answer is not None:
            answer.waiting -= 1
            if not answer.waiting and self._answers.pop(answer.key, None) is not None:
                self._void(answer)

    def _resolve(self, reply: PendingReply) -> None:
        outstanding, deadlines = self._outstanding, self._deadlines
        del outstanding[reply.number]
        # Here, mostly one by one. Those that came after one which is not sent wait for it: 15,000 of them, 6 ms.
        while deadlines and deadlines[0][1] not in outstanding:
            heapq.heappop(deadlines)
        reply.data = b""
        reply.line.resolved()
        if self._resolved:
            self._resolved.unpark_all()

    def sweep(self, now: float) -> None:
        """Drop every reply whose deadline has come."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            self.drop(self._outstanding[deadlines[0][1]])

    async def run(self) -> None:
        """Sweep for ever, each time that a deadline comes."""
        while True:
            self.sweep(trio.current_time())
            self._sweep_at = self._deadlines[0][0] if self._deadlines else float("inf")
            with trio.move_on_at(self._sweep_at):
                await self._sweeper.park()

    def mark(self) -> int:
        """A number that parts the replies decided so far from those to come."""
        return self._next_number

    async def settled(self, before: int) -> None:
        """Return when every reply decided before `mark()` gave `before` was handed over or dropped."""
        while self._outstanding and next(iter(self._outstanding)) < before:
            await self._resolved.park()
