"""Connections that the issuer dials: accepted, signed on by it, and used like those that we dial.

Owns the listening socket and which of the accepted connections are up. Must not know what is sent over them.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from isowire.framing import Framing
from simulator.errors import SimulatorError
from simulator.lines import LinePolicy, Lines
from simulator.network import Clock, Line
from simulator.tls import secured

OPEN_PATIENCE_S = 60.0
"""How long the start waits for the issuer: twice the longest wait between two of its tries."""

HANDSHAKE_PATIENCE_S = 10.0


@dataclass(slots=True, eq=False)
class Doorstep:
    """Where to wait for the issuer. `port` 0 takes a free one, which `bound` tells of."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    bound: trio.Event = field(default_factory=trio.Event)

    async def listen(self) -> trio.SocketListener:
        """Raises SimulatorError where the address can't be had."""
        try:
            listener = (await trio.open_tcp_listeners(self.port, host=self.host))[0]
        except OSError as problem:
            raise SimulatorError(
                f"cannot listen on {self.host}:{self.port}: {problem.strerror or 'no such address'}"
            ) from None
        self.port = listener.socket.getsockname()[1]
        self.bound.set()
        return listener


class AcceptedLines(Lines):
    """`open` waits until `policy.count` connections were dialled and signed on; those that come later are used too."""

    def __init__(
        self,
        doorstep: Doorstep,
        framing: Framing,
        policy: LinePolicy,
        *,
        now: Clock,
        next_stan: Callable[[], str],
        on_stray: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        async def nobody() -> trio.abc.Stream:
            raise SimulatorError("the issuer dials, not we")

        super().__init__(nobody, framing, policy, now=now, next_stan=next_stan, on_stray=on_stray, say=say)
        self._doorstep = doorstep
        self._number = 0
        self._more = trio.Event()

    async def open(self, nursery: trio.Nursery) -> None:
        listener = await self._doorstep.listen()
        nursery.start_soon(self._accept_for_ever, listener, nursery)
        with trio.move_on_after(OPEN_PATIENCE_S):
            while self.up < self._policy.count:
                await self._more.wait()
            return
        raise SimulatorError(
            f"{self.up} of {self._policy.count} connections came to {self._doorstep.host}:{self._doorstep.port} within "
            f"{OPEN_PATIENCE_S:g} s. Is the authoriser running, with a link that connects here?"
        )

    async def _accept_for_ever(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        async with listener:
            while True:
                stream = await listener.accept()
                self._number += 1
                nursery.start_soon(self._serve, stream, self._number)

    async def _serve(self, stream: trio.SocketStream, number: int) -> None:
        """One connection's life."""
        was_up = False

        def signed_on() -> None:
            nonlocal was_up
            was_up = True
            self._more.set()
            self._more = trio.Event()

        try:
            with trio.fail_after(HANDSHAKE_PATIENCE_S):
                under_tls = await secured(stream, self._doorstep.context, server_side=True)
        except (SimulatorError, trio.TooSlowError) as problem:
            await trio.aclose_forcefully(stream)
            self._say(f"connection {number}: {problem or 'no TLS handshake'}")
            return
        why = await self._live(under_tls, signed_on)
        if self._ending:
            return
        self._say(f"connection {number} is lost: {why}")
        if was_up:
            self.losses.append(why)
        if was_up and not self._up and not self._policy.reconnect:
            self.all_lost.set()

    async def _sign_on(self, line: Line) -> None:
        """The issuer does; we have answered it by then."""
        with suppress(trio.TooSlowError):
            with trio.fail_after(self._policy.patience_s):
                await line.signed_on.wait()
            return
        raise SimulatorError(f"the issuer did not sign on within {self._policy.patience_s:g} s")
