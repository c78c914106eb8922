"""`authoriser explain`: a payment's whole story from the journal, or why a message met its payment or not.

Reads the journal itself, beside a server or without one. Owns the command's options and its JSON.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authoriser.cli.errors import CommandError, bad_input
from authoriser.cli.import_command import bar
from authoriser.cli.journal import ConfigOption, DataOption, reading
from authoriser.cli.options import JsonOption
from authoriser.cli.show import print_json, print_line
from isowire.pan import luhn_valid

if TYPE_CHECKING:
    from authoriser.explaining.matches import Match
    from authoriser.explaining.reading import JournalReader, Watch
    from authoriser.explaining.rules_run import RulesRun
    from authoriser.explaining.stories import Query, Story

STORIES_SHOWN_MAX = 10
"""Cards whose messages bear one reference. Who finds more looked for something that names nobody."""

_RECORD = re.compile(r"(?:[0-9]{1,4}-)?([0-9]{1,15})\Z")
_PAN_LENGTHS = range(13, 20)

RrnArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RRN",
        help="DE37 of its messages; or the network's own id of the payment, or the acquirer's reference in clearing.",
        show_default=False,
    ),
]


def explain(
    rrn: RrnArgument = None,
    *,
    match: Annotated[
        bool,
        typer.Option("--match", help="Why each message found its payment, or did not, with what came near."),
    ] = False,
    stan: Annotated[
        str | None,
        typer.Option("--stan", metavar="DE11", help="Only messages with this STAN.", show_default=False),
    ] = None,
    approval_code: Annotated[
        str | None,
        typer.Option("--approval-code", metavar="DE38", help="By an approval code.", show_default=False),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(
            "--record", metavar="N", help="By a record's number, or an event's id.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a payment's story: what was asked and answered, which rules ran, and what became of it."""
    from authoriser.explaining.reading import JournalReader
    from authoriser.explaining.stories import find_stories

    query = _query(rrn, stan, approval_code, record)
    with reading(config, data) as place:
        journal = JournalReader(place.slots)
        with watching(journal, "looking") as watch:
            stories = find_stories(journal, query, watch)
        if not stories:
            raise CommandError(_nothing(query, journal))
        if query.record and not stories[0].payments and not stories[0].messages:
            text = (
                f"record {query.record} is about no payment; authoriser events --from {query.record} shows it"
            )
            raise CommandError(text)
        tell = _matches if match else _stories
        tell(journal, stories, as_json=as_json)


def _query(rrn: str | None, stan: str | None, approval_code: str | None, record: str | None) -> Query:
    from authoriser.explaining.stories import Query

    given = [value for value in (rrn, approval_code, record) if value]
    if len(given) != 1:
        bad_input("give one of RRN, --approval-code and --record, to say which payment is meant")
    number = 0
    if record:
        found = _RECORD.match(record)
        if found is None or not int(found.group(1)):
            bad_input(
                "--record should be a record's number, such as 1042, or an event's id, such as 0-000000001042"
            )
        number = int(found.group(1))
    return Query(
        reference=(rrn or "").strip(),
        stan=stan or "",
        approval_code=(approval_code or "").strip().upper(),
        record=number,
    )


def _nothing(query: Query, journal: JournalReader) -> str:
    asked = query.reference or query.approval_code
    if asked.isdigit() and len(asked) in _PAN_LENGTHS and luhn_valid(asked):
        bad_input(
            "that has a card number's form, and others can read a command line (ps, shell history); give an RRN"
        )
    if query.record:
        return f"the journal has no record {query.record}"
    what = f"approval code {query.approval_code}" if query.approval_code else f"reference {query.reference}"
    stan = f" and STAN {query.stan}" if query.stan else ""
    return (
        f"no message has the {what}{stan}; {journal.last_seq} batches were searched. "
        "A malformed message leaves no decision: authoriser exceptions lists it"
    )


# ---- stories


def _stories(journal: JournalReader, stories: tuple[Story, ...], *, as_json: bool) -> None:
    from authoriser.cli.explain_show import show_story
    from authoriser.explaining.rules_run import policies_of, run_rules
    from authoriser.ledger import records as r

    decided = [
        (read.number, read.record)
        for story in stories
        for read in story.reads
        if isinstance(read.record, r.Decided)
    ]
    with watching(journal, "policies") as watch:
        policies = policies_of(journal, {record.policy for _number, record in decided}, watch)
    runs: dict[int, RulesRun] = {}
    for number, record in decided:
        run = run_rules(record, policies)
        if run is not None:
            runs[number] = run
    if as_json:
        print_json({"stories": [_story_document(story, runs) for story in stories]})
        return
    for place, story in enumerate(stories[:STORIES_SHOWN_MAX]):
        if place:
            print_line("")
        show_story(story, runs)
    _say_others(stories)


def _story_document(story: Story, runs: dict[int, RulesRun]) -> dict[str, Any]:
    from authoriser.cli.explain_words import Teller
    from authoriser.events import event_of
    from authoriser.places import SHARD
    from authoriser.texts import currency_letters

    teller = Teller()
    records = []
    for read in story.reads:
        teller.tell(read)
        event = event_of(read.record, number=read.number, seq=read.seq, shard=SHARD)
        records.append(event | {"rules": runs[read.number]} if read.number in runs else event)
    return {
        "network": story.network,
        "account": story.account_id or None,
        "last_four": story.last_four,
        "records": records,
        "payments": [
            {
                "hold_id": str(sums.hold_id),
                "kind": sums.kind or "payment",
                "currency": currency_letters(sums.currency),
                "held_minor": sums.held_minor,
                "authorised_minor": sums.authorised_minor,
                "captured_minor": sums.captured_minor,
                "ended": sums.ended or None,
            }
            for sums in teller.payments.values()
        ],
    }


def _say_others(stories: tuple[Story, ...]) -> None:
    if len(stories) > 1:
        more = f", of which {STORIES_SHOWN_MAX} are shown" if len(stories) > STORIES_SHOWN_MAX else ""
        print_line("")
        print_line(f"{len(stories)} cards have messages with it{more}; --stan, or --record, tells them apart")


# ---- matches


def _matches(journal: JournalReader, stories: tuple[Story, ...], *, as_json: bool) -> None:
    from authoriser.cli.explain_show import show_match
    from authoriser.explaining.matches import default_orders, find_matches

    found: list[Match] = []
    with watching(journal, "replaying") as watch:
        for story in stories[:STORIES_SHOWN_MAX]:
            found += find_matches(journal, story, default_orders, watch)
    if as_json:
        print_json(
            {
                "matches": [
                    {"record": match.read.number, "forgotten": match.forgotten, **_built(match.report)}
                    for match in found
                ]
            }
        )
        return
    searches = [match for match in found if match.report.why_nothing != "is_request"]
    for place, match in enumerate(searches or found):
        if place:
            print_line("")
        show_match(match)
    if not found:
        print_line("nothing looked for a payment: that record came from no network and no clearing file")


def _built(report: Any) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(report))


# ---- progress


@contextlib.contextmanager
def watching(journal: JournalReader, what: str) -> Iterator[Watch]:
    """A bar over the journal's batches."""
    with bar() as progress:
        task = progress.add_task(what, total=journal.last_seq)
        yield lambda seq: progress.update(task, completed=seq)
