"""The ledger under the machine's test: what runs it, what outlives a crash, and what must hold after every step.

Owns the disk, the batches, the snapshot rounds and the restarts. Which messages and changes come is told by the
machine's rules in `test_machine.py`.
"""

from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ledger_bench import DAY_MS, HOUR_MS
from ledger_model import Expected, Model, Said

from authoriser.journal.batch import VERSION, Batch, encode_batch
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger import state as s
from authoriser.ledger.apply import apply
from authoriser.ledger.decide import decide
from authoriser.ledger.digest import problems, state_hash
from authoriser.ledger.outcome import Outcome
from authoriser.recovery import COMMONS_ID, Replayer
from authoriser.snapshots import Blob, Loaded

ENCODER = msgspec.msgpack.Encoder()

MOMENTS_MS = [1, 40, 2_000, 60_000, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1]
DAYS_MS = [DAY_MS - 1, DAY_MS, 6 * DAY_MS, 7 * DAY_MS, 8 * DAY_MS, 10 * DAY_MS, 11 * DAY_MS, 31 * DAY_MS]

pick = st.integers(min_value=0, max_value=999)


class Disk:
    """What outlives a crash: the journal's batches, the snapshots, the checkpoint."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.blobs: dict[str, Blob] = {}
        self.checkpoint_seq = 0

    def save(self, blob: Blob) -> None:
        kept = self.blobs.get(blob.aggregate_id)
        if kept is None or kept.version <= blob.version:
            self.blobs[blob.aggregate_id] = blob

    def recover(self, loaded: Loaded | None) -> Replayer:
        replayer = Replayer(0, loaded)
        for seq in range(replayer.next_seq, len(self.batches) + 1):
            replayer.feed(seq, self.batches[seq - 1])
        replayer.finish()
        return replayer


def heard(said: c.Reply | s.KeptAnswer) -> Said:
    """A reply, or what is kept of it, as the model says it."""
    amounts = tuple((given.account, given.kind, given.currency, given.amount_minor) for given in said.amounts)
    return Said(said.reason.value, said.response_code, said.approval_code, said.replied_minor, amounts)


def agree(ledger: Any, model: Any, about: object = "", place: str = "") -> None:
    """Raises AssertionError with the first place where the two differ: a whole account is too much to read."""
    if ledger == model:
        return
    if isinstance(ledger, dict) and isinstance(model, dict):
        for name in [*ledger, *(name for name in model if name not in ledger)]:
            agree(ledger.get(name, "nothing"), model.get(name, "nothing"), about, f"{place} {name}")
    raise AssertionError(f"{place}: the ledger has {ledger}, the model {model} {about}")


def cleared(record: r.Cleared) -> tuple[str, int, int]:
    return record.outcome, record.difference_minor, record.hold_id


def card_seen(card: s.Card) -> dict[str, Any]:
    usage = ({"": card.spent} if card.spent is not None else {}) | (card.usage or {})
    return {
        "state": card.state.value,
        "used": {
            (name, window): tuple(getattr(used, window + figure) for figure in ("", "_minor", "_count"))
            for name, used in usage.items()
            for window in ("day", "week", "month")
        },
        "recent": [(spend.at_ms, spend.number, spend.amount_minor) for spend in card.recent or ()],
        "tapped": (card.contactless_count, card.contactless_minor),
    }


def payment_seen(payment: s.Payment) -> dict[str, Any]:
    return {
        "held": payment.held_minor,
        "authorised": payment.authorised_minor,
        "captured": payment.captured_minor,
        "online": payment.online_minor,
        "fee": payment.fee_minor,
        "ended": payment.ended,
        "kind": payment.kind,
        "unknown": payment.answer_unknown,
        "expires": payment.expires_ms,
        "forget": payment.forget_ms,
        "codes": payment.approval_codes,
    }


class LedgerUnderTest(RuleBasedStateMachine):
    """`history` is every command with its time; what a crash loses is taken off its end."""

    policy: c.Policy

    def set_up(self, policy: c.Policy, now_ms: int) -> None:
        self.policy = policy
        self.now_ms = now_ms
        self.disk = Disk()
        self.history: list[tuple[Any, int]] = []
        self.first_answers: dict[str, list[tuple[int, c.Reply]]] = {}
        self.durable_history = 0
        self.take_over()

    # ---- one command, decided here and foreseen there

    def ask(self, command: Any) -> Expected:
        """Decide, compare with the model, apply. An epoch's records are given, not decided."""
        expected = self.foresee(self.model, command, self.now_ms)
        if isinstance(command, r.EpochStarted | r.EpochEnded):
            self.apply((command,))
        else:
            self.decide(command, expected)
        self.history.append((command, self.now_ms))
        return expected

    def decide(self, command: Any, expected: Expected) -> None:
        before = state_hash(self.state)
        outcome = self.outcome(command)
        assert self.outcome(command) == outcome
        assert state_hash(self.state) == before
        if isinstance(outcome, str):
            assert expected == Expected(conflict=outcome)
            return
        said = outcome.reply
        got = Expected(
            reply=None if said is None else heard(said),
            records=len(outcome.records),
            repeated=outcome.repeated,
            refused=outcome.refused,
            changed=outcome.changed,
            cleared=next(
                (cleared(record) for record in outcome.records if isinstance(record, r.Cleared)), None
            ),
        )
        agree(got._asdict(), expected._asdict(), command)
        if outcome.key and said is not None:
            self.check_repeat(outcome.key, said, outcome.records)
        before = {name: account.available_minor for name, account in self.state.accounts.items()}
        self.apply(outcome.records)
        if isinstance(command, c.AuthorisationRequest) and outcome.records:
            self.check_funds(outcome.account_id, before)

    def check_funds(self, account_id: str, before: dict[str, int]) -> None:
        """P4: what is answered to a request takes nothing that is not there. Facts may have taken more before."""
        if account_id:
            available = self.state.accounts[account_id].available_minor
            assert available >= min(0, before[account_id])

    def outcome(self, command: c.Command) -> Outcome | str:
        """What `decide` says; of a refusal its kind."""
        try:
            return decide(self.state, command, self.now_ms, self.policy)
        except c.CommandRefused as refused:
            return refused.kind

    def check_repeat(self, key: str, said: c.Reply, records: tuple[r.Record, ...]) -> None:
        """P3: a key that was answered gets that answer or, after a void, its decline, and moves no money."""
        if records:
            self.first_answers.setdefault(key, []).append((len(self.history), said))
            return
        _, first = self.first_answers[key][-1]
        assert said == first or (first.approval_code and said == c.Reply("answer_void", "68"))

    def apply(self, records: tuple[r.Record, ...]) -> None:
        for record in records:
            apply(self.state, record)
        self.pending += records

    @staticmethod
    def foresee(model: Model, command: Any, now_ms: int) -> Expected:
        foreseen = {
            c.AuthorisationRequest: model.authorise,
            c.ReversalRequest: model.reverse,
            c.VoidAnswer: model.void,
            c.ExpireHold: model.expire,
            c.MarkAnswerUnknown: model.mark_unknown,
            c.NoteException: model.note_exception,
            c.OpenAccount: model.open_account,
            c.IssueCard: model.issue,
            c.CreditAccount: model.credit,
            c.ChangeCardState: model.change_card,
            c.Advice: model.advise,
            c.ClearRow: model.clear,
            c.ReplaceCard: model.replace,
            c.ReleaseHold: model.release,
            c.AdjustBalance: model.adjust,
            c.SettleException: model.settle,
            c.LoadPolicy: model.load_policy,
            c.ImportRow: model.import_row,
            r.EpochStarted: model.epoch,
            r.EpochEnded: model.epoch,
        }
        expected: Expected = foreseen[type(command)](command, now_ms)
        model.forget()
        return expected

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names:06}"

    # ---- time, the log, the snapshots, and the end of a process

    @rule(step_ms=st.sampled_from(MOMENTS_MS))
    def wait(self, step_ms: int) -> None:
        self.now_ms += step_ms

    @rule(step_ms=st.sampled_from(DAYS_MS))
    def wait_long(self, step_ms: int) -> None:
        self.now_ms += step_ms

    @rule(which=pick, off_ms=st.sampled_from([-1, 0, 0, 1]))
    def wait_until_something_ends(self, which: int, off_ms: int) -> None:
        """To the millisecond at which a hold, a key, a tombstone or a card has its end, or one beside it."""
        soon = range(self.now_ms + 2, self.now_ms + 40 * DAY_MS)
        ends = sorted({end for end in self.model.ends() if end in soon})
        if ends:
            self.now_ms = ends[which % min(len(ends), 4)] + off_ms

    @rule()
    def commit(self) -> None:
        """What was decided becomes a batch; with nothing decided, an empty one. Then waiting snapshots are saved."""
        batch = Batch(
            version=VERSION,
            shard=0,
            seq=len(self.disk.batches) + 1,
            epoch=self.epoch,
            nonce="nonce",
            first_record_no=self.durable_record_no + 1,
            last_ms=self.state.last_ms,
            previous_hash=self.chain,
            records=self.pending,
        )
        blob, self.chain = encode_batch(batch)
        self.disk.batches.append(blob)
        self.durable_record_no += len(self.pending)
        self.pending = []
        self.durable_history = len(self.history)
        for waiting in self.waiting:
            self.disk.save(waiting)
        self.waiting = []

    @precondition(lambda self: self.round is None)
    @rule()
    def begin_round(self) -> None:
        """The snapshot writer takes what was touched, and where the log stands."""
        self.round = (len(self.disk.batches), self.state.dirty)
        self.unsaved = sorted(self.state.dirty)
        self.state.dirty = set()

    @precondition(lambda self: self.unsaved)
    @rule(which=pick, count=st.integers(min_value=1, max_value=4))
    def save_some(self, which: int, count: int) -> None:
        """A few aggregates, each as it is now; those ahead of the log wait for it."""
        for _ in range(min(count, len(self.unsaved))):
            self.save(self.unsaved.pop(which % len(self.unsaved)))

    def save(self, aggregate_id: str) -> None:
        aggregate = self.state.commons if aggregate_id == COMMONS_ID else self.state.accounts[aggregate_id]
        blob = Blob(aggregate_id, aggregate.version, ENCODER.encode(aggregate))
        if blob.version <= self.durable_record_no:
            self.disk.save(blob)
        else:
            self.waiting.append(blob)

    @precondition(lambda self: self.round is not None)
    @rule()
    def finish_round(self) -> None:
        """The rest is saved, and only then the checkpoint moves to where the log stood when the round began."""
        for aggregate_id in self.unsaved:
            self.save(aggregate_id)
        self.unsaved = []
        if self.waiting:
            self.commit()
        seq, _ = self.round
        self.disk.checkpoint_seq = max(self.disk.checkpoint_seq, seq)
        self.round = None

    @rule(crash=st.booleans())
    def whole_round(self, crash: bool) -> None:
        """A round over all that is durable, with no record after it; then perhaps a crash."""
        self.commit()
        if self.round is not None:
            self.finish_round()
        self.begin_round()
        self.finish_round()
        if crash:
            self.take_over()

    @precondition(lambda self: self.round is not None)
    @rule()
    def fail_round(self) -> None:
        """The store failed: what the round took is touched again, and what was saved stays saved."""
        _, touched = self.round
        self.state.dirty |= touched
        self.unsaved, self.waiting, self.round = [], [], None

    @rule(committed=st.booleans(), in_order=st.booleans())
    def restart(self, committed: bool, in_order: bool) -> None:
        """A crash, or an end in order; then recovery, and on with the next epoch."""
        if in_order:
            self.ask(r.EpochEnded(self.now_ms))
        if committed or in_order:
            self.commit()
        self.take_over()

    def take_over(self) -> None:
        """Recover twice, from nothing and from the snapshots; and forget here what was not durable."""
        live = state_hash(self.state) if self.history and not self.pending else None
        replayer = self.disk.recover(Loaded(self.disk.checkpoint_seq, list(self.disk.blobs.values())))
        whole = self.disk.recover(None)
        assert state_hash(replayer.state) == state_hash(whole.state)
        assert live in {None, state_hash(whole.state)}
        assert replayer.tail == whole.tail
        self.state = replayer.state
        self.chain = replayer.tail.hash
        self.epoch = replayer.tail.seq + 1
        self.durable_record_no = replayer.tail.record_no
        self.pending: list[r.Record] = []
        self.waiting: list[Blob] = []
        self.unsaved: list[str] = []
        self.round: tuple[int, set[str]] | None = None
        self.remember_the_durable()
        self.ask(r.EpochStarted(self.now_ms, self.epoch, "nonce", "test", clean=True))

    def remember_the_durable(self) -> None:
        del self.history[self.durable_history :]
        self.first_answers = {
            key: [(at, reply) for at, reply in answers if at < self.durable_history]
            for key, answers in self.first_answers.items()
        }
        self.model = Model(self.policy.kept_answers_max, self.policy.unknown_card_answers_max)
        for command, now_ms in self.history:
            self.foresee(self.model, command, now_ms)

    @rule()
    def sweep(self) -> None:
        """Every hold that is due expires; those that are not do not."""
        for hold_id, hold in list(self.model.holds.items()):
            self.ask(c.ExpireHold(hold["account"], hold_id))

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.restart(committed=True, in_order=False)
            self.all_is_well()
            self.whole_round(crash=False)
            self.now_ms += 7 * DAY_MS
            self.sweep()
            self.commit()
            self.whole_round(crash=True)
            self.all_is_well()

    # ---- what always holds

    @invariant()
    def all_is_well(self) -> None:
        """As the model says, sound by the ledger's own rules, and nothing overdrawn."""
        self.accounts_agree()
        self.commons_agree()
        assert problems(self.state) == []

    def accounts_agree(self) -> None:
        seen = {
            account.account_id: {
                "balance": account.balance_minor,
                "held": account.held_minor,
                "available": account.available_minor,
                "cards": {card.card_id: card_seen(card) for card in account.cards.values()},
                "payments": {number: payment_seen(p) for number, p in account.payments.items()},
                "tombstones": [(stone.card_id, stone.forget_ms) for stone in account.tombstones],
                "answers": {key: (heard(kept), kept.forget_ms) for key, kept in account.kept.items()},
                "cleared": set(account.cleared),
            }
            for account in self.state.accounts.values()
        }
        agree(seen, self.model.seen())
        assert self.state.record_no == self.model.record_no

    def commons_agree(self) -> None:
        commons = self.state.commons
        books = {name: minor for name, minor in commons.books.items() if minor}
        agree(books, {name: minor for name, minor in self.model.books.items() if minor})
        sums: dict[str, int] = defaultdict(int)
        for name, minor in self.model.books.items():
            sums[name.rpartition(":")[2]] += minor
        for account in self.model.accounts.values():
            sums[account["currency"]] += account["balance"]
        assert not any(sums.values())
        assert commons.policy_text == self.model.policy_text
        assert set(commons.cleared) == set(self.model.cleared[""])
        kinds = {name: entry.kind for name, entry in commons.exceptions.items()}
        agree(kinds, {name: entry["kind"] for name, entry in self.model.exceptions.items()})
        assert commons.exceptions_total == self.model.noted
        assert set(commons.unknown_kept) == set(self.model.kept[""])
