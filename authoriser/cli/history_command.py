"""`authoriser account history ACCOUNT`: what happened on an account, newest first. Works without a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from authoriser.admin.clearing_protocol import HistoryEntry, HistoryShown
from authoriser.cli.clear_show import amount
from authoriser.cli.errors import CommandError, bad_input
from authoriser.cli.journal import ConfigOption, DataOption, reading
from authoriser.cli.options import JsonOption
from authoriser.cli.show import print_json, print_line, print_table
from authoriser.limits import HISTORY_PAGE_MAX
from authoriser.places import SHARD, shard_directory


def history(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.", show_default=False)],
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=HISTORY_PAGE_MAX, help="How many, newest first.")
    ] = 50,
    before: Annotated[
        str | None, typer.Option("--before", metavar="TOKEN", help="Older than this entry: the next page.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account's history, newest first: authorisations, holds, postings and the balance after each."""
    from authoriser.projections.history import History, HistoryError, token_right

    if before is not None and not token_right(before):
        bad_input("--before should be the token of an entry, as 1234-0; the end of a page names it")
    with reading(config, data) as place:
        directory = shard_directory(place.data_dir, SHARD)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            page = History(directory, place.slots).page(account, limit, before)
        except HistoryError as error:
            raise CommandError(str(error)) from None
    if page is None:
        raise CommandError(f"there is no account {account!r} in the journal of {place.name}")
    if as_json:
        print_json(HistoryShown(account, page.entries, page.before))
        return
    if not page.entries:
        older = f"nothing older than {before}" if before is not None else "nothing has happened yet"
        print_line(f"account {account}: {older}")
        return
    print_table(
        ("when", "what", ">amount", ">balance", "where, and why"), [_row(entry) for entry in page.entries]
    )
    if page.before is not None:
        print_line(f"older: authoriser account history {account} --before {page.before}")


def _row(entry: HistoryEntry) -> tuple[str, str, str, str, str]:
    what = entry.kind if entry.status == "posted" else f"{entry.kind} {entry.status}"
    balance = amount(entry.balance_minor, entry.currency) if entry.balance_minor is not None else ""
    place = ", ".join(filter(None, (entry.merchant, entry.city)))
    where = "; ".join(filter(None, (place, entry.reason.replace("_", " "))))
    return (entry.at[:16].replace("T", " "), what, amount(entry.amount_minor, entry.currency), balance, where)
