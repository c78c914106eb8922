"""The order of the rules: for one request exactly one reason, the most useful one.

First whether the message can be believed, then what the card is, what is asked, who asks, what the card may be used
for, how much of it, and funds last: someone whose card is frozen must not be told of an empty account, and a declined
amount must not tell a thief that the card itself is good. What the shop can act on (ask for the PIN, pay out less cash)
comes after what nothing would help against.
"""

from rules.amount import AMOUNT
from rules.amount_limit import AMOUNT_LIMIT
from rules.authentication import AUTHENTICATION
from rules.card_state import CARD_STATE
from rules.cashback import CASHBACK
from rules.count_limit import COUNT_LIMIT
from rules.currency import CURRENCY
from rules.expiry import EXPIRY
from rules.funds import FUNDS
from rules.lists import COUNTRY, ENTRY_MODE, MCC, MERCHANT
from rules.message import MESSAGE
from rules.proofs import PROOFS
from rules.rule import Rule
from rules.switches import CASH, CONTACTLESS, ECOMMERCE, MAGSTRIPE
from rules.tapping import TAPPING
from rules.transaction import TRANSACTION
from rules.transaction_limit import TRANSACTION_LIMIT
from rules.velocity import VELOCITY

ORDER: tuple[Rule, ...] = (
    MESSAGE,
    CARD_STATE,
    EXPIRY,
    TRANSACTION,
    CURRENCY,
    AMOUNT,
    AUTHENTICATION,
    PROOFS,
    MAGSTRIPE,
    CONTACTLESS,
    ECOMMERCE,
    CASH,
    ENTRY_MODE,
    COUNTRY,
    MCC,
    MERCHANT,
    TAPPING,
    CASHBACK,
    TRANSACTION_LIMIT,
    AMOUNT_LIMIT,
    COUNT_LIMIT,
    VELOCITY,
    FUNDS,
)
