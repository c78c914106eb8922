"""authoriser.admin.rpc and .protocol: lines, envelopes, and what each method takes."""

import json
from typing import Any

import msgspec
import pytest

from authoriser.admin.protocol import (
    METHODS,
    AccountOpen,
    AccountShow,
    CardFreeze,
    CardRef,
    ImportRow,
    Kind,
    application_error,
    decode_params,
    decode_result,
    make_params,
)
from authoriser.admin.rpc import (
    LineReader,
    LineTooLongError,
    Request,
    RpcError,
    decode_request,
    decode_response,
    encode_error,
    encode_request,
    encode_result,
)
from authoriser.limits import ADMIN_LINE_MAX_BYTES

PAN = "4000000000000002"
ROW = {"line": 2, "pan": PAN, "expiry": "2912", "account": "a", "currency": "EUR", "credit_minor": 0}
SAID: dict[str, Any] = {"key": "k-1", "reason": "lost", "actor": "ann"}


def refusal(method: str, params: object) -> tuple[int, str]:
    with pytest.raises(RpcError) as caught:
        decode_params(method, msgspec.Raw(msgspec.json.encode(params)))
    return caught.value.code, caught.value.message


def test_a_request_goes_round() -> None:
    """What a client encodes is one line that the server decodes to the same request."""
    line = encode_request(7, "account.show", AccountShow("alice"))
    request = decode_request(line[:-1])
    expected = (b"\n", 1, Request(7, "account.show", msgspec.Raw(b'{"account":"alice"}')))
    assert expected == (line[-1:], line.count(b"\n"), request)


def test_a_result_goes_round() -> None:
    """The client gets the struct that the server answered with."""
    line = encode_result(7, {"imported": 2, "present": 1})
    response = decode_response(line[:-1])
    assert (7, METHODS["import.apply"].result(imported=2, present=1), None) == (  # type: ignore[call-arg]
        response.id,
        decode_result("import.apply", response.result),
        response.error,
    )


@pytest.mark.parametrize("kind", ["not_found", "ambiguous", "conflict", "not_admitted", "forbidden"])
def test_an_application_error_on_the_wire(kind: Kind) -> None:
    """Code -32000, the plain message, and the kind under data."""
    expected = {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {"code": -32000, "message": "no such card", "data": {"kind": kind}},
    }
    assert expected == json.loads(encode_error(application_error(kind, "no such card"), "a"))


@pytest.mark.parametrize(
    ("payload", "code", "request_id", "message"),
    [
        (b"{", -32700, None, "the line is not JSON; send one JSON-RPC 2.0 request object a line"),
        (b"\xff", -32700, None, "the line is not JSON; send one JSON-RPC 2.0 request object a line"),
        (b"[" * 200_000, -32600, None, "send one request object a line; batches are not served"),
        (b'{"params":' + b"[" * 200_000, -32700, None,
         "the line is not JSON; send one JSON-RPC 2.0 request object a line"),
        (b'[{"jsonrpc":"2.0"}]', -32600, None, "send one request object a line; batches are not served"),
        (b'{"jsonrpc":"2.0","method":"status"}', -32600, None,
         "id is missing; every request is answered, so each needs an id (a number or text)"),
        (b'{"jsonrpc":"1.0","id":4,"method":"status"}', -32600, 4, 'jsonrpc should be "2.0"'),
        (b'{"jsonrpc":"2.0","id":5}', -32600, 5,
         ('should be {"jsonrpc": "2.0", "id": ..., "method": "...", "params": {...}}: Object missing required field '
         "`method`")),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"status"}', -32600, None,
         ('should be {"jsonrpc": "2.0", "id": ..., "method": "...", "params": {...}}: Expected `int | str`, got '
         "`float` - at `$.id`")),
    ],
)  # fmt: skip
def test_wrong_envelopes(payload: bytes, code: int, request_id: int | None, message: str) -> None:
    """Each has its JSON-RPC code, the id where it could be read, and words for what would be right."""
    with pytest.raises(RpcError) as caught:
        decode_request(payload)
    expected = (code, request_id, message)
    assert expected == (caught.value.code, caught.value.request_id, caught.value.message)


