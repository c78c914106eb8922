"""What commands print: tables that fit 80 columns, or one JSON document.

Text that came over a socket is shown as text: no markup, no control characters.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from authoriser.admin.protocol import (
    Account,
    Card,
    ExceptionEntry,
    Hold,
    LinkStatus,
    RelayStatus,
    Status,
)
from authoriser.cli.money import format_amount

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def print_json(document: Any) -> None:
    """One document, indented, with no colours: for programs and for people with jq."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    sys.stdout.write(text + "\n")


def plain(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return _CONTROL.sub("?", text)


def print_line(text: str) -> None:
    sys.stdout.write(plain(text) + "\n")


def print_card(card: Card) -> None:
    print_line(
        f"{card.card_id}  ****{card.last_four}  {_expiry(card.expiry)}  {card_state(card)}  account {card.account_id}"
    )


def print_account(account: Account) -> None:
    def amount(minor: int) -> str:
        return format_amount(minor, account.currency, account.currency_exponent)

    print_pairs(
        [
            ("account", account.account_id),
            ("available", amount(account.available_minor)),
            ("balance", amount(account.balance_minor)),
            ("held", amount(account.held_minor)),
            ("credit line", amount(account.credit_line_minor)),
            ("time zone", account.time_zone),
            ("opened", short_time(account.opened_at)),
        ]
    )
    print_table(
        ("card", "digits", "expiry", "state"),
        [
            (card.card_id, f"****{card.last_four}", _expiry(card.expiry), card_state(card))
            for card in account.cards
        ],
    )
    print_table(
        (">hold", ">held", "at", "!since, until (UTC)", "approval"),
        [
            (
                hold.hold_id,
                amount(hold.amount_minor),
                _shop(hold),
                f"{short_time(hold.placed_at)[:16]}\n{short_time(hold.expires_at)[:16]}",
                _approval(hold),
            )
            for hold in account.holds
        ],
    )


def print_status(status: Status) -> None:
    since = short_time(status.started_at)
    place = (
        f"shard {status.shard}, epoch {status.epoch}, batch {status.durable_seq}, record {status.record_no}"
    )
    shared = [("role", f"{status.role} of a shard in {status.journal}")] if status.journal else []
    snapshots = status.snapshots
    print_pairs(
        [
            ("authoriser", f"{status.version}, process {status.pid}, since {since}"),
            ("data", status.data_dir),
            *shared,
            ("journal", place),
            (
                "snapshots",
                f"to record {snapshots.checkpoint_record}; {snapshots.dirty_accounts} accounts to write",
            ),
            ("in memory", f"{status.accounts} accounts, {status.cards} cards, {status.holds} holds"),
            ("under way", f"{status.in_flight} requests, {status.pending_records} records"),
            *([("relay", _relay(status.relay))] if status.relay is not None else []),
        ]
    )
    print_table(
        ("link", "network", "address", "dialect", "framing", ">open", ">signed on"),
        [
            (x.name, x.network, _where(x), x.dialect, x.framing, str(x.connections), str(x.signed_on))
            for x in status.links
        ],
    )
    print_table(
        ("line", "peer", "state", "since (UTC)", ">again", "why not"),
        [
            (
                f"{link.name} {line.number}",
                line.peer,
                line.state,
                short_time(line.since),
                str(line.reconnects) if link.role == "connect" else "",
                line.problem,
            )
            for link in status.links
            for line in link.lines
        ],
    )
    print_table(("decided", ">times"), _most_first(status.decisions))
    print_table(("counted", ">times"), [row for row in _most_first(status.counters) if row[1] != "0"])


def _where(link: LinkStatus) -> str:
    return link.listen if link.role == "listen" else f"to {link.listen}"


def _relay(relay: RelayStatus) -> str:
    lag = "" if relay.lag is None else f", {relay.lag} records behind"
    return f"{relay.state}{lag}{': ' if relay.detail else ''}{relay.detail}"


def print_exceptions(total: int, entries: Sequence[ExceptionEntry]) -> None:
    if not entries:
        print_line("no exceptions")
        return
    print_table(
        ("!exception", "!what", ">times", "detail"),
        [
            (
                f"{entry.exception_id}\n{short_time(entry.at)}",
                f"{entry.kind}\n{_message(entry)}",
                str(entry.count),
                _detail(entry).replace("\n", "?"),
            )
            for entry in entries
        ],
    )
    if total > len(entries):
        print_line(f"the newest {len(entries)} of {total}; --limit shows more")


def _message(entry: ExceptionEntry) -> str:
    field = entry.field and f"field {entry.field}"
    card = entry.card_last_four and f"****{entry.card_last_four}"
    return " ".join(filter(None, (entry.mti, field, card)))


def _detail(entry: ExceptionEntry) -> str:
    """What it is about, and which holds of which account it may have meant."""
    if not entry.candidates:
        return f"{entry.link}: {entry.detail}"
    return f"{entry.link}: {entry.detail} (account {entry.account}, hold {' or '.join(entry.candidates)})"


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 2))
    for name, value in pairs:
        grid.add_row(Text(name, style="bold"), _cell(value))
    _console().print(grid)


def print_table(heads: Sequence[str], rows: Sequence[Iterable[str]]) -> None:
    """Nothing for no rows. A head that starts with ">" is over numbers, flush right; one with "!" is never broken.

    A cell's line feeds are kept: what else is no text is shown as "?".
    """
    if not rows:
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for head in heads:
        table.add_column(
            head.lstrip(">!"),
            justify="right" if head.startswith(">") else "left",
            overflow="fold",
            no_wrap=head.startswith("!"),
        )
    for row in rows:
        table.add_row(*(Text("\n").join(map(_cell, text.split("\n"))) for text in row))
    _console().print(table)


def _console() -> Console:
    # Made when it is needed: rich takes the stream and its width at construction.
    return Console(highlight=False, soft_wrap=False)


def _cell(text: str) -> Text:
    return Text(plain(text))


def _most_first(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [
        (name, str(count)) for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def short_time(iso: str) -> str:
    """2026-01-02T03:04:05.678Z -> 2026-01-02 03:04:05."""
    return iso[:19].replace("T", " ")


def _expiry(yymm: str) -> str:
    return f"20{yymm[:2]}-{yymm[2:]}"


def card_state(card: Card) -> str:
    """The state, and when a replaced card that can still be used ends."""
    if card.closes_at is None or card.state not in {"inactive", "active", "frozen"}:
        return card.state
    return f"{card.state} until {short_time(card.closes_at)[:16]}"


def _shop(hold: Hold) -> str:
    return ", ".join(filter(None, (hold.merchant, hold.city)))


def _approval(hold: Hold) -> str:
    codes = " ".join(hold.approval_codes) or hold.approval_code
    return f"{codes} (answer unknown)" if hold.answer_unknown else codes
