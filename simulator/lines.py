"""Several connections kept up: dialled, signed on, echoed over, and dialled again if that is wanted.

Owns which connections are up. Must not know what is sent over them besides network management.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from isowire.framing import Framing
from simulator.errors import LineLostError, SimulatorError
from simulator.messages import ECHO, SIGN_OFF, SIGN_ON
from simulator.network import Clock, Dial, Line

REDIAL_FIRST_S, REDIAL_MAX_S = 0.1, 5.0
"""The wait before dialling again doubles from the first to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePolicy:
    """How connections are kept."""

    count: int = 1
    reconnect: bool = False
    echo_every_s: float = 10.0
    patience_s: float = 5.0
    """How long an answer to network management may take."""


class Lines:
    """`open` them in a nursery, `pick` one for each message, `sign_off` at the end."""

    def __init__(
        self,
        dial: Dial,
        framing: Framing,
        policy: LinePolicy,
        *,
        now: Clock,
        next_stan: Callable[[], str],
        on_stray: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        """`say` hears, in words, of connections lost and found again."""
        self._dial = dial
        self._framing = framing
        self._policy = policy
        self._now = now
        self._next_stan = next_stan
        self._on_stray = on_stray
        self._say = say
        self._up: list[Line] = []
        self._turn = 0
        self._ending = False
        self.losses: list[str] = []
        """Why each lost connection was lost, in order."""
        self.all_lost = trio.Event()
        """Set when no connection is up and none will be dialled again."""

    @property
    def up(self) -> int:
        return len(self._up)

    async def open(self, nursery: trio.Nursery) -> None:
        """Dial and sign on all of them; they run in `nursery`. Raises SimulatorError if one cannot be had."""
        for number in range(self._policy.count):
            stream = await self._dial()
            await nursery.start(self._keep, stream, number + 1)

    def pick(self) -> Line | None:
        """The next connection in turn; None while all are down, or signed off by the issuer."""
        for _ in self._up:
            self._turn = (self._turn + 1) % len(self._up)
            line = self._up[self._turn]
            if not line.signed_off:
                return line
        return None

    async def sign_off(self) -> None:
        """Sign off and close. A line that does not answer is closed all the same."""
        self._ending = True
        for line in list(self._up):
            with suppress(SimulatorError):
                await self._manage(line, SIGN_OFF)
            await line.close()

    async def _keep(
        self, stream: trio.abc.Stream, number: int, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """One connection's life, and those of the ones dialled in its place."""
        up_once = False

        def started() -> None:
            nonlocal up_once
            up_once = True
            task_status.started()

        why = await self._live(stream, started)
        if not up_once:
            raise SimulatorError(f"sign-on failed on connection {number}: {why}")
        while not self._ending:
            self.losses.append(why)
            self._say(f"connection {number} is lost: {why}")
            again = await self._redial() if self._policy.reconnect else None
            if again is None:
                break
            why = await self._live(again, lambda: self._say(f"connection {number} is up again"))
        if not self._up:
            self.all_lost.set()

    async def _live(self, stream: trio.abc.Stream, signed_on: Callable[[], None]) -> str:
        """From sign-on to loss; says why it was lost."""
        line = Line(stream, self._framing, on_stray=self._on_stray)

        async def run(scope: trio.CancelScope) -> None:
            with suppress(LineLostError):
                await line.run()
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, nursery.cancel_scope)
            try:
                await self._sign_on(line)
                self._up.append(line)
                signed_on()
                await self._echo_for_ever(line)
            except SimulatorError as problem:
                await line.close(str(problem))
            finally:
                if line in self._up:
                    self._up.remove(line)
        return line.lost

    async def _sign_on(self, line: Line) -> None:
        await self._manage(line, SIGN_ON)

    async def _echo_for_ever(self, line: Line) -> None:
        while True:
            await trio.sleep(self._policy.echo_every_s)
            if not self._ending:
                await self._manage(line, ECHO)

    async def _manage(self, line: Line, code: str) -> None:
        await line.manage(code, stan=self._next_stan(), at=self._now(), patience_s=self._policy.patience_s)

    async def _redial(self) -> trio.abc.Stream | None:
        wait_s = REDIAL_FIRST_S
        while not self._ending:
            await trio.sleep(wait_s)
            wait_s = min(wait_s * 2, REDIAL_MAX_S)
            with suppress(SimulatorError):
                return await self._dial()
        return None
