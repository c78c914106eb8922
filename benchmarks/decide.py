"""What a decision costs: `python -m benchmarks.decide [--quick] [--json] [--policy FILE]...`.

10,000 cards pay in mixed traffic, drawn from a seed: purchases by chip, tap and on line, cash, cashback, refunds,
verifications, inquiries, increments, single messages, advices, completions, reversals, repeats. Each command is decided
and applied as the server does it; `decide` is timed alone, in the middle of all that, so its caches are as cold as such
traffic makes them.

What the figures do not show:
- The rest of a message: sockets, codec, translation, journal. `benchmarks.server` has the whole.
- Your policy. The default one and the strictest one that is shipped are timed, or those that are named; classes and
  limits cost by their number.
- Accounts with thousands of live payments: matching walks an account's payments one by one. Here an account has some
  twenty messages of history.
- A quiet machine, unless it is one. The clock runs on while something else has the core, so the 99th percentile is the
  machine's as much as ours; and what runs on the other core slows this one by half. So there stand beside: the median
  at the quietest and at the busiest moment, and of those rounds before and after which pyiso8583 decoded its message
  as fast as ever; and what share of the time the benchmark had a core.

Before anything is timed the same traffic is played once, its answers are counted, the ledger's own rules are asked, and
the records, as a journal has them, are replayed: the state must be the same, to the hash.
"""

import argparse
import gc
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from authoriser.configured_link import policy_of
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.apply import apply
from authoriser.ledger.decide import decide
from authoriser.ledger.digest import problems, state_hash
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import ShardState
from authoriser.memory import settle_memory
from benchmarks.codec import oracle_us
from benchmarks.machine import Machine, look, platform_line
from isowire import load_dialect
from rules import CardState, Check, Checks, Controls, Entry, Limit, PolicyError, Transaction, read_policy

START_MS: Final = 1_780_000_000_000
FAR_MS: Final = START_MS + 10**11
STEP_MS: Final = 40
"""Between two messages: 25 a second, so that an hour's limits fill and end."""
ROUND: Final = 2_000
"""Messages, a fifth of a second: now and then nothing else runs for so long."""
FULL_SPEED: Final = 1.15
"""Two virtual cores are often one real one: its speed halves when the other half works, whoever's work it is."""
STRICT: Final = Path(__file__).parents[1] / "rules" / "policies" / "strict.toml"
POLICY: Final = policy_of(load_dialect("iso87-ascii"), 2_000)

SHARES: Final = {
    "purchase": 52,
    "online": 14,
    "cash": 4,
    "cashback": 2,
    "refund": 2,
    "verification": 2,
    "inquiry": 2,
    "increment": 3,
    "single": 4,
    "advice": 2,
    "completion": 4,
    "reversal": 6,
    "repeat": 3,
}
"""Of a hundred messages. A choice: a debit programme's, with more of the rarer ones than there would be."""
MCCS: Final = ("5411", "5812", "5541", "4111", "5999", "7011", "5732", "7995", "5542", "6011")
COUNTRIES: Final = ("DE", "PT", "FR", "US", "GB")


class Setting(Struct, frozen=True):
    """How much is played: messages before the clock runs, and those that are timed."""

    cards: int = 10_000
    before: int = 100_000
    timed: int = 100_000
    seed: int = 1
    pace_calls: int = 60
    """Of pyiso8583, before the first round and after each."""


QUICK: Final = Setting(cards=200, before=2_000, timed=2_000, pace_calls=20)


class Cost(Struct, frozen=True):
    """Microseconds of one kind of message."""

    kind: str
    count: int
    decide_median: float
    decide_p99: float
    both_median: float
    """With `apply`."""


class Measured(Struct, frozen=True):
    """One policy."""

    policy: str
    """Its file's name, and its version."""
    answers: dict[str, int]
    """Of the rehearsal, by reason."""
    costs: list[Cost]
    """By kind; the last one is all of them."""
    rounds: list[float]
    """Medians of `decide` over each ROUND messages of all kinds, in their order: the least was the quietest moment."""
    mean_us: float
    """A message, decided and applied, in CPU time: what the benchmark itself does in between is taken off."""
    core_share: float
    """Of the time that it took, how much this process had a core. Below 1, others were waited for."""
    paces: list[float]
    """Microseconds of pyiso8583 to decode the 0100 of `benchmarks.codec`, before the first round and after each."""
    full_speed_rounds: int
    """Rounds with a pace before and after that is within FULL_SPEED of the fastest: nothing else slowed the core."""
    full_speed_us: float
    """Median of `decide` over the messages of those rounds, 0 without any."""