@pytest.mark.parametrize(
    "pieces", [[b"a\nbb\n\nc\n"], [b"a", b"\nb", b"b\n", b"\n", b"c\n"], [b"a\nbb\n", b"", b"c\n"]]
)
def test_lines_come_whole_however_they_arrive(pieces: list[bytes]) -> None:
    """Segments don't matter and blank lines don't count."""
    reader = LineReader()
    assert [line for piece in pieces for line in reader.feed(piece)] == [b"a", b"bb", b"c"]


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    """The limit holds for a line that is whole and for one without an end."""
    assert LineReader(10).feed(b"x" * 10 + b"\n") == [b"x" * 10]
    for data in (b"x" * 11, b"x" * 11 + b"\n", b"a\n" + b"x" * 11):
        with pytest.raises(LineTooLongError):
            LineReader(10).feed(data)


def test_an_answer_over_the_limit_is_not_sent() -> None:
    """Better an error here than a client that loses its place."""
    with pytest.raises(LineTooLongError):
        encode_result(1, "x" * ADMIN_LINE_MAX_BYTES)


def test_an_unknown_method() -> None:
    """The answer lists those that exist."""
    assert refusal("card.freze", {}) == (-32601, "no such method; there are: " + ", ".join(METHODS))


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("status", [], "params: Expected `object`, got `array`"),
        ("status", {"verbose": True}, "params: Object contains unknown field `verbose`"),
        ("account.show", {}, "params: Object missing required field `account`"),
        ("account.show", {"account": "a b"}, "params.account should be 1 to 64 letters, digits, '_', '.' or '-'"),
        ("account.show", {"account": "alice\n"}, "params.account should be 1 to 64 letters, digits, '_', '.' or '-'"),
        ("account.credit", {"account": "a", "amount_minor": 0, **SAID},
         "params.amount_minor should be a whole number of minor units, 1 to 999999999999"),
        ("account.credit", {"account": "a", "amount_minor": 10**12, **SAID},
         "params.amount_minor should be a whole number of minor units, 1 to 999999999999"),
        ("account.credit", {"account": "a", "amount_minor": 1.5, **SAID},
         "params.amount_minor should be a whole number of minor units, 1 to 999999999999"),
        ("account.open", {"account": "a", "currency": "eur", **SAID},
         'params.currency should be an ISO 4217 currency, as "EUR" or "978"'),
        ("card.show", {"card": {}}, "params.card: card should have exactly one of id, last_four and pan"),
        ("card.show", {"card": {"last_four": "0002", "pan": PAN}},
         "params.card: card should have exactly one of id, last_four and pan"),
        ("card.show", {"card": {"pan": "4000 0000"}}, "params.card.pan should be 12 to 19 digits"),
        ("card.show", {"card": {"id": PAN}}, 'params.card.id should be a card id, as "card_..."'),
        ("card.issue", {"account": "a", "pan": PAN, "expiry": "2913", **SAID},
         "params.expiry should be YYMM, with a month of 01 to 12"),
        ("card.issue", {"account": f"x{PAN}", "pan": PAN, "expiry": "2912", **SAID},
         "params: account must not hold a card number; account ids are shown in logs and events"),
        ("card.freeze", {"card": {"last_four": "0002"}, **SAID, "key": "x" * 65},
         "params.key should be 1 to 64 visible ASCII characters, made by the client and kept for its retries"),
        ("card.freeze", {"card": {"last_four": "0002"}, **SAID, "reason": " "},
         "params: reason is blank; say why, for those who read the journal"),
        ("card.freeze", {"card": {"last_four": "0002"}, **SAID, "reason": "a\nb"},
         "params.reason should be 1 to 500 characters without control characters"),
        ("card.freeze", {"card": {"last_four": "0002"}, **SAID, "reason": f"lost {PAN}"},
         "params: reason and actor go into the journal and must hold no card number; use the last four digits"),
        ("card.issue", {"account": "a", "pan": PAN, "expiry": "2912", **SAID, "key": "4000-0000-0000-0003"},
         "params: key goes into the journal and may be taken for a card number; put a letter in it"),
        ("exceptions.list", {"limit": 0}, "params.limit should be a whole number from 1 to 1000"),
        ("import.check", {"rows": [ROW] * 1001}, "params.rows should be a list of at most 1000 rows"),
        ("card.show", {"card": {PAN: 1}}, "params.card: Object contains unknown field `[digits]`"),
        ("card.show", {"card": {"last_four": "0002"}, "actor": PAN},
         "params: reason and actor go into the journal and must hold no card number; use the last four digits"),
        ("account.adjust", {"account": "a", "amount_minor": 0, **SAID},
         "params: amount_minor is 0, which adjusts nothing"),
        ("account.adjust", {"account": "a", "amount_minor": 10**12, **SAID},
         "params.amount_minor should be a whole number of minor units, -999999999999 to 999999999999 and not 0"),
        ("hold.release", {"account": "a", "hold": 4711, **SAID},
         "params.hold should be the number of a hold, as text"),
        ("card.replace", {"card": {"last_four": "0002"}, "pan": PAN, "expiry": "2912", "overlap_days": 367, **SAID},
         "params.overlap_days should be a whole number of days, 0 to 366"),
        ("card.controls.set", {"card": {"last_four": "0002"}, "limits": [{"window": "year"}], **SAID},
         "params.limits[0].window should be one of transaction, day, week, month"),
        ("card.controls.set", {"card": {"last_four": "0002"}, "limits": [{"window": "day", "amount_minor": -1}],
          **SAID},
         "params.limits[0].amount_minor should be a whole number of minor units, 0 to 999999999999"),
        ("card.controls.set", {"card": {"last_four": "0002"}, "country_block": ["PT", "es"], **SAID},
         'params.country_block[1] should be a country of two letters (ISO 3166), as "PT"'),
        ("card.controls.set", {"card": {"last_four": "0002"}, "cash": "off", **SAID},
         "params.cash: Expected `bool | null`, got `str`"),
        ("policy.load", {"text": "x" * 262_145, **SAID},
         "params.text should be a policy's TOML of at most 262144 characters"),
        ("proposals.confirm", {"proposal": "prop_1", **SAID},
         'params.proposal should be a proposal, as "prop_..."'),
        ("exceptions.settle", {"exception": "e 1", **SAID},
         "params.exception should be the id of an entry of the exception list"),
    ],
)  # fmt: skip
def test_wrong_params(method: str, params: object, message: str) -> None:
    """-32602 with the place and what would be right; a card number is in none of the messages."""
    assert refusal(method, params) == (-32602, message)


def test_right_params() -> None:
    """Optional values have their defaults."""
    raw = msgspec.Raw(msgspec.json.encode({"account": "a", "currency": "EUR", **SAID}))
    expected = AccountOpen(account="a", currency="EUR", credit_line_minor=0, time_zone=None, **SAID)
    assert expected == decode_params("account.open", raw)


def test_a_client_checks_as_the_server_does() -> None:
    """The same words come before anything is sent."""
    with pytest.raises(RpcError) as caught:
        make_params("account.show", {"account": ""})
    assert caught.value.message == "params.account should be 1 to 64 letters, digits, '_', '.' or '-'"


@pytest.mark.parametrize(
    "struct",
    [CardFreeze(card=CardRef(pan=PAN), **SAID), ImportRow(2, PAN, "2912", "a", "EUR", 0)],
)
def test_no_repr_shows_a_card_number(struct: msgspec.Struct) -> None:
    """A log, a traceback or a failed assertion shows the last four digits."""
    text = repr(struct)
    assert [PAN in text, "pan='************0002'" in text] == [False, True]
