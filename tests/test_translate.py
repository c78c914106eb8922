"""From message to command: what is kept of a message, and what is not."""

from pathlib import Path

import pytest

from authoriser.authentication import Authenticator, FixedChecks
from authoriser.ledger.commands import Advice, OriginalReference
from authoriser.ledger.records import Particulars
from authoriser.translate import Tokens, Translator
from isowire import DecodeError, Dialect, DialectError, Message, load_dialect
from rules import Check, Checks, Entry, Transaction

PAN = "4000000000001232"
OTHER_PAN = "4000000000004566"


@pytest.fixture
def translator() -> Translator:
    return translator_of()


def translator_of(dialect: Dialect | None = None, authenticator: Authenticator | None = None) -> Translator:
    return Translator(
        link="north",
        network="north",
        dialect=dialect or load_dialect("iso87-ascii"),
        tokens=Tokens(lambda pan: pan[::-1].encode()),
        authenticator=authenticator,
    )


def message(mti: str = "0100", **changed: str) -> Message:
    fields = {"2": PAN, "3": "000000", "4": "000000001000", "7": "1123010203", "11": "000001", "49": "978"}
    return Message(mti, fields | {name.removeprefix("f"): value for name, value in changed.items()})


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


# ---- what a request is


@pytest.mark.parametrize(
    ("de3", "de4", "transaction"),
    [
        ("000000", "000000001000", Transaction.PURCHASE),
        ("000000", "000000000000", Transaction.VERIFICATION),
        ("010000", "000000001000", Transaction.CASH),
        ("170000", "000000001000", Transaction.CASH),
        ("200000", "000000001000", Transaction.REFUND),
        ("300000", "000000000000", Transaction.INQUIRY),
        ("311000", "000000000000", Transaction.INQUIRY),
        ("400000", "000000001000", Transaction.UNSUPPORTED),
    ],
)
@pytest.mark.parametrize("mti", ["0100", "0101", "0200", "0201"])
def test_a_request_by_its_processing_code(
    translator: Translator, mti: str, de3: str, de4: str, transaction: Transaction
) -> None:
    """The same for both requests and their repeats, and the key is the first one's."""
    made = translator.authorisation(message(mti, f3=de3, f4=de4))
    assert (made.transaction, made.account_type) == (transaction, de3[2:4])
    assert made.particulars.mti == mti[:3] + "0"
    assert made.key == f"north|{PAN[:-9:-1].encode().hex()}|{mti[:3]}0|1123010203|000001||"


def test_network_data_becomes_the_commands_words(translator: Translator) -> None:
    """Its name of the payment, a lifetime of 3 days, an increment and its original, partial approval, results."""
    made = translator.authorisation(
        message(
            f52="0" * 16,
            f63="0104NET10202720301I040110601X0801F",
            f90="0100" + "000009" + "1122010203" + "0" * 22,
        )
    )
    assert (made.particulars.network_id, made.hold_lifetime_ms) == ("NET1", 72 * 3_600_000)
    assert (made.increment, made.partial_allowed) == (True, True)
    assert made.original == OriginalReference("0100", "000009", "1122010203", "")
    assert made.checks == Checks(pin=Check.TRIES_EXCEEDED, arqc=Check.FAILED)


def test_a_purchase_that_is_no_increment_names_no_original(translator: Translator) -> None:
    """Whatever stands in its DE90."""
    made = translator.authorisation(message(f90="0100" + "000009" + "1122010203" + "0" * 22))
    assert (made.increment, made.original) == (False, OriginalReference())


@pytest.mark.parametrize(
    ("de22", "entry"), [("051", Entry.CHIP), ("072", Entry.CONTACTLESS), ("", Entry.UNKNOWN)]
)
def test_how_the_number_was_taken(translator: Translator, de22: str, entry: Entry) -> None:
    """By the dialect's table."""
    made = translator.authorisation(message(**({"f22": de22} if de22 else {})))
    assert made.entry is entry


