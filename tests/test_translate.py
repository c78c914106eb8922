"""From message to command: what is kept of a message, and what is not."""

import pytest

from authoriser.translate import Tokens, Translator
from isowire import DecodeError, Message, load_dialect

PAN = "4000000000001232"
OTHER_PAN = "4000000000004566"


@pytest.fixture
def translator() -> Translator:
    tokens = Tokens(lambda pan: pan[::-1].encode())
    return Translator(link="north", network="north", dialect=load_dialect("iso87-ascii"), tokens=tokens)


def message(**changed: str) -> Message:
    fields = {"2": PAN, "3": "000000", "4": "000000001000", "7": "1123010203", "11": "000001", "49": "978"}
    return Message("0100", fields | {name.removeprefix("f"): value for name, value in changed.items()})


def test_a_number_in_a_shops_name_is_masked(translator: Translator) -> None:
    """Another card's number, however it is grouped, does not go into the journal; a phone number stays."""
    for written in (OTHER_PAN, "4000 0000 0000 4566", "4000.0000.0000.4566"):
        said = translator.authorisation(message(f43=f"{written:<25}{'Porto':<13}PT")).particulars
        assert OTHER_PAN not in "".join(filter(str.isdigit, said.merchant))
        assert (said.city, said.country) == ("Porto", "PT")
    said = translator.authorisation(message(f43=f"{'Taxi 222 555 0199':<25}{'Porto':<13}PT")).particulars
    assert said.merchant == "Taxi 222 555 0199"


@pytest.mark.parametrize("field", ["37", "42", "43"])
def test_the_cards_own_number_elsewhere_is_an_error(translator: Translator, field: str) -> None:
    """The error names the field and not the number."""
    with pytest.raises(DecodeError) as refused:
        translator.authorisation(message(**{f"f{field}": f"  {PAN}"}))
    assert (refused.value.field, PAN in str(refused.value)) == (field, False)


@pytest.mark.parametrize(("said", "meant"), [("978", "978"), ("EUR", "978"), ("ZZZ", "ZZZ")])
def test_currency_letters_are_numbers(translator: Translator, said: str, meant: str) -> None:
    """DE49 may be letters; what is no currency stays as it came, and is nobody's."""
    assert translator.authorisation(message(f49=said)).particulars.currency == meant


def test_a_number_that_fails_luhn_is_nobodys(translator: Translator) -> None:
    """No token, so no card; its key still tells its repeats apart from other numbers'."""
    good = translator.authorisation(message())
    bad = translator.authorisation(message(f2=PAN[:-1] + "3"))
    assert (good.token, bad.token, good.key == bad.key) == (PAN[::-1].encode(), None, False)
