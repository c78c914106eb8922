"""The admin socket's methods for a day's clearing, and for an account's history.

A file comes in calls of some hundred rows, each call in slices: between two of them the network's lines are looked at,
so authorisations flow while it is posted. A row is known by its key, so that a lost answer, a killed client or a killed
server costs nothing but asking again.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog
import trio
from msgspec import UNSET

from authoriser.admin import clearing_protocol as cp
from authoriser.admin.base import MethodsBase, currency_number, slices
from authoriser.cache import Name
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.clearing import SIGNS, another_amount, kept_row, same_row
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import ClearedKept
from authoriser.limits import CLEARING_SLICE
from authoriser.projections.history import History, HistoryError
from authoriser.texts import iso_time
from isowire import luhn_valid

log = structlog.get_logger()

FILE_IN_KEY = 24
"""Digits of a file's SHA-256 in the key of a row without a reference: 96 bits part all files there will ever be."""


class ClearingMethods(MethodsBase):
    """`networks` are the configured ones, each with its policy. `history` reads the journal that this server writes."""

    def __init__(self, *, networks: Mapping[str, c.Policy], history: History | None, **more: Any) -> None:
        super().__init__(**more)
        self._networks = networks
        self._history = history
        self._history_limiter = trio.CapacityLimiter(1)

    # ---- clearing

    async def clearing_check(self, params: cp.ClearingCheck, _uid: int) -> cp.ClearingChecked:
        problems = []
        for place, row in enumerate(params.rows):
            if place % CLEARING_SLICE == 0:
                await trio.lowlevel.checkpoint()
            problem = self._problem(row) or self._conflict(row, params.file_sha256)
            if problem is not None:
                problems.append(problem)
        finished = self._owner.state.commons.clearing_files.get(params.file_sha256)
        finished_at = iso_time(finished.at_ms) if finished is not None else None
        return await self._settled(cp.ClearingChecked(tuple(problems), finished_at))

    async def clearing_post(self, params: cp.ClearingPost, _uid: int) -> cp.ClearingPosted:
        """Post rows, or find them posted. Raises CommandRefused; the rows before it are posted, and found next time."""
        posted = []
        for rows in slices(params.rows, CLEARING_SLICE):
            await trio.lowlevel.checkpoint()
            async with self._in_memory(self._names_in(rows)):
                posted += [self._post(row, params.file_sha256) for row in rows]
        return await self._settled(cp.ClearingPosted(tuple(posted)))

    async def clearing_finish(self, params: cp.ClearingFinish, uid: int) -> cp.ClearingFinished:
        audit = self._audit(params, uid, f"clearing.finish:{params.file_sha256[:FILE_IN_KEY]}")
        changed = self._change(c.EndClearingFile(params.file_sha256, params.rows, audit))
        if changed:
            log.info("clearing file posted", rows=params.rows, uid=uid)
        return await self._settled(cp.ClearingFinished(changed))

    def _names_in(self, rows: Sequence[cp.ClearingRow]) -> list[Name]:
        return [
            Name("token", self._pan_key.token(row.pan))
            if isinstance(row.pan, str)
            else Name("card", str(row.card_id))
            for row in rows
        ]

    def _post(self, row: cp.ClearingRow, file_sha256: str) -> cp.RowPosted:
        problem = self._problem(row)
        if problem is not None:
            raise c.CommandRefused("conflict", f"line {row.line}, {problem.column}: {problem.message}")
        command = self._clear_row(row, file_sha256)
        kept = kept_row(self._owner.state, command)
        if kept is not None:
            if not same_row(kept, command):
                raise c.CommandRefused(
                    "conflict", f"line {row.line}, reference: {another_amount(kept, command)}"
                )
            return _posted_before(row.line, kept)
        if file_sha256 in self._owner.state.commons.clearing_files:
            # Finished so long ago that its rows' keys are forgotten: posting it again would move all of it twice.
            return cp.RowPosted(row.line, "finished", repeated=True)
        self._admit()
        outcome = self._owner.execute(command, self._networks[row.network])
        return _posted(row.line, outcome)

    def _problem(self, row: cp.ClearingRow) -> cp.ClearingProblem | None:
        if row.network not in self._networks:
            known = ", ".join(sorted(self._networks))
            text = f"there is no network {row.network!r} in the server's configuration; there are: {known}"
            return cp.ClearingProblem(row.line, "network", text)
        if isinstance(row.pan, str) and not luhn_valid(row.pan):
            return cp.ClearingProblem(row.line, "pan", "the card number's check digit is wrong")
        return None

    def _conflict(self, row: cp.ClearingRow, file_sha256: str) -> cp.ClearingProblem | None:
        """A reference that was posted with another amount: neither a repeat nor, by its name, another payment."""
        if not row.reference:
            return None
        command = self._clear_row(row, file_sha256)
        kept = kept_row(self._owner.state, command)
        if kept is None or same_row(kept, command):
            return None
        return cp.ClearingProblem(row.line, "reference", another_amount(kept, command))

    def _clear_row(self, row: cp.ClearingRow, file_sha256: str) -> c.ClearRow:
        token, last_four = self._card_of(row)
        if row.reference:
            key = f"clear|{row.network}|{row.reference}|{row.kind}|{row.sequence}"
        else:
            key = f"clear|{file_sha256[:FILE_IN_KEY]}|{row.line}"
        particulars = r.Particulars(
            network=row.network,
            link="",
            mti="",
            transmission=row.transaction_date[4:],
            stan="",
            rrn=row.rrn,
            acquirer=row.acquirer,
            processing_code=row.kind,
            amount_minor=row.amount_minor,
            currency=currency_number(row.currency),
            mcc=row.mcc,
            merchant_id=row.merchant_id,
            merchant=row.merchant,
            city=row.city,
            country=row.country,
            transaction_minor=row.transaction_minor,
            transaction_currency=currency_number(row.transaction_currency)
            if row.transaction_currency
            else "",
            network_id=row.network_id,
            approval_code=row.approval_code,
            reference=row.reference,
        )
        return c.ClearRow(
            particulars=particulars,
            key=key,
            token=token,
            last_four=last_four,
            kind=row.kind,
            settlement_date=row.settlement_date,
            fee_minor=row.fee_minor,
            final=row.final,
        )

    def _card_of(self, row: cp.ClearingRow) -> tuple[bytes | None, str]:
        """The card's token and last digits; None for an id that is none of ours: its row goes to suspense."""
        if row.pan is not UNSET:
            pan = str(row.pan)
            # Not through the cache of tokens, as with an import: a day's clearing names every card once.
            return self._pan_key.token(pan), pan[-4:]
        account = self._owner.state.cards.get(str(row.card_id))
        if account is None:
            return None, ""
        card = account.cards[str(row.card_id)]
        return card.token, card.last_four

    # ---- history

    async def account_history(self, params: cp.AccountHistory, uid: int) -> cp.HistoryShown:
        account = self._account(params.account)
        if self._history is None:
            raise c.CommandRefused("conflict", "this server has no journal that a history could be read from")
        self._looked(f"account.history:{account.account_id}", params, uid)
        # The history is read from the journal, never from memory: what is durable by now is what is shown.
        await self._owner.settle()
        ask = partial(self._history.page, params.account, params.limit, params.before, quiet=True)
        try:
            page = await trio.to_thread.run_sync(ask, limiter=self._history_limiter)
        except HistoryError as error:
            raise c.CommandRefused("conflict", str(error)) from None
        assert page is not None, "an account in memory is in the journal"
        return cp.HistoryShown(params.account, page.entries, page.before)


def _posted(line: int, outcome: Outcome) -> cp.RowPosted:
    """What was posted, from the double entries themselves where there are any."""
    (cleared,) = (record for record in outcome.records if isinstance(record, r.Cleared))
    amount_minor = cleared.amount_minor
    if cleared.entries:
        gained_minor = sum(entry.amount_minor for entry in cleared.entries if entry.kind != "fee")
        amount_minor = gained_minor * SIGNS[cleared.kind]
    return cp.RowPosted(
        line=line,
        outcome=cleared.outcome,
        kind=cleared.kind,
        amount_minor=amount_minor,
        fee_minor=cleared.fee_minor,
        difference_minor=cleared.difference_minor,
        settlement=cleared.settlement,
        matched_by=cleared.matched_by,
    )


def _posted_before(line: int, kept: ClearedKept) -> cp.RowPosted:
    return cp.RowPosted(
        line=line,
        outcome=kept.outcome,
        kind=kept.kind,
        amount_minor=kept.amount_minor,
        fee_minor=kept.fee_minor,
        difference_minor=kept.difference_minor,
        settlement=kept.settlement,
        matched_by=kept.matched_by,
        repeated=True,
    )
