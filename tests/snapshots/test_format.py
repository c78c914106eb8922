"""Snapshots are arrays: what stands at which place must not change under the same FORMAT.

A field at the end, with a default, is read from an older snapshot as that default. Any other change of what an account
or the commons are made of would be misread, so it takes a new FORMAT, and a new row here.
"""

import msgspec
import pytest
from msgspec import Struct
from msgspec.inspect import StructType, multi_type_info

from authoriser.ledger.state import Account, Commons
from authoriser.snapshots.blobs import FORMAT

FIELDS = {
    "Account": (
        "account_id currency credit_line_minor time_zone opened_ms version balance_minor "
        "held_minor cards payments kept tombstones changes cleared next_forget_ms"
    ),
    "AmountGiven": "account kind currency amount_minor",
    "Card": (
        "card_id token key_version last_four expiry expires_ms state funded_minor family "
        "closes_ms controls usage recent contactless_count contactless_minor "
        "replaced_no contactless_from_no spent"
    ),
    "ChangeKept": "what forget_ms",
    "ClearedKept": (
        "kind outcome amount_minor fee_minor difference_minor settlement matched_by forget_ms final "
        "card_id particulars"
    ),
    "ClearingFile": "at_ms rows",
    "Commons": (
        "version epoch ended_clean books unknown_kept unknown_next_forget_ms exceptions "
        "exceptions_total policy_version policy_text proposals changes changes_next_forget_ms "
        "cleared clearing_files"
    ),
    "Controls": (
        "ecommerce contactless cash magstripe mcc_allow mcc_block merchant_allow merchant_block "
        "country_allow country_block limits"
    ),
    "Counted": "local_day classes contactless",
    "ExceptionEntry": (
        "at_ms kind link network mti field detail card_last_four amount_minor about on_account "
        "candidates new_total_minor"
    ),
    "KeptAnswer": (
        "card_id particulars reason response_code approval_code hold_id forget_ms approved_minor "
        "replied_minor amounts fee_minor number sibling part_of"
    ),
    "Limit": "spending window amount_minor count until_ms",
    "Part": "number card_id counted amount_minor",
    "Particulars": (
        "network link mti transmission stan rrn acquirer processing_code amount_minor currency "
        "mcc entry_mode terminal_id merchant_id merchant city country transaction_minor "
        "transaction_currency network_id approval_code condition reference"
    ),
    "Payment": (
        "hold_id card_id key held_minor authorised_minor captured_minor placed_ms expires_ms "
        "forget_ms approval_codes particulars kind online_minor fee_minor transaction_minor ended "
        "counted answer_unknown spoken_no parts"
    ),
    "Proposal": "at_ms method params forget_ms actor uid reason",
    "Spend": "at_ms number amount_minor classes",
    "Tombstone": "card_id network mti stan transmission acquirer rrn forget_ms",
    "Usage": "day day_minor day_count week week_minor week_count month month_minor month_count",
}
"""Of FORMAT 3: the fields of every struct in a snapshot, as they came with it."""


def structs_in(*kinds: type[Struct]) -> dict[str, type[Struct]]:
    """Every struct that stands somewhere in `kinds`, by name."""
    found: dict[str, type[Struct]] = {}
    waiting: list[object] = list(multi_type_info(kinds))
    seen: set[int] = set()
    while waiting:
        kind = waiting.pop()
        if id(kind) in seen:
            continue
        seen.add(id(kind))
        if isinstance(kind, StructType):
            found[kind.cls.__name__] = kind.cls
            waiting += [field.type for field in kind.fields]
        else:
            for name in ("types", "item_types"):
                waiting += getattr(kind, name, ())
            waiting += [
                getattr(kind, name) for name in ("item_type", "key_type", "value_type") if hasattr(kind, name)
            ]
    return found


def test_the_rows_are_of_this_format() -> None:
    """Whoever changes FORMAT writes down what it is made of."""
    assert FORMAT == 4
    assert structs_in(Account, Commons).keys() == FIELDS.keys()


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_where_it_was(name: str) -> None:
    """What was added since stands behind, and has a default."""
    kind = structs_in(Account, Commons)[name]
    before = FIELDS[name].split()
    fields = msgspec.structs.fields(kind)
    assert [field.name for field in fields[: len(before)]] == before
    assert all(not field.required for field in fields[len(before) :])
    assert kind.__struct_config__.array_like
