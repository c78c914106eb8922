"""The admin socket of a process that may lead or follow: whoever asks is told which, and a follower changes nothing.

Owns what becomes of a call that waits while the shard is lost. Knows no method but `status`.
"""

from collections.abc import Callable
from typing import Any

import trio

from authoriser.admin import protocol as p
from authoriser.admin.server import Callee

FOLLOWS = "this process follows the shard's log and decides nothing; ask the process that leads"
LOST = (
    "this process has just lost the shard: whether it was done, the journal knows; ask the process that leads now, "
    "with the same key"
)


class RoleMethods:
    """`call` as the admin server wants it, passed to the leader's methods while there are any."""

    def __init__(self, status: Callable[[], p.Status]) -> None:
        """`status` is the follower's."""
        self._status = status
        self._methods: Callee | None = None
        self._waiting: set[trio.CancelScope] = set()

    def lead(self, methods: Callee) -> None:
        self._methods = methods

    def follow(self) -> None:
        """The methods' owner is gone: what waits for its log is answered now, as nobody else would."""
        self._methods = None
        for scope in self._waiting:
            scope.cancel()

    async def call(self, method: str, params: Any, uid: int) -> Any:
        """Raises RpcError as `Methods.call` does."""
        methods = self._methods
        if methods is None:
            await trio.lowlevel.checkpoint()
            if method == "status":
                return self._status()
            raise p.application_error("not_admitted", FOLLOWS)
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                return await methods.call(method, params, uid)
            finally:
                self._waiting.discard(scope)
        raise p.application_error("not_admitted", LOST)
