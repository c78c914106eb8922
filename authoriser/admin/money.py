"""The admin socket's methods that concern accounts and money, and the second person that large changes want.

A change over the configured amount is journaled as a proposal and does nothing until another user confirms it. Then it
is decided like any other, with its proposer's words and key, in the same batch as the confirmation.
"""

from zoneinfo import ZoneInfo

import msgspec

from authoriser.admin import operations as o
from authoriser.admin import protocol as p
from authoriser.admin.base import MethodsBase, currency_number
from authoriser.ledger import commands as c
from authoriser.ledger.operator_changes import proposal_id
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.records import Audit
from authoriser.ledger.state import Proposal
from authoriser.limits import PROPOSAL_LIFETIME_MS, PROPOSALS_MAX
from authoriser.texts import CURRENCIES, iso_time

MoneyParams = p.AccountCredit | o.AccountAdjust | o.HoldRelease
MONEY_METHODS: dict[str, type[MoneyParams]] = {
    "account.credit": p.AccountCredit,
    "account.adjust": o.AccountAdjust,
    "hold.release": o.HoldRelease,
}
"""The methods that may want a second person."""


class MoneyMethods(MethodsBase):
    """`account.*`, `hold.*` and `proposals.*`."""

    async def account_open(self, params: p.AccountOpen, uid: int) -> p.AccountChanged:
        zone = params.time_zone if isinstance(params.time_zone, str) else self._time_zone
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise c.CommandRefused(
                "conflict", "time_zone is no IANA time zone, as Europe/Berlin is"
            ) from None
        currency = currency_number(params.currency)
        # The key is for this very account: asked again with another currency or line, it is another change.
        what = f"account.open:{params.account}:{currency}:{params.credit_line_minor}:{zone}"
        command = c.OpenAccount(
            account_id=params.account,
            currency=currency,
            credit_line_minor=params.credit_line_minor,
            time_zone=zone,
            audit=self._audit(params, uid, what),
        )
        return await self._account_now(params.account, self._change(command))

    async def account_show(self, params: p.AccountShow, uid: int) -> p.AccountResult:
        self._account(params.account)
        self._looked(f"account.show:{params.account}", params, uid)
        return await self._settled(p.AccountResult(self._account_shown(params.account)))

    async def account_credit(self, params: p.AccountCredit, uid: int) -> p.AccountChanged:
        return await self._move("account.credit", params, uid)

    async def account_adjust(self, params: o.AccountAdjust, uid: int) -> p.AccountChanged:
        return await self._move("account.adjust", params, uid)

    async def hold_release(self, params: o.HoldRelease, uid: int) -> p.AccountChanged:
        return await self._move("hold.release", params, uid)

    async def _account_now(self, account_id: str, changed: bool) -> p.AccountChanged:  # noqa: FBT001 - a result's field
        return await self._settled(p.AccountChanged(self._account_shown(account_id), changed))

    # ---- one person or two

    async def _move(self, method: str, params: MoneyParams, uid: int) -> p.AccountChanged:
        """The change itself, or its proposal where it is over the amount that wants a second person."""
        command = self._command(params, uid)
        foreseen = self._foresee(command)
        over_minor = self._second_person_over_minor
        if over_minor is None or not foreseen.records or abs(self._amount_minor(params)) <= over_minor:
            return await self._account_now(params.account, self._change(command))
        if len(self._owner.state.commons.proposals) >= PROPOSALS_MAX:
            text = f"{PROPOSALS_MAX} changes wait for a second person; confirm or withdraw some first"
            raise c.CommandRefused("conflict", text)
        name = proposal_id(params.key)
        forget_ms = self._owner.now_ms() + PROPOSAL_LIFETIME_MS
        self._change(c.ProposeChange(name, method, msgspec.json.encode(params), forget_ms, command.audit))
        return await self._settled(
            p.AccountChanged(self._account_shown(params.account), changed=False, proposal=name)
        )

    def _command(self, params: MoneyParams, uid: int) -> c.CreditAccount | c.AdjustBalance | c.ReleaseHold:
        if isinstance(params, p.AccountCredit):
            audit = self._audit(params, uid, f"account.credit:{params.account}:{params.amount_minor}")
            return c.CreditAccount(params.account, params.amount_minor, audit)
        if isinstance(params, o.AccountAdjust):
            audit = self._audit(params, uid, f"account.adjust:{params.account}:{params.amount_minor}")
            return c.AdjustBalance(params.account, params.amount_minor, audit)
        audit = self._audit(params, uid, f"hold.release:{params.account}:{params.hold}")
        return c.ReleaseHold(params.account, int(params.hold), audit)

    def _amount_minor(self, params: MoneyParams) -> int:
        if not isinstance(params, o.HoldRelease):
            return params.amount_minor
        payment = self._account(params.account).payments.get(int(params.hold))
        return payment.held_minor if payment is not None else 0

    # ---- proposals

    async def proposals_list(self, _params: o.ProposalsList, _uid: int) -> o.ProposalsListed:
        now_ms = self._owner.now_ms()
        listed = tuple(
            self._proposal_shown(name, proposal)
            for name, proposal in self._owner.state.commons.proposals.items()
            if proposal.forget_ms > now_ms
        )
        return await self._settled(o.ProposalsListed(listed))

    def _proposal_shown(self, name: str, proposal: Proposal) -> o.Proposal:
        params = _params_of(proposal)
        currency = CURRENCIES[self._account(params.account).currency]
        return o.Proposal(
            proposal=name,
            at=iso_time(proposal.at_ms),
            until=iso_time(proposal.forget_ms),
            method=proposal.method,
            account=params.account,
            amount_minor=self._amount_minor(params),
            currency=currency.code,
            currency_exponent=currency.exponent or 0,
            hold=params.hold if isinstance(params, o.HoldRelease) else None,
            actor=proposal.actor,
            uid=proposal.uid,
            reason=proposal.reason,
        )

    async def proposals_confirm(self, params: o.ProposalsConfirm, uid: int) -> p.ProposalEnded:
        """Confirmation and change in one step, or neither: the change may have become impossible meanwhile."""
        return await self._end(
            params.proposal, self._audit(params, uid, f"proposals.confirm:{params.proposal}")
        )

    async def proposals_withdraw(self, params: o.ProposalsWithdraw, uid: int) -> p.ProposalEnded:
        audit = self._audit(params, uid, f"proposals.withdraw:{params.proposal}")
        return await self._end(params.proposal, audit, confirm=False)

    async def _end(self, name: str, audit: Audit, *, confirm: bool = True) -> p.ProposalEnded:
        self._admit()
        proposal = self._owner.state.commons.proposals.get(name)
        resolution = "confirmed" if confirm else "withdrawn"
        ended = self._foresee(c.EndProposal(name, confirm, audit))
        if proposal is None or not ended.records:  # ended under this very key before
            return await self._settled(p.ProposalEnded(name, resolution, None))
        params = _params_of(proposal)
        # They touch different aggregates, so both can be decided on the state as it is, and enter it together.
        made = self._foresee(self._command(params, proposal.uid)) if confirm else Outcome()
        self._owner.enact(Outcome(records=(*ended.records, *made.records)))
        account = self._account_shown(params.account)
        return await self._settled(p.ProposalEnded(name, resolution, account))


def account_of_proposal(proposal: Proposal) -> str:
    """The account that the change which waits is of."""
    return _params_of(proposal).account


def _params_of(proposal: Proposal) -> MoneyParams:
    return msgspec.json.decode(proposal.params, type=MONEY_METHODS[proposal.method])
