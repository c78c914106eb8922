"""A link as its table in the configuration makes it: dialect, codec, framing, and the ledger's policy for it."""

from authoriser import limits
from authoriser.config import LinkConfig
from authoriser.ledger.commands import CLEARING_MATCHING, MATCHING, Policy
from authoriser.link import Link
from isowire import FRAMINGS, Codec, Dialect, DialectError, load_dialect
from rules import Reason
from rules.reasons import PROFILES
from rules.reasons import profile as profile_of

SERVED_VERSION = 1987
"""Of ISO 8583: the pipeline knows message types by their 1987 numbers."""


def policy_of(dialect: Dialect, reply_deadline_ms: int, profile: str = "") -> Policy:
    """The ledger's policy for a link, with the limits of `authoriser.limits`.

    DE39 goes by `profile`, "" for the dialect's own, and the dialect's words go over it. Raises DialectError where the
    profile is none, or a reason is left without a code.
    """
    codes: dict[str, str] = {}
    refund_codes: frozenset[str] = frozenset()
    refund_else = ""
    name = profile or dialect.profile
    if name:
        try:
            table = profile_of(name)
        except ValueError as error:
            raise DialectError(f"{dialect.name}: {error}") from None
        codes, refund_codes, refund_else = dict(table.codes), table.refund_codes, table.refund_else
    codes |= dialect.response_codes
    if Reason.OVERTAKEN not in dialect.response_codes and Reason.ANSWER_VOID in dialect.response_codes:
        codes[Reason.OVERTAKEN] = codes[Reason.ANSWER_VOID]  # both: ask whoever answered instead of us
    if missing := [reason.value for reason in Reason if reason not in codes]:
        raise DialectError(
            f"{dialect.name}: response_codes: none for {', '.join(missing)}; "
            f"expected every reason, or a profile: {', '.join(PROFILES)}"
        )
    return Policy(
        response_codes=codes,
        refund_codes=refund_codes,
        refund_else=refund_else,
        matching=dialect.semantics.originals or MATCHING,
        clearing_matching=dialect.semantics.clearings or CLEARING_MATCHING,
        reply_deadline_ms=reply_deadline_ms,
        hold_lifetime_ms=limits.HOLD_LIFETIME_MS,
        request_key_lifetime_ms=limits.REQUEST_KEY_LIFETIME_MS,
        reversal_key_lifetime_ms=limits.REVERSAL_KEY_LIFETIME_MS,
        payment_lifetime_ms=limits.PAYMENT_LIFETIME_MS,
        tombstone_lifetime_ms=limits.TOMBSTONE_LIFETIME_MS,
        kept_answers_max=limits.KEPT_ANSWERS_MAX,
        unknown_card_answers_max=limits.UNKNOWN_CARD_ANSWERS_MAX,
    )


def make_link(config: LinkConfig) -> Link:
    """Raises DialectError where the dialect's file is wrong, or its messages are none that the pipeline knows."""
    dialect = load_dialect(config.dialect)
    if dialect.version != SERVED_VERSION:
        raise DialectError(
            f'links "{config.name}": dialect {dialect.name} has the message types of ISO 8583:{dialect.version}, '
            f"and the authoriser serves those of ISO 8583:{SERVED_VERSION} only"
        )
    return Link(
        name=config.name,
        network=config.network,
        listen=(config.address.host, config.address.port),
        dialect=dialect,
        codec=Codec(dialect),
        framing=FRAMINGS[config.framing],
        policy=policy_of(dialect, config.reply_deadline_ms, config.profile),
        reply_deadline_s=config.reply_deadline_ms / 1000,
        frame_length_max_bytes=config.frame_length_max_bytes,
        connections_max=config.connections_max,
    )
