"""Network management that is asked of us: sign-on, sign-off and echo (0800, with DE70 as the dialect has it).

Owns the sign-on state of a line. Says nothing of any account, so its replies need not wait for the log. What we ask of
the network is `line_keeper`'s.
"""

from authoriser.ledger.commands import Reply
from authoriser.link import Line
from isowire import DecodeError, Message, check_datetime_mmddhhmmss
from rules import Reason


def answer_network_management(line: Line, message: Message) -> Reply | None:
    """The answer to an 0800/0801; None for an 0820, which the standard gives no response.

    Raises DecodeError where DE7, DE11 or DE70 is missing or wrong. A DE70 that is not known is refused as
    unsupported and changes nothing.
    """
    if message.mti == "0820":
        return None
    fields = message.fields
    for number in (*line.link.dialect.mandatory.get("0800", ()), "7", "70"):
        if number not in fields:
            raise DecodeError(field=number, found="nothing", expected=f"DE{number} in a {message.mti}")
    check_datetime_mmddhhmmss(fields["7"], "7")
    codes = line.link.policy.response_codes
    said = line.link.dialect.management
    asked = fields["70"]
    if asked == said.sign_on:
        line.signed_on = True
    elif asked == said.sign_off:
        line.signed_on = False
    elif asked != said.echo:
        return Reply(Reason.UNSUPPORTED_TRANSACTION, codes[Reason.UNSUPPORTED_TRANSACTION])
    return Reply(Reason.APPROVED, codes[Reason.APPROVED])
