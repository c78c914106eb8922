"""What every decision shares: approval codes, books, lifetimes, kept answers, entries of the exception list.

Pure functions of their arguments. Knows no message type: each has a file of its own.
"""

import hashlib
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import product
from typing import Final
from zoneinfo import ZoneInfo

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import Account, Card, KeptAnswer, Payment, ShardState
from rules import Reason

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
APPROVING = frozenset({Reason.APPROVED, Reason.APPROVED_PARTIALLY})
"""Reasons of answers that begin a payment or add to one."""

APPROVAL_CODE_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TRIPLES: Final = tuple(map("".join, product(APPROVAL_CODE_DIGITS, repeat=3)))
"""46,656 texts, 2.4 MB: two of them make a code, and neighbours stand side by side, as the records' numbers do."""


def approval_code(record_no: int) -> str:
    """DE38 from the record's number: six characters, base 36, unique until 2,176,782,336 records have passed."""
    return _TRIPLES[record_no // 46_656 % 46_656] + _TRIPLES[record_no % 46_656]


# ---- time


def on_the_hour(at_ms: int) -> int:
    """Forgetting goes by whole hours, so that an account is swept at most once an hour."""
    return -(-at_ms // HOUR_MS) * HOUR_MS


_QUARTER_MS = 900_000
"""Every offset of a time zone in use is a multiple of it, so a day begins with one."""


def local_day(now_ms: int, time_zone: str) -> int:
    """`date.toordinal` of `now_ms` in an IANA time zone."""
    known = DAYS.get(time_zone)
    if known is None or not known[0] <= now_ms < known[2]:
        begins_ms = now_ms // _QUARTER_MS * _QUARTER_MS
        moment = datetime.fromtimestamp(begins_ms / 1000, ZoneInfo(time_zone))
        known = DAYS[time_zone] = begins_ms, moment.toordinal(), begins_ms + _QUARTER_MS
    return known[1]


DAYS: dict[str, tuple[int, int, int]] = {}
"""What `local_day` last answered, and from when and until when it holds, by time zone: anew four times an hour."""


@lru_cache(maxsize=16)
def _utc_day(day: int) -> str:
    return date.fromordinal(719_163 + day).strftime("%Y%m%d")


def utc_mmdd(at_ms: int) -> str:
    """The UTC date of a moment as networks write it, MMDD."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m%d")


# ---- books


def settlement_book(network: str, now_ms: int, currency: str) -> str:
    """What is owed between us and a network for one day (UTC), in one currency."""
    return f"settlement:{network}:{_utc_day(now_ms // DAY_MS)}:{currency}"


def postings(
    kind: str, amount_minor: int, fee_minor: int, book: str, currency: str, other: str = ""
) -> tuple[r.Entry, ...]:
    """The entries of an amount and its fee. Both are what the account gains: below zero it pays."""
    entries: tuple[r.Entry, ...] = ()
    if amount_minor:
        entries = (r.Entry(kind, amount_minor, book, other),)
    if fee_minor:
        entries = (*entries, r.Entry("fee", fee_minor, f"fees:{currency}", other))
    return entries


# ---- limits


def returned_parts(payment: Payment, amount_minor: int, number: int = 0) -> tuple[r.Returned, ...]:
    """Which messages that made a payment grow an amount is given back of, the newest first; the rest is its first's.

    `number` is the record of the one message that is undone or changed, 0 where the payment's total is. Below zero the
    amount is more of it.
    """
    if not payment.parts:
        return ()
    found = []
    for part in reversed(payment.parts):
        if number not in {0, part.number}:
            continue
        given_minor = min(amount_minor, part.amount_minor)
        if given_minor > 0 or (number and given_minor):
            found.append(r.Returned(part.number, given_minor))
            amount_minor -= given_minor
    return tuple(found)


# ---- cards


def family(account: Account, card: Card) -> frozenset[str]:
    """The card's id and those of the cards it replaced or was replaced by: one and the same to matching."""
    if len(account.cards) == 1:
        return frozenset((card.card_id,))
    name = card.family or card.card_id
    return frozenset(
        other.card_id for other in account.cards.values() if (other.family or other.card_id) == name
    )


# ---- answers that were given


def find_card(
    state: ShardState, token: bytes | None, key: str
) -> tuple[Account | None, Card | None, KeptAnswer | None]:
    """The card of a message, its account, and the answer that was given under the message's key.

    A key may have been answered before its card was ours.
    """
    account, card = state.find(token)
    kept = state.commons.unknown_kept.get(key)
    if account is None:
        return None, None, kept
    return account, card, account.kept.get(key) or kept


def kept_reply(kept: KeptAnswer, key: str, account_id: str) -> Outcome:
    """The same answer again."""
    reply = c.Reply(kept.reason, kept.response_code, kept.approval_code, kept.replied_minor, kept.amounts)
    return Outcome(
        reply=reply,
        account_id=account_id,
        key=key,
        hold_id=kept.hold_id if kept.reason in APPROVING else 0,
        repeated=True,
    )


def has_room(state: ShardState, account: Account | None, policy: c.Policy, now_ms: int, times: int) -> bool:
    """Whether one more answer can be kept. Facts get `times` 2: they are owed an answer when requests no longer are."""
    if account is None:
        commons = state.commons
        most = times * policy.unknown_card_answers_max
        return not _full(commons.unknown_kept, most, commons.unknown_next_forget_ms, now_ms)
    return not _full(account.kept, times * policy.kept_answers_max, account.next_forget_ms, now_ms)


def _full(kept: dict[str, KeptAnswer], most: int, next_forget_ms: int, now_ms: int) -> bool:
    """Whether one more answer would be one too many, once the record that brings it has dropped the outlived.

    Counting the outlived as well would lock a full account for ever: only a record drops them.
    """
    if len(kept) < most:
        return False
    return now_ms < next_forget_ms or sum(answer.forget_ms > now_ms for answer in kept.values()) >= most


def refused(policy: c.Policy) -> Outcome:
    """Not admitted: nothing was decided."""
    reason = Reason.NOT_ADMITTED
    return Outcome(reply=c.Reply(reason, policy.response_codes[reason]), refused=True)


def parts_named(original: c.OriginalReference) -> tuple[str, ...]:
    """DE90 as records keep it; () where the message has none, or it names nothing."""
    if original == c.NO_REFERENCE:
        return ()
    return original.mti, original.stan, original.transmission, original.acquirer


# ---- the exception list


def exception_id(kind: str, key: str) -> str:
    """A hash, because the key holds a part of the card's token, and this id is shown."""
    return hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()[:24]


def exception(
    said: r.Particulars,
    key: str,
    last_four: str,
    now_ms: int,
    kind: str,
    detail: str,
    *,
    account_id: str = "",
    candidates: tuple[int, ...] = (),
    new_total_minor: int | None = None,
) -> r.ExceptionNoted:
    """An entry about a message. `candidates` are the payments that it may have meant."""
    return r.ExceptionNoted(
        at_ms=now_ms,
        exception_id=exception_id(kind, key),
        kind=kind,
        link=said.link,
        network=said.network,
        mti=said.mti,
        field="",
        detail=detail,
        card_last_four=last_four,
        amount_minor=said.amount_minor,
        about=key,
        on_account=account_id,
        candidates=candidates,
        new_total_minor=new_total_minor,
    )
