"""The reply to a message: what the dialect says is echoed, and the answer. Nothing else of the request survives."""

from authoriser.ledger.commands import Reply
from isowire import Dialect, Message, clear_repeat, response_mti


class ReplyBuilder:
    """Builds the replies of one dialect. What each request's reply echoes is looked up once."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._shapes: dict[str, tuple[str, tuple[str, ...]]] = {}

    def build(self, request: Message, reply: Reply) -> Message:
        """The response message. DE38 stands on approvals only; DE14, 35, 45, 52 and 55 are never echoed.

        Raises ValueError for a request that is itself a response.
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
        return Message(mti, answer)

    def _shape(self, mti: str) -> tuple[str, tuple[str, ...]]:
        echoed = self._dialect.echoed.get(clear_repeat(mti), ())
        shape = self._shapes[mti] = (response_mti(mti), echoed)
        return shape