@pytest.mark.parametrize(
    ("de22", "entry"),
    [("010", Entry.ECOMMERCE), ("000", Entry.ECOMMERCE), ("102", Entry.STORED), ("051", Entry.CHIP)],
)
def test_a_sale_over_the_net_is_one(translator: Translator, de22: str, entry: Entry) -> None:
    """Where DE22 has no better word for it."""
    assert translator.authorisation(message(f22=de22, f25="59")).entry is entry


def test_an_authenticator_is_asked_and_the_network_knows_better() -> None:
    """Result by result."""
    fake = FixedChecks(Checks(pin=Check.PASSED, cvv=Check.PASSED, arqc=Check.PASSED))
    made = translator_of(authenticator=fake).authorisation(message(f63="0601F0901N"))
    assert made.checks == Checks(Check.FAILED, Check.PASSED, Check.PASSED, Check.NOT_CHECKED)
    assert fake.asked == 1


# ---- amounts


def test_the_cardholders_amount_goes_before_the_shops(translator: Translator) -> None:
    """DE6 and DE51, with DE8 as the fee; DE28 is the shop's affair."""
    made = translator.authorisation(
        message(f4="000000012000", f49="840", f6="000000011000", f51="978", f8="00000150", f28="D00000001")
    )
    said = made.particulars
    assert (said.amount_minor, said.currency) == (11_000, "978")
    assert (said.transaction_minor, said.transaction_currency, made.fee_minor) == (12_000, "840", 150)


def test_half_of_the_cardholders_amount_is_none(translator: Translator) -> None:
    """DE6 without DE51 says nothing, and an amount that says the same as the shop's is not another."""
    said = translator.authorisation(message(f6="000000000007")).particulars
    assert (said.amount_minor, said.currency, said.transaction_minor) == (1_000, "978", 0)
    said = translator.authorisation(message(f6="000000001000", f51="EUR")).particulars
    assert (said.amount_minor, said.currency, said.transaction_currency) == (1_000, "978", "")


def test_an_amount_of_which_the_cardholder_pays_nothing_is_no_verification(translator: Translator) -> None:
    """It asks for money all the same."""
    made = translator.authorisation(message(f6="000000000000", f51="840"))
    assert made.transaction is Transaction.PURCHASE


@pytest.mark.parametrize(("de28", "fee_minor"), [("D00000100", 100), ("C00000100", -100)])
def test_a_fee_of_the_shop(translator: Translator, de28: str, fee_minor: int) -> None:
    """A debit adds."""
    assert translator.authorisation(message(f28=de28)).fee_minor == fee_minor


def test_the_cash_part(translator: Translator) -> None:
    """Type 40 of DE54, its sign of no account, other types none of it."""
    made = translator.authorisation(message(f3="090000", f54="0040978D0000000004000001978C000000009999"))
    assert (made.transaction, made.cashback_minor) == (Transaction.CASHBACK, 400)
    assert translator.authorisation(message(f3="090000")).cashback_minor == 0


def test_the_cash_part_in_the_cardholders_currency(translator: Translator) -> None:
    """In proportion, rounded up: a limit on cash is not to be got under by a fraction."""
    made = translator.authorisation(
        message(
            f3="090000",
            f4="000000003000",
            f49="840",
            f6="000000001000",
            f51="978",
            f54="0040840D000000001000",
        )
    )
    assert made.cashback_minor == 334


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"f3": "090000", "f54": "0040978D00000000040"}, "54"),
        ({"f3": "090000", "f54": "0040978X000000000400"}, "54"),
        ({"f3": "090000", "f54": "0040840D000000000400"}, "54"),
        ({"f28": "X00000100"}, "28"),
        ({"f6": "000000011000", "f51": "840", "f8": "1A"}, "8"),
        ({"f6": "00000001100A", "f51": "840"}, "6"),
        ({"f63": "01"}, "63"),
        ({"f63": f"0116{PAN}"}, "63"),
    ],
)
def test_what_a_decision_cant_do_without_is_an_error(
    translator: Translator, changed: dict[str, str], field: str
) -> None:
    """It names the field."""
    with pytest.raises(DecodeError) as refused:
        translator.authorisation(message(**changed))
    assert (refused.value.field, PAN in str(refused.value)) == (field, False)


