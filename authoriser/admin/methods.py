"""The table of the admin socket's methods, and those of imports, policies, the exception list and the status.

The rest are in `money.py` and `cards.py`; what they share is in `base.py`. Roles were checked before (server.py).
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import trio

from authoriser.admin import operations as o
from authoriser.admin import protocol as p
from authoriser.admin.base import currency_number, slices
from authoriser.admin.cards import CardMethods
from authoriser.admin.clearing_methods import ClearingMethods
from authoriser.admin.money import MoneyMethods, account_of_proposal
from authoriser.cache import Name
from authoriser.keys import PanKey
from authoriser.ledger import commands as c
from authoriser.ledger.decide import decide
from authoriser.ledger.records import Audit
from authoriser.limits import IMPORT_SLICE
from authoriser.owner import ShardOwner
from authoriser.projections.history import History
from authoriser.texts import iso_time
from authoriser.translate import Tokens
from isowire import luhn_valid
from rules import CardState, PolicyError, read_policy


class Methods(CardMethods, MoneyMethods, ClearingMethods):
    """The methods, for one peer after the other. `status` is asked of the server, which knows its links."""

    def __init__(
        self,
        *,
        owner: ShardOwner,
        policy: c.Policy,
        pan_key: PanKey,
        tokens: Tokens,
        time_zone: str,
        status: Callable[[], p.Status],
        second_person_over_minor: int | None = None,
        networks: Mapping[str, c.Policy] | None = None,
        history: History | None = None,
    ) -> None:
        super().__init__(
            networks=networks if networks is not None else {},
            history=history,
            owner=owner,
            policy=policy,
            pan_key=pan_key,
            tokens=tokens,
            time_zone=time_zone,
            second_person_over_minor=second_person_over_minor,
        )
        self._status = status
        self.methods: dict[str, Callable[[Any, int], Awaitable[Any]]] = {
            "account.open": self.account_open,
            "account.show": self.account_show,
            "account.credit": self.account_credit,
            "account.adjust": self.account_adjust,
            "card.issue": self.card_issue,
            "card.show": self.card_show,
            "card.freeze": self.card_change(CardState.FROZEN),
            "card.unfreeze": self.card_change(CardState.ACTIVE),
            "card.block": self.card_change(CardState.BLOCKED),
            "card.activate": self.card_change(CardState.ACTIVE, activating=True),
            "card.close": self.card_change(CardState.CLOSED),
            "card.lost": self.card_change(CardState.LOST),
            "card.stolen": self.card_change(CardState.STOLEN),
            "card.replace": self.card_replace,
            "card.controls.show": self.card_controls_show,
            "card.controls.set": self.card_controls_set,
            "hold.release": self.hold_release,
            "policy.show": self._policy_show,
            "policy.check": self._policy_check,
            "policy.load": self._policy_load,
            "proposals.list": self.proposals_list,
            "proposals.confirm": self.proposals_confirm,
            "proposals.withdraw": self.proposals_withdraw,
            "account.history": self.account_history,
            "clearing.check": self.clearing_check,
            "clearing.post": self.clearing_post,
            "clearing.finish": self.clearing_finish,
            "import.check": self._import_check,
            "import.apply": self._import_apply,
            "status": self._show_status,
            "exceptions.list": self._exceptions_list,
            "exceptions.settle": self._exceptions_settle,
        }

    async def call(self, method: str, params: Any, uid: int) -> Any:
        """The result struct of `method`. Raises RpcError for what cannot be done, with the reason.

        What the parameters name is in memory before it is asked. Of files' rows it is slice by slice, by the methods.
        """
        try:
            if self._owner.cache is None:
                return await self.methods[method](params, uid)
            async with self._in_memory(await self._names(params)):
                return await self.methods[method](params, uid)
        except c.CommandRefused as refused:
            if refused.kind != "not_admitted":
                # A refusal tells of the state too, and must not get ahead of the log.
                await self._owner.settle()
            raise p.application_error(_kind(refused.kind), str(refused)) from None

    async def _names(self, params: Any) -> list[Name]:
        """Every account and card that a call's parameters name."""
        names: list[Name] = []
        account, card, pan = (getattr(params, field, None) for field in ("account", "card", "pan"))
        if isinstance(account, str):
            names.append(Name("account", account))
        if isinstance(card, p.CardRef):
            names += await self._names_of_card(card)
        if isinstance(pan, str):  # a new card's: that there is none must be known
            names.append(Name("token", self._tokens(pan)))
        commons = self._owner.state.commons
        if isinstance(params, o.ExceptionsSettle) and params.exception in commons.exceptions:
            names.append(Name("account", commons.exceptions[params.exception].on_account))
        if isinstance(params, o.ProposalsList | o.ProposalsConfirm | o.ProposalsWithdraw):
            only = getattr(params, "proposal", None)
            names += [
                Name("account", account_of_proposal(waiting))
                for name, waiting in commons.proposals.items()
                if only in {None, name}
            ]
        return [name for name in names if name.value]

    # ---- import

    def _names_of_rows(self, rows: Sequence[p.ImportRow]) -> list[Name]:
        accounts = [Name("account", row.account) for row in rows]
        return accounts + [Name("token", self._pan_key.token(row.pan)) for row in rows]

    async def _import_check(self, params: p.ImportCheck, uid: int) -> p.ImportChecked:
        problems = []
        new = present = 0
        state, policy = self._owner.state, self._policy
        for rows in slices(params.rows, IMPORT_SLICE):
            await trio.lowlevel.checkpoint()
            async with self._in_memory(self._names_of_rows(rows)):
                for row in rows:
                    nobody = Audit("", "", uid, "", "", 0)
                    try:
                        outcome = decide(state, self._row(row, nobody), state.last_ms, policy)
                    except c.CommandRefused as refused:
                        problems.append(p.ImportProblem(row.line, str(refused)))
                    else:
                        new += outcome.changed
                        present += not outcome.changed
        return await self._settled(p.ImportChecked(tuple(problems), new, present))

    async def _import_apply(self, params: p.ImportApply, uid: int) -> p.ImportApplied:
        imported = present = 0
        for rows in slices(params.rows, IMPORT_SLICE):
            await trio.lowlevel.checkpoint()
            async with self._in_memory(self._names_of_rows(rows)):
                for row in rows:
                    key = f"import:{params.file_sha256[:16]}:{row.line}"
                    audit = Audit(key, params.actor, uid, params.reason, f"import:{row.line}", 0)
                    changed = self._change(self._row(row, audit))
                    imported += changed
                    present += not changed
        return await self._settled(p.ImportApplied(imported, present))

    def _row(self, row: p.ImportRow, audit: Audit) -> c.ImportRow:
        if not luhn_valid(row.pan):
            raise c.CommandRefused("conflict", f"line {row.line}: the card number's check digit is wrong")
        account = c.OpenAccount(row.account, currency_number(row.currency), 0, self._time_zone, audit)
        # Not through the cache of tokens: a million rows would empty it of the cards that pay.
        token = self._pan_key.token(row.pan)
        self._refuse_second_person(row, token)
        card = self._new_card(row, row.account, token, CardState.ACTIVE, audit)
        return c.ImportRow(account, msgspec.structs.replace(card, funded_minor=row.credit_minor))

    def _refuse_second_person(self, row: p.ImportRow, token: bytes) -> None:
        """An import must not be the way around the second person. What was imported before stays as it is."""
        over_minor = self._second_person_over_minor
        if over_minor is not None and row.credit_minor > over_minor and token not in self._owner.state.tokens:
            text = f"a credit of more than {over_minor} minor units wants a second person; import the card with 0"
            raise c.CommandRefused("conflict", f"{text} and credit its account by itself")

    # ---- the policy

    async def _policy_show(self, _params: o.PolicyShow, _uid: int) -> o.PolicyResult:
        rules = self._owner.state.rules
        default = not self._owner.state.commons.policy_version
        return await self._settled(o.PolicyResult(rules.version, default, rules.text))

    async def _policy_check(self, params: o.PolicyCheck, _uid: int) -> o.PolicyChecked:
        try:
            version = read_policy(params.text).version
        except PolicyError as error:
            raise c.CommandRefused("conflict", str(error)) from None
        return await self._settled(o.PolicyChecked(version, version == self._owner.state.rules.version))

    async def _policy_load(self, params: o.PolicyLoad, uid: int) -> o.PolicyLoaded:
        what = f"policy.load:{hashlib.sha256(params.text.encode()).hexdigest()[:12]}"
        changed = self._change(c.LoadPolicy(params.text, self._audit(params, uid, what)))
        return await self._settled(o.PolicyLoaded(self._owner.state.rules.version, changed))

    # ---- looks

    async def _show_status(self, _params: p.StatusShow, _uid: int) -> p.Status:
        await trio.lowlevel.checkpoint()
        return self._status()  # not held back: an operator asks for it just when the journal is stuck

    async def _exceptions_list(self, params: p.ExceptionsList, _uid: int) -> p.ExceptionsListed:
        commons = self._owner.state.commons
        counts = self._owner.exception_counts
        latest = list(commons.exceptions.items())[: -params.limit - 1 : -1]
        listed = tuple(
            p.ExceptionEntry(
                exception_id=exception_id,
                at=iso_time(entry.at_ms),
                kind=entry.kind,
                link=entry.link,
                network=entry.network,
                mti=entry.mti or None,
                field=entry.field or None,
                detail=entry.detail,
                card_last_four=entry.card_last_four or None,
                amount_minor=entry.amount_minor or None,
                count=counts.get(exception_id, 1),
                account=entry.on_account or None,
                candidates=tuple(map(str, entry.candidates)),
            )
            for exception_id, entry in latest
        )
        return await self._settled(p.ExceptionsListed(commons.exceptions_total, listed))

    async def _exceptions_settle(self, params: o.ExceptionsSettle, uid: int) -> o.ExceptionSettled:
        hold = int(params.hold) if params.hold is not None else 0
        audit = self._audit(params, uid, f"exceptions.settle:{params.exception}:{hold}")
        changed = self._change(c.SettleException(params.exception, hold, audit))
        resolution = "matched" if hold else "dismissed"
        return await self._settled(o.ExceptionSettled(params.exception, resolution, changed))


def _kind(kind: str) -> p.Kind:
    for known in p.KINDS:
        if known == kind:
            return known
    raise AssertionError(f"a refusal of kind {kind!r} has no name on the admin socket")
