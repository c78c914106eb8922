"""What `authoriser explain` prints: stories record by record, the rules that ran, and why a message met its payment.

Owns the layout: labels in a column, text beside them, folded to the terminal's width.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from authoriser.cli.explain_words import (
    WAYS,
    PaymentSums,
    Row,
    Teller,
    asked_words,
    moment,
    money,
    reason_words,
    title,
)
from authoriser.cli.show import plain
from authoriser.explaining.matches import Match
from authoriser.explaining.reading import Read
from authoriser.explaining.rules_run import RUNS, RulesRun
from authoriser.explaining.stories import Story
from authoriser.ledger import records as r
from authoriser.ledger.match_report import MatchReport, Way
from authoriser.ledger.near_misses import NearMiss, Part

INDENT = 2
LABEL_WIDTH = 8


def show_story(story: Story, runs: dict[int, RulesRun]) -> None:
    """One story: a head, its records, and where its payments stand at its end."""
    console = _console()
    console.print(Text(plain(_head(story)), style="bold"))
    teller = Teller()
    for read in story.reads:
        name, rows = teller.tell(read)
        console.print()
        _print_title(console, read, name)
        if isinstance(read.record, r.Decided):
            rows += _rules_rows(read.record, runs.get(read.number))
        console.print(_grid(rows))
        if read.number in runs:
            console.print(_steps(runs[read.number]))
    if teller.payments:
        console.print()
        console.print(Text("now", style="bold"))
        console.print(_grid([("payment", _stands(sums)) for sums in teller.payments.values()]))


def show_match(match: Match) -> None:
    """One message: each way of matching, what came of it, and what came near."""
    console = _console()
    record, report = match.read.record, match.report
    assert isinstance(record, r.Decided | r.Reversed | r.Cleared)
    currency = record.particulars.currency
    _print_title(console, match.read, title(record))
    rows = [("card", ", ".join(filter(None, (f"****{record.last_four}", record.account_id))))]
    if isinstance(record, r.Decided):
        rows.append(("asked", asked_words(record)))
    if isinstance(record, r.Cleared):
        rows.append(("says", f"{record.kind} of {money(record.amount_minor, currency)}"))
    console.print(_grid([*rows, ("result", _result(record, report))]))
    if report.ways:
        console.print(_ways(report.ways, currency))
    if not report.agrees:
        text = (
            "The record says otherwise: it was decided under another order of these ways (a link's own), "
            "or by another version of this program."
        )
        console.print(Padding(Text(text, style="bold red"), (0, 0, 0, INDENT)))
    for hold_id in match.forgotten:
        text = f"Payment {hold_id} has the same reference and was not remembered any more."
        console.print(Padding(Text(text), (0, 0, 0, INDENT)))
    if report.hold_id and not report.undone:
        if report.near:
            console.print(_grid([("near", f"{len(report.near)} more, less like it; --json has them")]))
        return
    for near in report.near:
        console.print(_near(near, currency))


# ---- a story


def _head(story: Story) -> str:
    card = f"card ****{story.last_four}" if story.last_four else ""
    account = f"account {story.account_id}" if story.account_id else "no card of ours"
    network = f"network {story.network}" if story.network else ""
    return ", ".join(filter(None, (card, account, network, "times in UTC")))


def _print_title(console: Console, read: Read, name: str) -> None:
    line = Text(f"{moment(read.record.at_ms)}  ")
    line.append(plain(name), style="bold")
    line.append(f"  record {read.number}", style="dim")
    console.print(line)


def _stands(sums: PaymentSums) -> str:
    what = "a refund: " if sums.kind else ""
    held = f"{money(sums.held_minor, sums.currency)} held" if sums.held_minor else "nothing held"
    captured = (
        f"{money(sums.captured_minor, sums.currency)} captured" if sums.captured_minor else "nothing captured"
    )
    ended = f"ended {sums.ended}" if sums.ended else f"open until {moment(sums.expires_ms)[:16]}"
    return f"{sums.hold_id}: {what}{held}, {captured}, {ended}"


def _rules_rows(record: r.Decided, run: RulesRun | None) -> list[Row]:
    if run is None:
        return [("rules", f"none was asked: {_why_no_rule(record)}")]
    where = {"default": "the default", "": "not to be found"}.get(run.source, f"record {run.source}")
    took = f"{run.microseconds:.1f} µs here, the median of {RUNS} runs"
    rows = [("rules", f"policy {run.policy} ({where}): {reason_words(run.reason)}, in {took}")]
    if not run.source:
        text = f"its text is neither in the journal nor this program's default, {run.version}, which was run instead"
        rows.append(("BEWARE", text))
    if not run.agrees:
        said, now = reason_words(record.reason), reason_words(run.reason)
        text = f"the record says {said}, and the rules of this program say {now}: another version decided"
        rows.append(("BEWARE", text))
    return rows


def _why_no_rule(record: r.Decided) -> str:
    if record.particulars.mti in {"0120", "0220"}:
        return "an advice is a fact"
    if record.policy or record.account_id == "":
        return "nobody knows the card"
    if record.reason.value == "reversed_before":
        return "its reversal came first"
    if record.reason.value == "overtaken":
        return "its advice came first"
    return "the journal was written before records kept what rules saw"


def _steps(run: RulesRun) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    for step in run.steps:
        verdict = Text("ok", style="dim") if step.reason is None else Text("no", style="bold red")
        table.add_row(plain(step.rule), plain(step.saw), verdict)
    return Padding(table, (0, 0, 0, INDENT + LABEL_WIDTH + 2))


# ---- a search


def _result(record: r.Decided | r.Reversed | r.Cleared, report: MatchReport) -> str:
    if report.among == "nothing":
        return _NOTHING[report.why_nothing]
    if report.candidates:
        some = ", ".join(f"{number}" for number in report.candidates)
        return f"ambiguous: {len(report.candidates)} fit by {WAYS[report.by]} (payments {some}), so none was taken"
    among = report.among if report.remembered != 1 else report.among.removesuffix("s")
    if not report.by:
        what = f"{report.remembered} {among} of this card remembered on {record.particulars.network}"
        return f"found nothing ({what}); {_consequence(record)}"
    if not report.hold_id:
        return f"found an earlier message by {WAYS[report.by]}, which began no payment"
    found = f"found payment {report.hold_id} by {WAYS[report.by]}"
    if report.undone:
        return f"{found}, which was {report.undone} already; {_consequence(record)}"
    return found


def _consequence(record: r.Decided | r.Reversed | r.Cleared) -> str:
    if isinstance(record, r.Cleared):
        return f"posted as {record.outcome}"
    if isinstance(record, r.Reversed):
        return f"answered {reason_words(record.reason)}, DE39 {record.response_code}"
    if record.hold is not None:
        return f"payment {record.hold.hold_id} of its own began"
    return "nothing moved"


_NOTHING = {
    "unknown_card": "nothing was looked for: no card of ours has its number",
    "wrong_currency": "nothing was looked for: its currency is not the account's",
    "is_request": "nothing was looked for: a request begins a payment of its own (an increment without DE90 that found "
    "none looks the same)",
}


def _ways(ways: Sequence[Way], currency: str) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for number, way in enumerate(ways, 1):
        among, _by, way_name = way.name.rpartition(", by ")
        words = ", ".join(_said(name, value, currency) for name, value in way.sought)
        if not words or way_name in {"key", "reference"}:
            words = f"{WAYS[way_name]}: {words}".removesuffix(": ")
        verdict = Text(_found(way), style="bold" if way.decided else "")
        table.add_row(str(number), plain(f"among {among}: {words}" if among else words), verdict)
    return Padding(table, (0, 0, 0, INDENT))


def _found(way: Way) -> str:
    if not way.sought:
        return "the message does not say it"
    found = ", ".join(
        "a message without a payment" if not number else f"payment {number}" for number in way.found
    )
    if not way.tried:
        return f"not tried (it would find {found or 'nothing'})"
    return found or "nothing"


def _said(name: str, value: str | int, currency: str) -> str:
    return f"{name} {money(value, currency) if isinstance(value, int) else value}"


def _near(near: NearMiss, currency: str) -> RenderableType:
    what = f"payment {near.hold_id}" if near.hold_id else "a message without a payment"
    card = f"****{near.last_four}" + ("" if near.same_card else ", another card of the account")
    sent = f"{near.mti} sent {near.at}"
    rows = [("near", f"{what}: {sent}, {card}, {near.state.replace('_', ' ')}")]
    agreeing = [_said(part.name, part.sought, currency) for part in near.parts if part.agrees]
    rows.append(("agrees", ", ".join(agreeing)))
    differing = [_differs(part, currency) for part in near.parts if not part.agrees]
    if differing:
        rows.append(("differs", "; ".join(differing)))
    return _grid(rows)


def _differs(part: Part, currency: str) -> str:
    there = money(part.there, currency) if isinstance(part.there, int) else part.there
    return f"{_said(part.name, part.sought, currency)}, there {there or 'none'}"


# ---- layout


def _grid(rows: Iterable[Row]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        loud = label.isupper()
        table.add_row(
            Text(label, style="bold red" if loud else ""), Text(plain(text), style="bold" if loud else "")
        )
    return Padding(table, (0, 0, 0, INDENT))


def _console() -> Console:
    # Made when it is needed: rich takes the stream and its width at construction.
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