class Report(Struct, frozen=True):
    machine: Machine
    setting: Setting
    measured: list[Measured]


class WrongResultError(Exception):
    """The traffic did not play as it should: nothing is timed."""


class Traffic:
    """Commands, one after the other, each of which may know what was answered before."""

    def __init__(self, setting: Setting, *, after: int = 0) -> None:
        """`after` that many messages were sent by others: no key of theirs comes again."""
        self._draw = random.Random(setting.seed)
        self._cards = setting.cards
        self._number = after
        self._kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
        self._last: dict[int, c.AuthorisationRequest] = {}

    def next(self) -> tuple[str, c.Command]:
        kind = self._draw.choice(self._kinds)
        card = self._draw.randrange(self._cards)
        self._number += 1
        before = self._last.get(card)
        if kind == "repeat" and before is not None:
            return kind, before
        if kind == "reversal" and before is not None:
            return kind, self._reversal(card, before)
        if kind in {"advice", "completion"}:
            return kind, self._advice(card, kind, before)
        if kind in {"repeat", "reversal"} or (kind == "increment" and before is None):
            kind = "purchase"
        return kind, self._request(card, kind, before)

    def purchase(self, card: int) -> c.AuthorisationRequest:
        """A small payment with this card, unlike any before."""
        self._number += 1
        return self._request(card, "purchase", None)

    def _said(self, mti: str, amount_minor: int, **said: Any) -> r.Particulars:
        number, draw = self._number, self._draw
        default: dict[str, Any] = {
            "network": "north",
            "link": "north-1",
            "transmission": f"{number % 10**10:010}",
            "stan": f"{number % 10**6:06}",
            "rrn": f"{number:012}",
            "acquirer": str(500 + number % 7),
            "processing_code": "000000",
            "currency": "978",
            "mcc": draw.choice(MCCS),
            "entry_mode": "051",
            "terminal_id": "TERM0001",
            "merchant_id": f"SHOP{number % 5_000:010}",
            "merchant": "CORNER SHOP RUA DO OURO 1",
            "city": "LISBON",
            "country": draw.choice(COUNTRIES),
            "network_id": f"N{number:014}",
        }
        return r.Particulars(mti=mti, amount_minor=amount_minor, **{**default, **said})

    def _request(self, card: int, kind: str, before: c.AuthorisationRequest | None) -> c.AuthorisationRequest:
        draw = self._draw
        transaction = _TRANSACTIONS.get(kind, Transaction.PURCHASE)
        amount_minor = 0 if kind in {"verification", "inquiry"} else draw.randrange(100, 9_000)
        entry = Entry.ECOMMERCE if kind == "online" else draw.choice(_PRESENT)
        grown = kind == "increment" and before is not None
        named = {"network_id": before.particulars.network_id} if grown and before is not None else {}
        said = self._said("0200" if kind == "single" else "0100", amount_minor, **named)
        command = c.AuthorisationRequest(
            particulars=said,
            key=_key(card, said),
            token=_token(card),
            last_four=f"{card % 10_000:04}",
            transaction=transaction,
            stated_expiry="4912",
            entry=entry,
            checks=Checks(pin=Check.PASSED) if entry is Entry.CHIP else Checks(),
            cashback_minor=amount_minor // 2 if kind == "cashback" else 0,
            increment=grown,
            partial_allowed=draw.random() < 0.3,
        )
        if kind in {"purchase", "online", "single"}:
            self._last[card] = command
        return command

    def _reversal(self, card: int, before: c.AuthorisationRequest) -> c.ReversalRequest:
        first = before.particulars
        said = msgspec.structs.replace(
            self._said("0420", first.amount_minor), rrn=first.rrn, acquirer=first.acquirer
        )
        named = c.OriginalReference(first.mti, first.stan, first.transmission, first.acquirer)
        return c.ReversalRequest(said, _key(card, said), before.token, before.last_four, named, None)

    def _advice(self, card: int, kind: str, before: c.AuthorisationRequest | None) -> c.Advice:
        completes = kind == "completion"
        named = {"network_id": before.particulars.network_id} if before is not None else {}
        mti = "0220" if completes else "0120"
        said = self._said(mti, self._draw.randrange(100, 9_000), **named)
        key = _key(card, said)
        sibling = key.replace(f"|{mti}|", "|0200|" if completes else "|0100|")
        return c.Advice(
            said, key, sibling, _token(card), f"{card % 10_000:04}", Transaction.PURCHASE, approving=True
        )