def test_what_no_decision_needs_is_not_read(translator: Translator) -> None:
    """DE54 of a plain purchase may be anything."""
    assert translator.authorisation(message(f54="x")).cashback_minor == 0


# ---- currencies with other decimals


def krona(folder: Path, exponent: int = 2) -> Dialect:
    file = folder / "north.toml"
    file.write_text(
        f'extends = "iso87-ascii"\nname = "n"\n[currency_exponents]\nISK = {exponent}\nEUR = 1\n',
        encoding="utf-8",
    )
    return load_dialect(file)


@pytest.mark.parametrize("currency", ["352", "ISK"])
def test_amounts_come_down_to_the_standards_decimals(tmp_path: Path, currency: str) -> None:
    """Krónur have none: DE4, the fee, the cash part and DE95 alike."""
    translator = translator_of(krona(tmp_path))
    made = translator.authorisation(
        message(
            f3="090000", f4="000000010000", f49=currency, f28="D00000500", f54=f"0040{currency}D000000002000"
        )
    )
    assert (made.particulars.amount_minor, made.fee_minor, made.cashback_minor) == (100, 5, 20)
    reversal = translator.reversal(
        message("0400", f4="000000010000", f49=currency, f95="000000005000" + "0" * 12 + "D00000000" * 2)
    )
    assert reversal.new_total_minor == 50


def test_amounts_come_up_to_them(tmp_path: Path) -> None:
    """A network with fewer decimals; a part of such an amount could not be written back."""
    translator = translator_of(krona(tmp_path))
    made = translator.authorisation(message(f4="000000000123", f63="04011"))
    assert (made.particulars.amount_minor, made.partial_allowed) == (1230, False)


def test_decimals_that_the_currency_has_not_are_an_error(tmp_path: Path) -> None:
    """Half a króna."""
    with pytest.raises(DecodeError) as refused:
        translator_of(krona(tmp_path)).authorisation(message(f4="000000010050", f49="352"))
    assert str(refused.value) == "DE4: found decimals that the currency hasn't, expected a multiple of 100"


def test_a_currency_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    """Before any message comes."""
    file = tmp_path / "north.toml"
    file.write_text('extends = "iso87-ascii"\nname = "n"\n[currency_exponents]\nQQQ = 2\n', encoding="utf-8")
    with pytest.raises(
        DialectError, match=r"currency_exponents\.QQQ: found 'QQQ', expected a currency of ISO"
    ):
        translator_of(load_dialect(file))


# ---- where, and under which name


@pytest.mark.parametrize(
    ("changed", "country"),
    [
        ({"f43": f"{'SHOP':25}{'PORTO':13}pt"}, "PT"),
        ({"f43": f"{'SHOP':25}{'PRISTINA':13}XK"}, "XK"),
        ({"f43": f"{'SHOP':25}{'PORTO':13}  ", "f19": "620"}, "PT"),
        ({"f43": f"{'SHOP':25}{'PORTO':13}??", "f19": "620"}, "PT"),
        ({"f19": "999"}, ""),
        ({}, ""),
    ],
)
def test_the_shops_country(translator: Translator, changed: dict[str, str], country: str) -> None:
    """DE43's two letters, else the acquirer's number in letters, else nobody says."""
    assert translator.authorisation(message(**changed)).particulars.country == country


# ---- advices and reversals


@pytest.mark.parametrize(
    ("mti", "de39", "approving"),
    [
        ("0120", "00", True),
        ("0121", "10", True),
        ("0120", "05", False),
        ("0120", "", False),
        ("0220", "", True),
        ("0221", "00", True),
        ("0220", "51", False),
    ],
)
def test_an_advice_approves_by_the_dialects_codes(
    translator: Translator, mti: str, de39: str, approving: bool
) -> None:
    """A stand-in's without DE39 says nothing; a completion's tells of what was done."""
    made = translator.advice(message(mti, **({"f39": de39} if de39 else {})))
    assert (made.approving, made.action_code) == (approving, de39)


