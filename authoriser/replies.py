"""The reply to a message: what the dialect says is echoed, and the answer. Nothing else of the request survives."""

from authoriser.ledger.commands import Reply
from authoriser.said import Scales, numeric
from isowire import (
    AdditionalAmount,
    Dialect,
    Message,
    clear_repeat,
    format_additional_amounts,
    response_mti,
)


class ReplyBuilder:
    """Builds the replies of one dialect. What each request's reply echoes is looked up once."""

    def __init__(self, dialect: Dialect) -> None:
        """Raises DialectError for a currency under [currency_exponents] that ISO 4217 doesn't have."""
        self._dialect = dialect
        self._scales = Scales(dialect)
        self._shapes: dict[str, tuple[str, tuple[str, ...]]] = {}

    def build(self, request: Message, reply: Reply) -> Message:
        """The response message. DE38 stands on approvals only; DE14, 35, 45, 52 and 55 are never echoed.

        DE4 is the approved amount where that is another than what was asked. Raises ValueError for a request that is
        itself a response, EncodeError for amounts that DE54 can't hold.
        """
        shape = self._shapes.get(request.mti)
        if shape is None:
            shape = self._shape(request.mti)
        mti, echoed = shape
        fields = request.fields
        answer = {number: fields[number] for number in echoed if number in fields}
        if reply.approval_code:
            answer["38"] = reply.approval_code
        answer["39"] = reply.response_code
        if reply.replied_minor is not None:
            currency = numeric(fields.get("49", ""))
            answer["4"] = f"{self._scales.write(reply.replied_minor, currency):012}"
        if reply.amounts:
            answer["54"] = format_additional_amounts(
                AdditionalAmount(
                    given.account,
                    given.kind,
                    given.currency,
                    self._scales.write(given.amount_minor, given.currency),
                )
                for given in reply.amounts
            )
        return Message(mti, answer)

    def _shape(self, mti: str) -> tuple[str, tuple[str, ...]]:
        echoed = self._dialect.echoed.get(clear_repeat(mti), ())
        shape = self._shapes[mti] = (response_mti(mti), echoed)
        return shape