_TRANSACTIONS: Final = {
    "cash": Transaction.CASH,
    "cashback": Transaction.CASHBACK,
    "refund": Transaction.REFUND,
    "verification": Transaction.VERIFICATION,
    "inquiry": Transaction.INQUIRY,
}
_PRESENT: Final = (Entry.CHIP, Entry.CHIP, Entry.CONTACTLESS, Entry.CONTACTLESS, Entry.CONTACTLESS)


def _token(card: int) -> bytes:
    return f"token-of-card-{card:018}".encode()


def _key(card: int, said: r.Particulars) -> str:
    parts = (
        said.network,
        f"{card:016x}",
        said.mti,
        said.transmission,
        said.stan,
        said.acquirer,
        said.rrn,
    )
    return "|".join(parts)


def programme(setting: Setting, policy_text: str) -> ShardState:
    """The cards, funded; every tenth has limits and switches of its own."""
    state = ShardState(0)
    audit = r.Audit("", "bench", 0, "a benchmark", "import", 0)
    for card in range(setting.cards):
        account_id = f"A{card:07}"
        opened = c.OpenAccount(account_id, "978", 50_000, "Europe/Lisbon", audit)
        issued = c.IssueCard(
            account_id,
            f"card_{card:016x}",
            _token(card),
            1,
            f"{card % 10_000:04}",
            "4912",
            FAR_MS,
            CardState.ACTIVE,
            audit,
            200_000,
        )
        _play(state, c.ImportRow(opened, issued), START_MS)
        if card % 10 == 0:
            own = Controls(ecommerce=card % 20 == 0, limits=(Limit("", "day", 300_000, 40),))
            change = msgspec.structs.replace(audit, key="own", what="controls", forget_ms=FAR_MS)
            _play(state, c.SetControls(f"card_{card:016x}", own, change), START_MS)
    if policy_text:
        loaded = msgspec.structs.replace(audit, key="policy", what="policy", forget_ms=FAR_MS)
        _play(state, c.LoadPolicy(policy_text, loaded), START_MS)
    return state


def _play(state: ShardState, command: c.Command, now_ms: int) -> str:
    outcome = decide(state, command, now_ms, POLICY)
    for record in outcome.records:
        apply(state, record)
    return outcome.reply.reason.value if outcome.reply is not None else ""


def _apply(state: ShardState, outcome: Outcome) -> None:
    for record in outcome.records:
        apply(state, record)


def rehearse(setting: Setting, policy_text: str) -> dict[str, int]:
    """The traffic's first part, played and replayed. What was answered, by reason. Raises WrongResultError."""
    state, again = programme(setting, policy_text), programme(setting, policy_text)
    traffic = Traffic(setting)
    answers: Counter[str] = Counter()
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(r.Record).decode
    for number in range(setting.before):
        _kind, command = traffic.next()
        outcome = decide(state, command, START_MS + number * STEP_MS, POLICY)
        for record in outcome.records:
            apply(state, record)
            apply(again, decode(encode(record)))
        if outcome.reply is not None:
            answers[outcome.reply.reason.value] += 1
    found = problems(state)
    if found:
        raise WrongResultError(f"the ledger contradicts itself: {found[0]}")
    if state_hash(state) != state_hash(again):
        raise WrongResultError("the records, replayed, give another state")
    missing = {"approved", "advice_accepted", "reversal_done", "balance_given", "verified"} - answers.keys()
    if missing or answers["approved"] < setting.before // 3:
        raise WrongResultError(f"the answers are not such traffic's: {dict(answers)}")
    return dict(answers.most_common())


