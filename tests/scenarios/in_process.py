"""A world in this process: the real codec, translator, ledger and desk over a journal in memory, and a clock by hand.

Only the socket and the disk are stand-ins. Time moves when a scenario says so: a week passes in one step.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import iso8583
import trio
import trio.testing
from iso8583.specs import default_ascii

from authoriser.admin.base import expires_ms
from authoriser.answers import PendingReply
from authoriser.clock import LedgerClock
from authoriser.configured_link import policy_of
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger import commands as c
from authoriser.ledger.digest import problems, state_hash
from authoriser.ledger.records import Audit, Particulars
from authoriser.link import Link
from authoriser.owner import ShardOwner, take_shard
from authoriser.pipeline import Pipeline
from authoriser.recovery import Replayer, recover
from authoriser.snapshots.memory import MemorySnapshots
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens
from isowire import FRAMINGS, Codec, load_dialect
from rules import CardState, Controls, Limit
from tests.scenarios.format import Operator, Scenario, duration_ms
from tests.scenarios.messages import CURRENCIES, Fields
from tests.scenarios.play import Player
from tests.scenarios.world import ClearingRow, JournalReader, Names

START_MS = 1_800_000_000_000
"""Friday, 15 January 2027, 08:00 UTC."""
NETWORK = "default"
DEADLINE_S = 2.0
BIN2 = FRAMINGS["bin2"]
STEP_S = 1.0
"""Between two steps, so that no two messages are of the same second unless a scenario says so."""
FOR_GOOD_MS = 1 << 60
STATES = {
    "freeze": CardState.FROZEN,
    "unfreeze": CardState.ACTIVE,
    "block": CardState.BLOCKED,
    "close": CardState.CLOSED,
}


class MemoryLine:
    """A line whose kernel takes everything at once."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.reader = link.framing.reader(link.frame_length_max_bytes)
        self.signed_on = True
        self.lost_framing = False
        self.closed = False
        self.keepalives = 0
        self.owed = 0
        self.taken: list[Fields] = []
        self._ready: list[PendingReply] = []

    def take(self, reply: PendingReply) -> None:
        self._ready.append(reply)

    def resolved(self) -> None:
        self.owed -= 1

    def flush(self) -> None:
        now = trio.current_time()
        ready, self._ready = self._ready, []
        for reply in ready:
            if reply.sendable(now):
                fields, _ = iso8583.decode(reply.data[2:], default_ascii)
                self.taken.append({n: text for n, text in fields.items() if n not in ("p", "1")})
                reply.sent(now)


