"""Keeps one line alive: signs on where we dialled, echoes when nothing was heard, signs off at the end.

Owns what we ask of the network on a line (0800) and the answer that is waited for (0810). Knows no card, and not how
a line is had again: a line that it gives up is closed, and whoever had it hears of it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog
import trio

from authoriser import limits
from authoriser.link import Line, Link, OnBytes
from isowire import Message
from rules import Reason

log = structlog.get_logger()

STAN_MAX = 999_999
"""DE11 is six digits."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Stans:
    """Numbers the 0800s of one link. Begins by the clock, so that a restart does not repeat what was just sent."""

    def __init__(self, now: datetime) -> None:
        self._last = int(now.timestamp() * 10) % STAN_MAX

    def next(self) -> str:
        self._last = self._last % STAN_MAX + 1
        return f"{self._last:06}"


def message_of_ours(link: Link, code: str, stan: str, transmission: str) -> bytes:
    """The frame of an 0800 with `code` in DE70. Raises EncodeError where the dialect can't say it."""
    fields = dict(link.dialect.management.fields) | {"7": transmission, "11": stan, "70": code}
    in_order = dict(sorted(fields.items(), key=lambda item: int(item[0])))
    return link.framing.wrap(link.codec.encode(Message("0800", in_order)))


class Question:
    """One 0800 of ours, and what its 0810 said."""

    def __init__(self, stan: str, transmission: str, code: str) -> None:
        self._right = ("0810", stan, transmission, code)
        self.response_code: str | None = None
        """DE39 of the answer; None while there is none."""
        self.over = trio.Event()
        """Set when it is answered, or not waited for any more."""

    def hears(self, message: Message) -> bool:
        """Whether a response answers this: MTI, DE11 and DE7, and DE70 where it is there. It does so once."""
        fields = message.fields
        found = (message.mti, fields.get("11"), fields.get("7"), fields.get("70", self._right[3]))
        if self.response_code is not None or found != self._right:
            return False
        self.response_code = fields.get("39", "")
        self.over.set()
        return True


class OwnMessage:
    """A message of ours on its way into the outbox of a line. It leaves in time for an answer, or not at all."""

    def __init__(self, data: bytes, deadline: float) -> None:
        """`deadline` in seconds of `trio.current_time`."""
        self.data = data
        self._deadline = deadline

    def sendable(self, now: float) -> bool:
        return now < self._deadline

    def sent(self, now: float) -> None:
        """Nothing hangs on it: its answer is waited for either way."""


class LineKeeper:
    """One line's. `run` beside its reader; `hearing` has to see what is read."""

    def __init__(
        self,
        line: Line,
        stans: Stans,
        count: Callable[[str], None],
        *,
        echo_idle_s: float,
        signs_on: bool = False,
        on_signed_on: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`echo_idle_s` of 0.0 sends no echo. `signs_on` where we dialled; `on_signed_on` hears of the answer."""
        self._line = line
        self._stans = stans
        self._count = count
        self._echo_idle_s = echo_idle_s
        self._signs_on = signs_on
        self._on_signed_on = on_signed_on
        self._now = now
        self._codes = line.link.dialect.management
        self._approved = line.link.policy.response_codes[Reason.APPROVED]
        self._heard_at = trio.current_time()
        self._leaving = trio.Event()
        self._asked: Question | None = None
        self._scope = trio.CancelScope()
        self.signed_on_at: float | None = None
        """When our sign-on was answered, in seconds of `trio.current_time`."""

    def hearing(self, on_bytes: OnBytes) -> OnBytes:
        """The same, and it is noted that something was heard."""

        def heard(line: Line, data: bytes, arrived: float) -> None:
            self._heard_at = trio.current_time()
            on_bytes(line, data, arrived)

        return heard

    async def run(self) -> None:
        """From sign-on to sign-off, or until the line is given up (its `problem` then says why)."""
        with self._scope:
            if self._signs_on and not await self._sign_on():
                # Whatever was decided for it meanwhile is still sent.
                self._line.stop_reading()
                return
            if not await self._until_leaving():
                return
            if self._signs_on:
                await self._ask(self._codes.sign_off, limits.SIGN_OFF_WAIT_S)
                self._line.signed_on = False
            self._line.stop_reading()

    def leave(self) -> None:
        """Sign off, and read no more once the network has heard it. What it still sends meanwhile is answered."""
        self._leaving.set()
        if self._asked is not None:
            self._asked.over.set()

    def end(self) -> None:
        """The line is not read any more."""
        self._scope.cancel()

    async def _sign_on(self) -> bool:
        code = await self._ask(self._codes.sign_on, limits.MANAGEMENT_WAIT_S)
        if code == self._approved:
            self._line.signed_on = True
            self.signed_on_at = trio.current_time()
            self._on_signed_on()
            return True
        if not self._leaving.is_set():
            self._count("sign_on_failures")
            self._line.problem = (
                f"sign-on was not answered within {limits.MANAGEMENT_WAIT_S:g} s"
                if code is None
                else f"sign-on was answered with DE39 {code or 'missing'}; {self._approved} would be right"
            )
        return False

    async def _until_leaving(self) -> bool:
        """Echo whenever nothing was heard for a while. False where the line was given up."""
        if not self._echo_idle_s:
            await self._leaving.wait()
            return True
        missed = 0
        while not self._leaving.is_set():
            due = self._heard_at + self._echo_idle_s
            asked_at = trio.current_time()
            if asked_at < due:
                missed = 0  # something was heard since
                with trio.move_on_at(due):
                    await self._leaving.wait()
                continue
            code = await self._ask(self._codes.echo, limits.MANAGEMENT_WAIT_S)
            if code is not None and code != self._approved:
                if self._refused(code):
                    return False
            elif code is None and self._heard_at <= asked_at and not self._leaving.is_set():
                missed += 1
                self._count("echoes_missed")
                if missed >= limits.ECHOES_MISSED_MAX:
                    self._line.problem = f"{missed} echoes in a row were not answered"
                    self._line.close()
                    return False
        return True

    def _refused(self, code: str) -> bool:
        """Give up a line that we dialled: the network is there, and dialled anew the line is signed on anew."""
        text = f"echo was answered with DE39 {code or 'missing'}; {self._approved} would be right"
        if not self._signs_on:
            log.warning("echo refused", link=self._line.link.name, problem=text)
            return False
        self._line.problem = text
        self._line.stop_reading()
        return True

    async def _ask(self, code: str, wait_s: float) -> str | None:
        """DE39 of the answer to an 0800 with this DE70; None where there is none in time."""
        stan, transmission = self._stans.next(), self._now().strftime("%m%d%H%M%S")
        data = message_of_ours(self._line.link, code, stan, transmission)
        question = self._asked = self._line.asked = Question(stan, transmission, code)
        self._line.take(OwnMessage(data, trio.current_time() + wait_s))
        self._line.flush()
        with trio.move_on_after(wait_s):
            await question.over.wait()
        self._asked = self._line.asked = None
        return question.response_code
