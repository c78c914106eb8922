"""Everything a rule may look at, gathered before the first rule runs, and kept in the journal as what the rules saw.

Structs here are MessagePack arrays: a field is only ever added at the end, with a default. No expiry date, PIN or
number of a card stands in them, only what came of comparing it.
"""

from msgspec import Struct

from rules.reason import CardState, Check, Entry, Transaction

TRANSACTION, DAY, WEEK, MONTH = "transaction", "day", "week", "month"
WINDOWS = (TRANSACTION, DAY, WEEK, MONTH)
"""Of a limit: one payment, or the calendar day, week (from Monday) or month in the account's time zone."""


class Checks(Struct, frozen=True, array_like=True, gc=False):
    """What the authenticator, or the network on our behalf, found of each proof."""

    pin: Check = Check.ABSENT
    cvv: Check = Check.ABSENT
    arqc: Check = Check.ABSENT
    mac: Check = Check.ABSENT


NO_CHECKS = Checks()


class Limit(Struct, frozen=True, array_like=True, gc=False):
    """One limit of one card. `amount_minor` and `count` are None where they do not limit.

    `spending` is a class of the policy ("" is all spending, "cash", "ecommerce", ...); `window` one of WINDOWS. From
    `until_ms` on it is as if it were not there; 0 is for good.
    """

    spending: str
    window: str
    amount_minor: int | None = None
    count: int | None = None
    until_ms: int = 0


class Controls(Struct, frozen=True, array_like=True, gc=False):
    """What one card has otherwise than its programme. None leaves the programme's word.

    Countries are ISO 3166 alpha-2, merchants are values of DE42. A limit here replaces the programme's of the same
    class and window, for as long as it lasts.
    """

    ecommerce: bool | None = None
    contactless: bool | None = None
    cash: bool | None = None
    magstripe: bool | None = None
    mcc_allow: tuple[str, ...] | None = None
    mcc_block: tuple[str, ...] | None = None
    merchant_allow: tuple[str, ...] | None = None
    merchant_block: tuple[str, ...] | None = None
    country_allow: tuple[str, ...] | None = None
    country_block: tuple[str, ...] | None = None
    limits: tuple[Limit, ...] = ()


class Usage(Struct, frozen=True, array_like=True, gc=False):
    """What a card has spent of one class in its latest day, week and month. A period is named by its first day.

    Days are numbers of `date.toordinal` in the account's time zone. Amounts are minor units of the account's currency.
    """

    day: int = 0
    day_minor: int = 0
    day_count: int = 0
    week: int = 0
    week_minor: int = 0
    week_count: int = 0
    month: int = 0
    month_minor: int = 0
    month_count: int = 0


NO_USAGE = Usage()


class Spend(Struct, frozen=True, array_like=True, gc=False):
    """One approval in a sliding window. `number` is its own record, which may have made an older payment grow."""

    at_ms: int
    number: int
    amount_minor: int
    classes: tuple[str, ...] = ()


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """What an approval counts for, so that apply runs no rule. `classes` without "", which every payment has.

    `contactless`: 0 leaves the counter, 1 adds this payment to it, 2 begins it again (strong authentication).
    """

    local_day: int
    classes: tuple[str, ...] = ()
    contactless: int = 0


class Facts(Struct, frozen=True, array_like=True, gc=False):
    """One request beside the card and account that it names.

    Amounts are integers of minor units of the account's currency; `amount_minor` is what would be held, a fee
    (`fee_minor`) with it,
    `cashback_minor` the part of it that is handed out in notes. Times are milliseconds since the epoch, UTC;
    `local_day` is `date.toordinal` in the account's time zone. Currencies are ISO 4217 numeric codes, `country`
    is the shop's in ISO 3166 alpha-2, "" where nobody says. `closes_ms` is when a replaced card ends, 0 for never.
    `usage` stands in the order of ("", *classes); `recent` are the approvals of the longest sliding window that
    this payment is judged by.
    """

    now_ms: int
    local_day: int
    transaction: Transaction
    amount_minor: int
    currency: str
    account_currency: str
    available_minor: int
    card_state: CardState
    card_expires_ms: int
    closes_ms: int = 0
    expiry_matches: bool = True
    cashback_minor: int = 0
    mcc: str = ""
    merchant_id: str = ""
    country: str = ""
    entry: Entry = Entry.UNKNOWN
    checks: Checks = NO_CHECKS
    controls: Controls | None = None
    classes: tuple[str, ...] = ()
    usage: tuple[Usage, ...] = (NO_USAGE,)
    recent: tuple[Spend, ...] = ()
    contactless_count: int = 0
    contactless_minor: int = 0
    fee_minor: int = 0
