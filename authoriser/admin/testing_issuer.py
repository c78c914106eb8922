"""The real methods on a real socket, in a thread of their own: for tests that ask as operators do.

Owns a shard on the journal that it is given, its admin socket, and a way to ask as another user. No network is
connected: `pay` commands the ledger as a link would.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from authoriser.admin import protocol
from authoriser.admin.client import AdminClient
from authoriser.admin.methods import Methods
from authoriser.admin.roles import Roles
from authoriser.admin.server import AdminServer
from authoriser.configured_link import policy_of
from authoriser.journal.contract import Journal
from authoriser.journal.memory import MemoryJournal
from authoriser.keys import PanKey
from authoriser.ledger import commands as c
from authoriser.ledger.records import Particulars
from authoriser.ledger.state import ShardState
from authoriser.owner import ShardOwner, take_shard
from authoriser.snapshots.memory import MemorySnapshots
from authoriser.translate import Tokens
from isowire import load_dialect
from rules import Transaction

T = TypeVar("T")

START_LIMIT_S = 20.0
_KEY = PanKey(1, bytes(range(32)))


class Issuer:
    """One issuer at work. Made by `issuing`; every call is made in its thread, and waits for its end."""

    def __init__(
        self, path: Path, journal: Journal, roles: Roles, group: str, over_minor: int | None
    ) -> None:
        self.path = path
        self.link_policy = policy_of(load_dialect("iso87-ascii"), 2000)
        self._journal = journal
        self._roles = roles
        self._group = group
        self._over_minor = over_minor
        self._stans = itertools.count(1)
        self._keys = itertools.count(1)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Raises what kept it from starting."""
        self._thread.start()
        assert self._ready.wait(START_LIMIT_S), "the issuer starts in time"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End it in order."""
        trio.from_thread.run_sync(self._stopping.set, trio_token=self._token)
        self._thread.join()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits in `start`
            self._failure = error
            self._ready.set()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stopping = trio.Event()
        self.owner: ShardOwner = await take_shard(
            shard=0, journal=self._journal, snapshots=MemorySnapshots(), policies={"test": self.link_policy}
        )
        tokens = Tokens(_KEY.token)
        self.methods = Methods(
            owner=self.owner,
            policy=self.link_policy,
            pan_key=_KEY,
            tokens=tokens,
            time_zone="UTC",
            status=_no_status,
            second_person_over_minor=self._over_minor,
        )
        door = AdminServer(self.path, self.methods, lambda _name: None, roles=self._roles, group=self._group)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.owner.run)
            await nursery.start(door.run)
            self._ready.set()
            await self._stopping.wait()
            await self.owner.finish()
            nursery.cancel_scope.cancel()
        await self._journal.close()

    # ---- asking

    def ask(self, method: str, **params: Any) -> Any:
        """As an operator does, over the socket. A change gets words of its own. Raises AdminError."""
        with AdminClient(self.path) as client:
            return client.call(method, **self._worded(method, params))

    def ask_as(self, uid: int, method: str, **params: Any) -> Any:
        """As another user does, behind the socket: one process has one user. Raises RpcError."""
        made = protocol.make_params(method, self._worded(method, params))
        return trio.from_thread.run(self.methods.call, method, made, uid, trio_token=self._token)

    def _worded(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if not issubclass(protocol.METHODS[method].params, protocol.Change):
            return params
        return {"key": f"test-{next(self._keys)}", "reason": "a test", "actor": "tester", **params}

    def look(self, at: Callable[[ShardState], T]) -> T:
        """Something of the state, as it is between two steps."""
        return trio.from_thread.run_sync(at, self.owner.state, trio_token=self._token)

    def execute(self, command: c.Command) -> Any:
        """Decide and apply, as the process itself does."""
        return trio.from_thread.run_sync(
            self.owner.execute, command, self.link_policy, trio_token=self._token
        )

    # ---- a little of a network

    def pay(self, pan: str, amount_minor: int, *, currency: str = "978", **said: Any) -> str:
        """An 0100 for a purchase; the reason of its answer."""
        stan = f"{next(self._stans):06}"
        particulars = Particulars(
            network="net",
            link="test",
            mti="0100",
            transmission="0102030405",
            stan=stan,
            rrn=f"RRN{stan}",
            acquirer="500",
            processing_code="000000",
            amount_minor=amount_minor,
            currency=currency,
            merchant="SHOP",
            city="LISBON",
        )
        request = c.AuthorisationRequest(
            particulars=msgspec.structs.replace(particulars, **said),
            key=f"net|{pan[-4:]}|{stan}",
            token=_KEY.token(pan),
            last_four=pan[-4:],
            transaction=Transaction.PURCHASE,
            stated_expiry="",
        )
        outcome = self.execute(request)
        return str(outcome.reply.reason)


def _no_status() -> protocol.Status:
    raise AssertionError("no test of this asks for the status")


@contextlib.contextmanager
def issuing(
    path: Path,
    *,
    journal: Journal | None = None,
    roles: Roles | None = None,
    group: str = "",
    second_person_over_minor: int | None = None,
) -> Iterator[Issuer]:
    """An issuer whose admin socket is `path`, ended in order. Without `roles`, this process's user is supervisor."""
    issuer = Issuer(
        path,
        journal if journal is not None else MemoryJournal(),
        roles if roles is not None else Roles(),
        group,
        second_person_over_minor,
    )
    issuer.start()
    try:
        yield issuer
    finally:
        issuer.stop()