@pytest.mark.parametrize(("mti", "sibling"), [("0120", "0100"), ("0221", "0200")])
def test_an_advice_knows_the_key_of_its_request(translator: Translator, mti: str, sibling: str) -> None:
    """The very key that the request would have had."""
    made = translator.advice(message(mti, f39="00"))
    assert made.sibling_key == translator.authorisation(message(sibling)).key
    assert made.key != made.sibling_key


def test_an_advice_is_this_whole_command(translator: Translator) -> None:
    """Everything that a completion can say."""
    made = translator.advice(
        message(
            "0220",
            f4="000000011000",
            f22="051",
            f25="06",
            f28="D00000050",
            f32="000400112",
            f37="606822000007",
            f38="A1B2C3",
            f39="00",
            f63="0104NET102022405040103",
            f90="0100" + "000007" + "1122010203" + "00000400112" + "0" * 11,
        )
    )
    behind = "|1123010203|000001|000400112|606822000007"
    before = f"north|{PAN[:-9:-1].encode().hex()}|"
    assert made == Advice(
        particulars=Particulars(
            network="north",
            link="north",
            mti="0220",
            transmission="1123010203",
            stan="000001",
            rrn="606822000007",
            acquirer="400112",
            processing_code="000000",
            amount_minor=11_000,
            currency="978",
            entry_mode="051",
            network_id="NET1",
            approval_code="A1B2C3",
            condition="06",
        ),
        key=f"{before}0220{behind}",
        sibling_key=f"{before}0200{behind}",
        token=PAN[::-1].encode(),
        last_four="1232",
        transaction=Transaction.PURCHASE,
        approving=True,
        action_code="00",
        entry=Entry.CHIP,
        original=OriginalReference("0100", "000007", "1122010203", "400112"),
        fee_minor=50,
        hold_lifetime_ms=24 * 3_600_000,
        final=False,
    )


def test_a_reversal_keeps_the_networks_name(translator: Translator) -> None:
    """Its original is looked for by it where nothing else names it."""
    assert translator.reversal(message("0400", f63="0104NET1")).particulars.network_id == "NET1"


# ---- what has to be there


def test_a_condition_of_the_dialect_holds(tmp_path: Path) -> None:
    """[conditional] is enforced like [mandatory]; repeats and their first messages alike."""
    file = tmp_path / "north.toml"
    conditions = '[conditional]\n"0100" = [{ field = 55, when = 22, starts = ["05"] }]\n'
    file.write_text(f'extends = "iso87-ascii"\nname = "n"\n{conditions}', encoding="utf-8")
    translator = translator_of(load_dialect(file))
    for mti in ("0100", "0101"):
        with pytest.raises(DecodeError) as refused:
            translator.authorisation(message(mti, f22="051"))
        assert str(refused.value) == f"DE55: found nothing, expected DE55 in a {mti}"
    assert (
        translator.authorisation(message(f22="051", f55="9F2608" + "0" * 16)).checks.arqc is Check.NOT_CHECKED
    )
    assert translator.authorisation(message(f22="901")).entry is Entry.MAGSTRIPE


def test_what_no_command_can_be_without_is_asked_for_whatever_the_dialect_says(tmp_path: Path) -> None:
    """A file that calls nothing mandatory does not make requests without an amount."""
    file = tmp_path / "north.toml"
    file.write_text('extends = "iso87-ascii"\nname = "n"\n[mandatory]\n"0100" = []\n', encoding="utf-8")
    bare = message()
    del bare.fields["4"]
    with pytest.raises(DecodeError, match=r"^DE4: found nothing, expected DE4 in a 0100$"):
        translator_of(load_dialect(file)).authorisation(bare)
