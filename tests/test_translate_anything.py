"""Whatever a codec lets through, translating gives a command or a DecodeError that names a field of the message.

Messages are drawn by `fuzz.messages`, which fills fields with anything that their class allows, so that DE54, 63, 90
and 95 are hardly ever of their form, and by hand where they should be near it.
"""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authoriser.ledger.commands import Advice, AuthorisationRequest, ReversalRequest
from authoriser.translate import Tokens, Translator
from fuzz.messages import value
from isowire import DecodeError, Dialect, Message, load_dialect

PAN = "4000000000001232"
NEAR = {
    "3": st.sampled_from(["000000", "010000", "090000", "200000", "310000", "990000"]),
    "7": st.sampled_from(["1123010203", "0229000000", "1322103045"]),
    "28": st.sampled_from(["D00000000", "C99999999", "D99999999"]),
    "39": st.sampled_from(["00", "05", "ZZ"]),
    "49": st.sampled_from(["978", "EUR", "352", "000", "ZZZ"]),
    "51": st.sampled_from(["978", "ISK", "XXX"]),
    "54": st.lists(
        st.tuples(
            st.sampled_from(["0040", "4002"]), st.sampled_from(["978", "EUR"]), st.integers(0, 10**12 - 1)
        ),
        max_size=3,
    ).map(lambda each: "".join(f"{kind}{currency}D{minor:012}" for kind, currency, minor in each)),
    "63": st.lists(st.tuples(st.integers(0, 12), st.text("0123456789 IPFX~", max_size=40)), max_size=4).map(
        lambda each: "".join(f"{tag:02}{len(text):02}{text}" for tag, text in each)
    ),
    "90": st.from_regex(r"\A0[124]0[01][0-9]{38}\Z"),
}
"""Values that are of their form, or just beside it."""


@pytest.fixture(name="dialect", scope="module")
def _dialect(tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    file: Path = tmp_path_factory.mktemp("dialect") / "north.toml"
    exponents = "[currency_exponents]\nISK = 2\nEUR = 1\n"
    file.write_text(f'extends = "iso87-ascii"\nname = "north"\n{exponents}', encoding="utf-8")
    return load_dialect(file)


@pytest.fixture(name="translator", scope="module")
def _translator(dialect: Dialect) -> Translator:
    return Translator(link="l", network="n", dialect=dialect, tokens=Tokens(str.encode))


@settings(max_examples=400)
@given(
    mti=st.sampled_from(["0100", "0101", "0120", "0121", "0200", "0220", "0400", "0421"]),
    near=st.fixed_dictionaries({}, optional=NEAR),
    others=st.sets(st.integers(2, 128).filter(lambda number: number != 65), max_size=12),
    rng=st.randoms(use_true_random=False),
)
def test_a_command_or_the_field_that_is_wrong(
    mti: str, near: dict[str, str], others: set[int], rng: Random, dialect: Dialect, translator: Translator
) -> None:
    """Never another exception, never a number in its text, and amounts that are whole and not below zero."""
    fields = {"2": PAN, "3": "000000", "4": "000000001000", "11": "000001", "7": "1123010203", "49": "978"}
    fields |= {str(number): value(rng, dialect, str(number)) for number in others} | near | {"2": PAN}
    message = Message(mti, fields)
    make = {
        "01": translator.authorisation if mti[2] == "0" else translator.advice,
        "02": translator.authorisation if mti[2] == "0" else translator.advice,
        "04": translator.reversal,
    }[mti[:2]]
    refused: DecodeError | None = None
    try:
        command = make(message)
    except DecodeError as error:
        refused = error
    if refused is not None:
        assert refused.field in fields
        assert PAN not in str(refused)
        return
    assert isinstance(command, AuthorisationRequest | Advice | ReversalRequest)
    said = command.particulars
    assert min(said.amount_minor, said.transaction_minor) >= 0
    assert len(said.network_id) <= 32
    assert PAN not in said.network_id