class InProcess:
    """One server's life, over as many owners as a scenario starts."""

    def __init__(self, nursery: trio.Nursery, clock: trio.testing.MockClock) -> None:
        self._nursery = nursery
        self._clock = clock
        self._log = MemoryLog()
        self._snapshots = MemorySnapshots()
        self._changes = 0
        self._cards = 0
        self.journal = JournalReader()
        dialect = load_dialect("iso87-ascii")
        self._link = Link(
            name="test",
            network=NETWORK,
            listen=("127.0.0.1", 0),
            dialect=dialect,
            codec=Codec(dialect),
            framing=BIN2,
            policy=policy_of(dialect, int(DEADLINE_S * 1000)),
            reply_deadline_s=DEADLINE_S,
            frame_length_max_bytes=4096,
            connections_max=10,
        )

    def now_ms(self) -> int:
        return START_MS + int(trio.current_time() * 1000)

    async def start(self) -> None:
        """An owner recovers from the journal and the snapshots, and takes the shard."""
        self._memory = MemoryJournal(self._log)
        self._owner: ShardOwner = await take_shard(
            shard=0,
            journal=self._memory,
            snapshots=self._snapshots,
            policies={"test": self._link.policy},
            clock=LedgerClock(wall_ms=self.now_ms, monotonic_ms=lambda: int(trio.current_time() * 1000)),
        )
        self._scope = trio.CancelScope()
        await self._nursery.start(self._run)
        self._line = MemoryLine(self._link)
        self._owner.after_commit(self._line.flush)
        self._pipeline = Pipeline(
            link=self._link,
            owner=self._owner,
            tokens=Tokens(str.encode),
            exception_secret=b"secret",
            counters=Counters(),
        )

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            await self._owner.run(task_status=task_status)

    async def begin(self, scenario: Scenario, names: Names) -> None:
        for name, account in scenario.accounts.items():
            self._execute(
                c.OpenAccount(
                    names.account_id(name),
                    CURRENCIES[account.currency][0],
                    names.minor(account.credit_line, name),
                    account.time_zone,
                    self._audit(),
                )
            )
            balance_minor = names.minor(account.balance, name)
            if balance_minor:
                self._execute(c.CreditAccount(names.account_id(name), balance_minor, self._audit()))
        if scenario.policy:
            self._execute(c.LoadPolicy(scenario.policy, self._audit()))
        for name, card in scenario.cards.items():
            if card.issued:
                issued = self._card(names.account_id(card.account), names.pan(name), card.expiry)
                self._execute(c.IssueCard(**issued, state=CardState(card.state), audit=self._audit()))
                if card.controls is not None:
                    self._execute(
                        c.SetControls(issued["card_id"], self._controls(card.controls), self._audit())
                    )
        await self._settle()

    async def ask(self, messages: list[Fields]) -> list[Fields]:
        await self._pass(STEP_S)
        self._line.taken = []
        self._send(messages)
        await self._settle()
        return self._line.taken

    async def unheard(self, messages: list[Fields]) -> None:
        """The disk stalls until the deadline is over."""
        await self._pass(STEP_S)
        self._line.taken = []
        self._memory.stall()
        self._send(messages)
        await self._pass(DEADLINE_S + STEP_S)
        self._memory.resume()
        await self._settle()
        assert self._line.taken == [], "nothing leaves after its deadline"

    def _send(self, messages: list[Fields]) -> None:
        data = b"".join(BIN2.wrap(bytes(iso8583.encode(dict(m), default_ascii)[0])) for m in messages)
        self._pipeline.on_bytes(self._line, data, trio.current_time())  # type: ignore[arg-type]

    async def clear(self, row: ClearingRow) -> str:
        day = trio.current_time() // 86_400
        said = Particulars(
            network=NETWORK,
            link="",
            mti="",
            transmission=row.purchased,
            stan="",
            rrn=row.rrn,
            acquirer=row.acquirer,
            processing_code=row.kind,
            amount_minor=row.amount_minor,
            currency=row.currency,
            merchant_id=row.merchant_id,
            network_id=row.network_id,
            approval_code=row.approval_code,
            reference=row.reference,
        )
        command = c.ClearRow(
            particulars=said,
            key=f"{row.reference}|{row.kind}",
            token=row.pan.encode(),
            last_four=row.pan[-4:],
            kind=row.kind,
            settlement_date=f"202701{15 + int(day):02}",
            fee_minor=row.fee_minor,
            final=row.final,
        )
        try:
            self._execute(command)
        except c.CommandRefused as refused:
            return refused.kind
        finally:
            await self._settle()
        return ""

    async def operate(self, step: Operator, names: Names) -> str:
        await self._pass(STEP_S)
        try:
            self._execute(self._command(step, names))
        except c.CommandRefused as refused:
            return refused.kind
        finally:
            await self._settle()
        return ""

    def _command(self, step: Operator, names: Names) -> c.Command:
        makers: dict[str, Callable[[], c.Command]] = {
            "issue": lambda: self._issue(step, names),
            "replace": lambda: self._replacement(step, names),
            "release": lambda: c.ReleaseHold(*names.payment(step.payment), self._audit()),
            "adjust": lambda: c.AdjustBalance(*self._amount(step, names), self._audit()),
            "credit": lambda: c.CreditAccount(*self._amount(step, names), self._audit()),
            "settle": lambda: c.SettleException(
                names.exception(step.exception),
                names.payment(step.payment)[1] if step.payment else 0,
                self._audit(),
            ),
            "controls": lambda: c.SetControls(
                names.card_id(step.card), self._controls(step.controls), self._audit()
            ),
            "policy": lambda: c.LoadPolicy(step.policy, self._audit()),
        }
        if step.operator in STATES:
            return c.ChangeCardState(names.card_id(step.card), STATES[step.operator], self._audit())
        return makers[step.operator]()

    def _issue(self, step: Operator, names: Names) -> c.IssueCard:
        new = self._card(names.account_id(step.account), names.pan(step.card), "4912")
        return c.IssueCard(**new, state=CardState.ACTIVE, audit=self._audit())

    def _replacement(self, step: Operator, names: Names) -> c.ReplaceCard:
        old = names.card_id(step.card)
        account_id = self.journal.state.cards[old].account_id
        new = self._card(account_id, names.pan(step.new_card), "5112")
        closes_ms = self.now_ms() + duration_ms(step.overlap)
        issue = c.IssueCard(**new, state=CardState.ACTIVE, audit=self._audit())
        return c.ReplaceCard(old, closes_ms, issue, issue.audit)

    def _amount(self, step: Operator, names: Names) -> tuple[str, int]:
        assert step.amount is not None, "an adjustment or credit has an amount"
        return names.account_id(step.account), names.minor(step.amount, step.account)

    def _controls(self, said: dict[str, Any] | None) -> Controls | None:
        if said is None:
            return None
        given = dict(said)
        limits = []
        for wanted in given.pop("limits", []):
            limit = dict(wanted)
            if "for" in limit:
                limit["until_ms"] = self.now_ms() + duration_ms(limit.pop("for"))
            limits.append(Limit(**limit))
        lists: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
        }
        return Controls(**lists, limits=tuple(limits))

    async def wait(self, wait_ms: int) -> None:
        await self._pass(wait_ms / 1000)
        await self._settle()

    async def restart(self, *, drained: bool) -> None:
        if drained:
            await self._owner.finish()
        self._scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        await self.start()
        await self._settle()

    async def look(self) -> None:
        self.journal.feed(await self._memory.read(self.journal.next_seq, 1_000_000))
        assert state_hash(self.journal.state) == state_hash(self._owner.state), "replay gives the same state"

    async def check_account(self, account_id: str, amounts: tuple[int, int, int]) -> None:
        account = self._owner.state.accounts[account_id]
        assert amounts == (account.balance_minor, account.held_minor, account.available_minor)

    async def finish(self) -> None:
        """The state from snapshots and tail, from the whole journal, and the one that decided: all the same."""
        await self._owner.snapshots.finish()
        whole = Replayer(0)
        for seq, blob in enumerate(self._log.batches, 1):
            whole.feed(seq, blob)
        from_snapshots = await recover(MemoryJournal(self._log), self._snapshots, 0)
        hashes = {state_hash(state) for state in (self._owner.state, whole.state, from_snapshots.state)}
        assert len(hashes) == 1
        assert problems(whole.state) == []
        self._scope.cancel()

    # ---- what they share

    def _card(self, account_id: str, pan: str, expiry: str) -> dict[str, Any]:
        self._cards += 1
        return {
            "account_id": account_id,
            "card_id": f"card_{self._cards}",
            "token": pan.encode(),
            "key_version": 1,
            "last_four": pan[-4:],
            "expiry": expiry,
            "expires_ms": expires_ms(expiry, "UTC"),
        }

    def _audit(self) -> Audit:
        self._changes += 1
        return Audit(
            f"key-{self._changes}", "operator", 0, "a scenario", f"change-{self._changes}", FOR_GOOD_MS
        )

    def _execute(self, command: c.Command) -> None:
        self._owner.execute(command, self._link.policy)

    async def _pass(self, seconds: float) -> None:
        self._clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()

    async def _settle(self) -> None:
        await self._owner.settle()
        await trio.testing.wait_all_tasks_blocked()


Play = Callable[[Scenario], Awaitable[None]]


def play_in_process(scenario: Scenario) -> None:
    """One scenario on a server of its own. Raises AssertionError where the file says otherwise."""
    clock = trio.testing.MockClock()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            world = InProcess(nursery, clock)
            await world.start()
            await Player(scenario, world).play()
            await world.finish()

    trio.run(main, clock=clock)
