"""What the commands of operators print: a card's controls, what waits for a second person, and who did what.

As in show.py: tables that fit 80 columns, text shown as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from authoriser.admin.operations import Limit, Proposal
from authoriser.admin.protocol import AccountChanged, CardControls, CardControlsChanged
from authoriser.audit import AuditEntry
from authoriser.cli.money import currencies, format_amount
from authoriser.cli.show import print_line, print_pairs, print_table, short_time

_SWITCHES = ("ecommerce", "contactless", "cash", "magstripe")
_LISTS = (
    ("mcc_allow", "only categories"),
    ("mcc_block", "no categories"),
    ("merchant_allow", "only shops"),
    ("merchant_block", "no shops"),
    ("country_allow", "only countries"),
    ("country_block", "no countries"),
)


def print_controls(result: CardControls | CardControlsChanged) -> None:
    """Everything that differs from the programme, or that nothing does."""
    its = result.controls
    pairs = [
        (name, "on" if getattr(its, name) else "off") for name in _SWITCHES if getattr(its, name) is not None
    ]
    pairs += [
        (title, ", ".join(listed) or "(no list)")
        for name, title in _LISTS
        if (listed := getattr(its, name)) is not None
    ]
    if not pairs and not its.limits:
        print_line(f"card ****{result.card.last_four} has nothing of its own; its programme's word holds")
        return
    if pairs:
        print_pairs(pairs)
    rows = [_limit_row(limit, result.currency, result.currency_exponent) for limit in its.limits]
    print_table(("limit of", "per", ">amount", ">used", ">payments", ">made", "until (UTC)"), rows)


def _limit_row(limit: Limit, currency: str, exponent: int) -> tuple[str, ...]:
    def amount(minor: int | None) -> str:
        return "" if minor is None else format_amount(minor, currency, exponent)

    return (
        limit.spending or "all spending",
        limit.window,
        amount(limit.amount_minor),
        amount(limit.used_minor) if limit.amount_minor is not None else "",
        "" if limit.count is None else str(limit.count),
        "" if limit.count is None or limit.used_count is None else str(limit.used_count),
        short_time(limit.until)[:16] if limit.until is not None else "",
    )


def print_waiting(result: AccountChanged) -> None:
    """A change that was proposed, and what makes it so."""
    print_line(f"this wants a second person: it waits as {result.proposal}")
    print_line(f"another supervisor confirms it: authoriser proposals confirm {result.proposal}")


def print_proposals(proposals: Sequence[Proposal]) -> None:
    if not proposals:
        print_line("nothing waits for a second person")
        return
    rows = [
        (
            one.proposal,
            short_time(one.at)[:16],
            f"{one.actor} ({one.uid})",
            _asked(one),
            one.reason,
        )
        for one in proposals
    ]
    print_table(("proposal", "since", "who", "what", "reason"), rows)


def _asked(one: Proposal) -> str:
    amount = format_amount(one.amount_minor, one.currency, one.currency_exponent)
    what = {
        "account.credit": "credit",
        "account.adjust": "adjust",
        "hold.release": f"release hold {one.hold}",
    }
    return f"{what.get(one.method, one.method)} {one.account} {amount}"


def print_audit(total: int, entries: Sequence[AuditEntry]) -> None:
    """The newest last, so that it stands at the end of a long listing."""
    if not entries:
        print_line("nobody did anything like it")
        return
    rows = [
        (
            short_time(entry.time),
            _text(f"{entry.actor} ({entry.uid})"),
            "\n".join(filter(None, (entry.what, _target(entry)))),
            _text("; ".join(filter(None, (_said(entry.details), entry.reason)))),
        )
        for entry in entries
    ]
    print_table(("!when (UTC)", "who", "!what", "how and why"), rows)
    if total > len(entries):
        print_line(f"the newest {len(entries)} of {total}; --limit shows more")


def _target(entry: AuditEntry) -> str:
    return " ".join(filter(None, (entry.account, entry.last_four and f"****{entry.last_four}")))


def _text(text: str) -> str:
    """What people wrote has no lines of its own here."""
    return text.replace("\n", "?")


_TOLD = {
    "state": "",
    "version": "",
    "proposal": "",
    "resolution": "",
    "hold_id": "hold ",
    "old_card_id": "in the place of ",
}
"""Details of an entry that are short enough for its line, with a word before them; --json has them all."""


def _said(details: Mapping[str, Any]) -> str:
    if "before" in details:
        return f"{details['before']} to {details['after']}"
    said = [f"{word}{details[name]}" for name, word in _TOLD.items() if name in details]
    amount = details.get("amount_minor", details.get("released_minor"))
    currency = currencies().get(details.get("currency", ""))
    if amount is not None:
        said.append(
            str(amount) if currency is None else format_amount(amount, currency.code, currency.exponent)
        )
    return ", ".join(said)
