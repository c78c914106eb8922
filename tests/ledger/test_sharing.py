"""What a snapshot wrote twice is one object again after it was read, and says what it said."""

import msgspec
import pytest
from ledger_bench import EUR, Bench, particulars, request

from authoriser.ledger.sharing import share
from authoriser.ledger.state import Account

_decoder = msgspec.msgpack.Decoder(Account)


@pytest.fixture
def blob(bench: Bench) -> bytes:
    """An account with two payments and a decline, as its snapshot has it."""
    for number, amount_minor in enumerate((1_000, 2_000, 90_000), start=1):
        said = {"stan": f"{number:06}", "mcc": "5411", "city": "LISBON"}
        assert bench.do(request(amount_minor, **said)).reply is not None
    return msgspec.msgpack.encode(bench.account)


def test_nothing_is_said_otherwise(blob: bytes) -> None:
    """The account is equal to the one that was read, and its snapshot has the same bytes."""
    account = share(_decoder.decode(blob))
    assert account == _decoder.decode(blob)
    assert msgspec.msgpack.encode(account) == blob


def test_a_payment_and_its_answer_have_one_message(blob: bytes) -> None:
    """Read, they are two; put together, one, with one key, one card and one approval code."""
    account = _decoder.decode(blob)
    kept = {answer.hold_id: (key, answer) for key, answer in account.kept.items() if answer.hold_id}
    assert len(kept) == 2
    assert all(p.particulars is not kept[p.hold_id][1].particulars for p in account.payments.values())
    share(account)
    for payment in account.payments.values():
        key, answer = kept[payment.hold_id]
        assert payment.particulars is answer.particulars
        assert payment.key is key
        assert payment.card_id is answer.card_id is account.cards[payment.card_id].card_id
        assert payment.approval_codes[0] is answer.approval_code


def test_what_accounts_have_alike_is_one_text(blob: bytes) -> None:
    """Two accounts read one after the other hold the same currency, shop and town."""
    one, other = share(_decoder.decode(blob)), share(_decoder.decode(blob))
    assert one.currency is other.currency == EUR
    for key, answer in one.kept.items():
        said, again = answer.particulars, other.kept[key].particulars
        assert said == again
        assert (said.mcc is again.mcc, said.city is again.city, said.merchant is again.merchant) == (
            True,
        ) * 3


def test_a_payment_whose_message_is_another_keeps_it(blob: bytes) -> None:
    """What differs is not put together."""
    account = _decoder.decode(blob)
    payment = next(iter(account.payments.values()))
    payment.particulars = particulars(stan="000777")
    share(account)
    assert payment.particulars == particulars(stan="000777")
    assert account.kept[payment.key].particulars != payment.particulars
