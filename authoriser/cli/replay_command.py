"""`authoriser replay --policy NEW.toml`: what was decided, judged again by other rules. Nothing is written.

Owns the command's options and its table. Reads the journal itself, beside a server or without one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from authoriser.cli.errors import BAD_INPUT, CommandError, bad_input
from authoriser.cli.explain_command import watching
from authoriser.cli.journal import ConfigOption, DataOption, reading
from authoriser.cli.money import currencies, format_amount
from authoriser.cli.options import JsonOption
from authoriser.cli.show import print_json, print_line, print_table

if TYPE_CHECKING:
    from authoriser.explaining.policy_replay import Amount, Difference, PolicyReplay, Sum

EXAMPLES_SHOWN_MAX = 12
"""Half a screen; --json has three of every difference."""

CANNOT_KNOW = (
    "What this cannot know: what was approved stays approved here, so a payment that the new policy declines still "
    "uses up limits and funds, and one that it would have approved uses up none. Funds, contactless counters, card "
    "states and controls are those that the rules saw. More in docs/explain.md."
)


def replay(
    policy: Annotated[
        Path, typer.Option("--policy", metavar="NEW.toml", help="The rules to judge by.", show_default=False)
    ],
    *,
    from_seq: Annotated[
        int,
        typer.Option(
            "--from",
            metavar="SEQ",
            min=1,
            help="The first batch to compare: seq in events.",
            show_default="the first",
        ),
    ] = 1,
    to_seq: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="SEQ", min=1, help="The last batch to compare.", show_default="the last"
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the journal's requests again by another policy, and show what would have been different.

    Nothing is written. Usage of limits is counted by the new policy's classes, from the journal's beginning.
    """
    from authoriser.explaining.policy_replay import replay_policy
    from authoriser.explaining.reading import JournalReader
    from rules import PolicyError, read_policy

    try:
        rules = read_policy(policy.read_text(encoding="utf-8"), str(policy))
    except PolicyError as error:
        bad_input(*str(error).splitlines())
    except UnicodeDecodeError as error:
        bad_input(f"{policy}: is not UTF-8 at byte {error.start}")
    except OSError as error:
        raise CommandError(f"{policy}: {error.strerror}", exit_code=BAD_INPUT) from None
    if to_seq is not None and to_seq < from_seq:
        bad_input(f"--to {to_seq} comes before --from {from_seq}")
    with reading(config, data) as place:
        journal = JournalReader(place.slots)
        if from_seq > max(journal.last_seq, 1):
            bad_input(f"--from {from_seq} is beyond the journal's last batch, {journal.last_seq}")
        with watching(journal, "replaying") as watch:
            report = replay_policy(journal, rules, watch, from_seq, to_seq)
    if as_json:
        print_json(report)
    else:
        _show(policy, report)


def _show(policy: Path, report: PolicyReplay) -> None:
    decided_by = ", ".join(f"{version} ({count})" for version, count in report.policies.items())
    print_line(f"new policy {report.policy} ({policy.name}), batches {report.from_seq} to {report.to_seq}")
    print_line(f"decided by policy {decided_by}" if decided_by else "no decision in them was made by rules")
    rate = f", {report.compared / report.seconds:,.0f}/s" if report.compared and report.seconds else ""
    differing = report.compared - report.same
    print_line(
        f"{report.compared} decisions compared: {report.same} the same, {differing} not ({report.seconds} s{rate})"
    )
    if report.without_facts:
        print_line(
            f"{report.without_facts} more were decided without rules: advices, unknown cards, old records"
        )
    print_table(
        ("was", "would be", ">times", ">asked for"),
        [
            (
                difference.before.replace("_", " "),
                difference.after.replace("_", " "),
                str(difference.count),
                _amounts(difference.amounts),
            )
            for difference in report.differences
        ],
    )
    if differing:
        print_table(
            ("in all", ">times", ">asked for"),
            [
                _total("newly declined", report.newly_declined),
                _total("newly approved", report.newly_approved),
                _total("for another reason", report.other_reason),
            ],
        )
        print_table(
            ("for example", "card", "RRN", ">asked for", "was", "would be"),
            [row for difference in report.differences for row in _examples(difference)][:EXAMPLES_SHOWN_MAX],
        )
    Console(highlight=False).print(CANNOT_KNOW)


def _total(name: str, total: Sum) -> tuple[str, str, str]:
    return name, str(total.count), _amounts(total.amounts)


def _amounts(amounts: tuple[Amount, ...]) -> str:
    return ", ".join(_money(amount.amount_minor, amount.currency) for amount in amounts) or "-"


def _money(amount_minor: int, currency: str) -> str:
    known = currencies().get(currency)
    if known is None:
        return f"{amount_minor} {currency}"
    return format_amount(amount_minor, known.code, known.exponent)


def _examples(difference: Difference) -> list[tuple[str, ...]]:
    return [
        (
            f"record {example.record}",
            f"****{example.last_four}",
            example.rrn,
            _money(example.amount_minor, example.currency),
            difference.before.replace("_", " "),
            difference.after.replace("_", " "),
        )
        for example in difference.examples
    ]
