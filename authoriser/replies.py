"""The reply to a message: what the dialect says is echoed, and the answer. Nothing else of the request survives."""

from authoriser.ledger.commands import Reply
from isowire import Dialect, Message, clear_repeat, response_mti


def build_reply(dialect: Dialect, request: Message, reply: Reply) -> Message:
    """The response message. DE38 stands on approvals only; DE14, 35, 45, 52 and 55 are never echoed."""
    fields = request.fields
    echoed = dialect.echoed.get(clear_repeat(request.mti), ())
    answer = {number: fields[number] for number in echoed if number in fields}
    if reply.approval_code:
        answer["38"] = reply.approval_code
    answer["39"] = reply.response_code
    return Message(response_mti(request.mti), answer)