def measure(setting: Setting, policy_text: str, name: str) -> Measured:
    """Everything about one policy. Raises WrongResultError, or PolicyError for a text that is none."""
    answers = rehearse(setting, policy_text)
    state, traffic = programme(setting, policy_text), Traffic(setting)
    now_ms = START_MS
    for _ in range(setting.before):
        now_ms += STEP_MS
        _play(state, traffic.next()[1], now_ms)
    settle_memory()
    alone: dict[str, list[int]] = defaultdict(list)
    both: dict[str, list[int]] = defaultdict(list)
    order: list[int] = []
    clock = time.perf_counter_ns
    paces = [statistics.median(oracle_us(setting.pace_calls))]
    began_ns, began_cpu_ns = clock(), time.process_time_ns()
    for _ in range(setting.timed):
        kind, command = traffic.next()
        now_ms += STEP_MS
        began = clock()
        outcome = decide(state, command, now_ms, POLICY)
        decided = clock()
        _apply(state, outcome)
        applied = clock()
        del outcome  # or the next decision's time would have this one's end in it
        order.append(decided - began)
        if len(order) % ROUND == 0:
            paces.append(statistics.median(oracle_us(setting.pace_calls)))
        alone[kind].append(decided - began)
        both[kind].append(applied - began)
    cpu_ns, took_ns = time.process_time_ns() - began_cpu_ns, clock() - began_ns
    gc.unfreeze()
    rounds = [
        statistics.median(order[first : first + ROUND]) / 1_000 for first in range(0, len(order), ROUND)
    ]
    fast = min(paces) * FULL_SPEED
    unhindered = [
        ns
        for place in range(len(rounds))
        if max(paces[place : place + 2]) <= fast
        for ns in order[place * ROUND : (place + 1) * ROUND]
    ]
    costs = [_cost(kind, alone[kind], both[kind]) for kind in SHARES if kind in alone]
    everything = [ns for each in both.values() for ns in each]
    between_ns = took_ns - sum(everything)
    core_share = cpu_ns / took_ns
    return Measured(
        policy=f"{name} ({state.rules.version})",
        answers=answers,
        costs=[*costs, _cost("all", order, everything)],
        rounds=rounds,
        paces=paces,
        full_speed_rounds=len(unhindered) // ROUND,
        full_speed_us=statistics.median(unhindered) / 1_000 if unhindered else 0.0,
        mean_us=(cpu_ns - between_ns * core_share) / setting.timed / 1_000,
        core_share=core_share,
    )


def _cost(kind: str, alone: list[int], both: list[int]) -> Cost:
    return Cost(
        kind=kind,
        count=len(alone),
        decide_median=statistics.median(alone) / 1_000,
        decide_p99=sorted(alone)[int(len(alone) * 0.99)] / 1_000,
        both_median=statistics.median(both) / 1_000,
    )


def show(report: Report, console: Console) -> None:
    machine, setting = report.machine, report.setting
    console.print(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average:.1f}, {machine.python}")
    console.print(
        f"{setting.cards:,} cards, {setting.before:,} messages before and {setting.timed:,} timed; "
        f"commit {machine.commit}"
    )
    for measured in report.measured:
        console.print(_table(measured))
        console.print(
            f"decide, over each {ROUND:,} messages of all kinds: {min(measured.rounds):.1f} us at the quietest moment, "
            f"{statistics.median(measured.rounds):.1f} in the median, {max(measured.rounds):.1f} at the busiest"
        )
        console.print(
            f"decide, in the {measured.full_speed_rounds} of {len(measured.rounds)} rounds in which the core was as "
            f"fast as ever: {measured.full_speed_us:.1f} us in the median"
        )
        console.print(
            f"decided and applied in {measured.mean_us:.1f} us in the mean, by CPU time; had a core "
            f"{measured.core_share:.0%} of the time; pyiso8583 decoded its 0100 in {min(measured.paces):.0f} to "
            f"{max(measured.paces):.0f} us"
        )
        told = ", ".join(f"{reason} {count:,}" for reason, count in measured.answers.items())
        console.print(f"answers of the rehearsal: {told}")
    console.print("What these do not show stands at the top of benchmarks/decide.py.")


def _table(measured: Measured) -> Table:
    table = Table(title=f"policy {measured.policy}: microseconds a message", title_justify="left")
    for column in ("kind", "messages", "decide", "its p99", "decide and apply"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for cost in measured.costs:
        if cost.kind == "all":
            table.add_section()
        table.add_row(
            cost.kind,
            f"{cost.count:,}",
            f"{cost.decide_median:.1f}",
            f"{cost.decide_p99:.1f}",
            f"{cost.both_median:.1f}",
        )
    return table


def main() -> None:
    """Exit code 1 where the traffic did not play as it should, 2 for a policy that is none."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decide",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="shows that it works, not how fast")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--versions", action="store_true", help="print versions and commit, measure nothing")
    parser.add_argument(
        "--policy", type=Path, action="append", help="a policy's TOML instead of the shipped ones"
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="a directory to write to, for a moment")
    arguments = parser.parse_args()
    if arguments.versions:
        sys.stdout.write(f"{platform_line()}\n")
        return
    setting = QUICK if arguments.quick else Setting()
    try:
        named = [(path, path.read_text(encoding="utf-8")) for path in arguments.policy or (STRICT,)]
        for path, text in named:
            read_policy(text, str(path))
        policies = [(path.stem, text) for path, text in named]
        if not arguments.policy:
            policies.insert(0, ("default", ""))
        measured = [measure(setting, text, name) for name, text in policies]
        report = Report(look(arguments.dir), setting, measured)
    except (OSError, PolicyError) as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(2)
    except WrongResultError as problem:
        sys.exit(f"nothing was measured: {problem}")
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, Console(width=110, highlight=False))


if __name__ == "__main__":
    main()
