"""The life of a payment on the wire: what each kind of message is answered with, and what it does to the account.

The ledger's own tests hold what is decided; here it is that the words of the wire reach it, and its answer the wire.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authoriser.authentication import FixedChecks
from isowire import Message
from rules import Check, Checks, Entry, Transaction
from simulator.checks import answer_of, check_reply
from simulator.shop import Kind, Mix, Shop
from simulator.testing import CARD, MOMENT

if TYPE_CHECKING:
    from tests.server.conftest import Messages, Running

    Start = Callable[..., Awaitable[Running]]

OPENING_MINOR = 1_000_000
NEXT = {"11": "000200", "37": "632610000200", "7": "1122103200"}
"""Another message of the same payment: its own STAN, RRN and moment."""


async def money(running: "Running") -> tuple[int, int]:
    """What the account has lost of its opening credit, and what is held."""
    account = await running.account()
    return OPENING_MINOR - account.balance_minor, account.held_minor


async def test_an_advice_holds_what_a_stand_in_approved(running: "Running", messages: "Messages") -> None:
    """0130, 00, without DE38; its repeat gets the same and holds no more."""
    peer = await running.connect()
    advice = messages.purchase({"t": "0120", "38": "STAND1", "39": "00"})
    for sent in (advice, advice | {"t": "0121"}):
        assert await peer.ask(sent) == messages.answer(advice, "00")
    assert await money(running) == (0, 1999)


async def test_an_advice_that_declined_holds_nothing(running: "Running", messages: "Messages") -> None:
    """And lets go of what we approved ourselves."""
    peer = await running.connect()
    request = messages.purchase()
    assert (await peer.ask(request) or {})["39"] == "00"
    assert await money(running) == (0, 1999)
    advice = request | {"t": "0120", "39": "05"}
    assert await peer.ask(advice) == messages.answer(advice, "00")
    assert await money(running) == (0, 0)


async def test_an_advice_goes_beyond_the_funds(running: "Running", messages: "Messages") -> None:
    """It tells what has happened."""
    peer = await running.connect()
    advice = messages.purchase({"t": "0120", "4": f"{2 * OPENING_MINOR:012}", "39": "10"})
    assert await peer.ask(advice) == messages.answer(advice, "00")
    assert await money(running) == (0, 2 * OPENING_MINOR)


async def test_a_completion_posts_what_was_held(running: "Running", messages: "Messages") -> None:
    """Found by its DE38: 0230, 00; the rest of the hold is let go."""
    peer = await running.connect()
    request = messages.purchase()
    approved = await peer.ask(request) or {}
    completion = messages.purchase({"t": "0220", "4": "000000001500", "38": approved["38"], **NEXT})
    for sent in (completion, completion | {"t": "0221"}):
        assert await peer.ask(sent) == messages.answer(completion, "00")
    assert await money(running) == (1500, 0)


async def test_a_capture_that_is_not_the_last_keeps_the_rest(
    running: "Running", messages: "Messages"
) -> None:
    """Found by the network's name of the payment; one of two leaves what the second may want."""
    peer = await running.connect()
    await peer.ask(messages.purchase({"63": "0104NET1"}))
    first = messages.purchase({"t": "0220", "4": "000000000500", "63": "0104NET105040102", **NEXT})
    assert await peer.ask(first) == messages.answer(first, "00")
    assert await money(running) == (500, 1499)
    last = first | {"11": "000201", "4": "000000000700", "63": "0104NET105040202"}
    assert await peer.ask(last) == messages.answer(last, "00")
    assert await money(running) == (1200, 0)


async def test_a_single_message_posts_at_once(running: "Running", messages: "Messages") -> None:
    """0210 with 00 and DE38; the shop's fee is posted too."""
    peer = await running.connect()
    request = messages.purchase({"t": "0200", "28": "D00000050"})
    reply = await peer.ask(request) or {}
    assert reply == messages.answer(request, "00", approval=reply["38"])
    assert await peer.ask(request | {"t": "0201"}) == reply
    assert await money(running) == (2049, 0)


@pytest.mark.parametrize(("mti", "de3"), [("0100", "310000"), ("0200", "301000")])
async def test_a_balance_inquiry(running: "Running", messages: "Messages", mti: str, de3: str) -> None:
    """Ledger and available balance in DE54, under the account type that was asked for; no DE38."""
    peer = await running.connect()
    await peer.ask(messages.purchase())
    inquiry = messages.purchase({"t": mti, "3": de3, "4": "000000000000", **NEXT})
    account = de3[2:4]
    balances = f"{account}01978C000001000000{account}02978C000000998001"
    assert await peer.ask(inquiry) == messages.answer(inquiry, "00") | {"54": balances}
    assert await money(running) == (0, 1999)


async def test_a_part_is_approved_where_the_shop_can_take_it(
    running: "Running", messages: "Messages"
) -> None:
    """DE4 is the part, DE54 what was asked for; without the flag it is 51."""
    peer = await running.connect()
    request = messages.purchase({"4": f"{OPENING_MINOR + 1:012}"})
    assert await peer.ask(request) == messages.answer(request, "51")
    request = messages.purchase({"4": f"{OPENING_MINOR + 1:012}", "63": "04011", **NEXT})
    reply = await peer.ask(request) or {}
    expected = messages.answer(request, "10", approval=reply["38"])
    assert reply == expected | {"4": f"{OPENING_MINOR:012}", "54": f"0057978C{OPENING_MINOR + 1:012}"}
    assert await money(running) == (0, OPENING_MINOR)


async def test_a_refund_is_authorised_and_adds_nothing_yet(running: "Running", messages: "Messages") -> None:
    """By 0100; by 0200 it is posted at once."""
    peer = await running.connect()
    refund = messages.purchase({"3": "200000"})
    reply = await peer.ask(refund) or {}
    assert reply == messages.answer(refund, "00", approval=reply["38"])
    assert await money(running) == (0, 0)
    posted = refund | {"t": "0200", **NEXT}
    reply = await peer.ask(posted) or {}
    assert reply == messages.answer(posted, "00", approval=reply["38"])
    assert await money(running) == (-1999, 0)


async def test_an_increment_adds_to_its_payment(running: "Running", messages: "Messages") -> None:
    """One hold of both amounts, under a DE38 of its own; one completion by the first DE38 ends it."""
    peer = await running.connect()
    first = await peer.ask(messages.purchase({"63": "0104NET1"})) or {}
    increment = messages.purchase({"4": "000000001000", "63": "0104NET10301I", **NEXT})
    reply = await peer.ask(increment) or {}
    assert reply == messages.answer(increment, "00", approval=reply["38"])
    assert reply["38"] != first["38"]
    assert await money(running) == (0, 2999)
    completion = messages.purchase({"t": "0220", "4": "000000002500", "38": first["38"], "11": "000300"})
    await peer.ask(completion)
    assert await money(running) == (2500, 0)


async def test_cash_back_within_a_purchase(running: "Running", messages: "Messages") -> None:
    """The whole amount is held; the cash part comes in DE54, and none goes back."""
    peer = await running.connect()
    request = messages.purchase({"3": "090000", "54": "0040978D000000001000"})
    reply = await peer.ask(request) or {}
    assert reply == messages.answer(request, "00", approval=reply["38"])
    assert await money(running) == (0, 1999)


async def test_the_cardholders_amount_is_what_is_held(running: "Running", messages: "Messages") -> None:
    """DE6 and DE51, whatever the shop's currency; the shop's amount is echoed."""
    peer = await running.connect()
    request = messages.purchase({"49": "840", "6": "000000001833", "51": "978", "8": "00000017"})
    reply = await peer.ask(request) or {}
    assert reply == messages.answer(request, "00", approval=reply["38"])
    assert await money(running) == (0, 1850)


@pytest.mark.parametrize(
    ("de63", "code"), [("0601F", "55"), ("0601X", "75"), ("0701F", "82"), ("0801F", "82"), ("0601P", "00")]
)
async def test_what_the_network_checked_decides(
    running: "Running", messages: "Messages", de63: str, code: str
) -> None:
    """The PIN wrong, tried too often; the code or the cryptogram wrong; the PIN right."""
    peer = await running.connect()
    reply = await peer.ask(messages.purchase({"52": "0123456789ABCDEF", "63": de63})) or {}
    assert (reply["39"], "52" in reply, "63" in reply) == (code, False, False)


@pytest.mark.parametrize("mti", ["0100", "0200"])
async def test_nothing_secret_comes_back(running: "Running", messages: "Messages", mti: str) -> None:
    """Expiry, tracks, PIN, chip data, network data: whatever came, the answer is the usual echo."""
    peer = await running.connect()
    request = messages.purchase(
        {
            "t": mti,
            "35": "4000000000001232=49122010000012345678",
            "45": "B4000000000001232^DOE/JANE^49122010000000000",
            "52": "0123456789ABCDEF",
            "55": "9F2608A1B2C3D4E5F60708",
            "63": "0104NET1",
        }
    )
    reply = await peer.ask(request) or {}
    assert reply == messages.answer(request, "00", approval=reply["38"])


class _Broken:
    """An authenticator whose device is gone."""

    def check(self, message: Message, transaction: Transaction, entry: Entry) -> Checks:
        raise ConnectionError("the device does not answer")


@pytest.mark.parametrize("authenticator", [_Broken()])
async def test_an_authenticator_that_fails_fails_one_request(
    running: "Running", messages: "Messages", authenticator: _Broken
) -> None:
    """96, and nothing is decided: asked again it fails again. Advices need no proof and go on."""
    peer = await running.connect()
    request = messages.purchase()
    for sent in (request, request | {"t": "0101"}):
        assert await peer.ask(sent) == messages.answer(request, "96")
    advice = messages.purchase({"t": "0120", "39": "00"})
    assert await peer.ask(advice) == messages.answer(advice, "00")
    assert await money(running) == (0, 1999)
    assert running.counts()["system_error"] == 2
    assert [line["event"] for line in running.logs if line["log_level"] == "error"] == ["decision failed"] * 2


@pytest.mark.parametrize("authenticator", [FixedChecks(Checks(arqc=Check.FAILED, pin=Check.PASSED))])
async def test_what_the_authenticator_found_decides(
    running: "Running", messages: "Messages", authenticator: FixedChecks
) -> None:
    """A wrong cryptogram; unless the network says that it was right, and the PIN wrong."""
    peer = await running.connect()
    request = messages.purchase()
    assert await peer.ask(request) == messages.answer(request, "82")
    request = messages.purchase({"63": "0601F0801P", **NEXT})
    assert await peer.ask(request) == messages.answer(request, "55")
    assert authenticator.asked == 2


@pytest.mark.parametrize(
    ("profile", "code", "refund_code"),
    [("", "82", "63"), ("visa-like", "N7", "59"), ("mastercard-like", "63", "63")],
)
async def test_de39_goes_by_the_links_profile(
    start: "Start", messages: "Messages", profile: str, code: str, refund_code: str
) -> None:
    """A wrong security code in each network's words; a refund's decline in one of those that it may have."""
    running = await start(**({"profile": profile} if profile else {}))
    await running.issue_card()
    peer = await running.connect()
    request = messages.purchase({"63": "0701F"})
    assert await peer.ask(request) == messages.answer(request, code)
    refund = messages.purchase({"3": "200000", "63": "0901F", **NEXT})
    assert await peer.ask(refund) == messages.answer(refund, refund_code)


async def test_everything_that_shops_do_is_answered_right(running: "Running", messages: "Messages") -> None:
    """Three hundred messages of every kind that the simulator draws, each held against what a network demands."""
    card = replace(CARD, pan=messages.pan, expiry="4912")
    mix = Mix(
        verification=8,
        repeat=10,
        reversal=8,
        reversal_advice=8,
        increment=8,
        completion=8,
        advice=8,
        refund=8,
        inquiry=8,
    )
    shop = Shop([card], mix, seed=5)
    peer = await running.connect()
    kinds = set()
    for _ in range(300):
        planned = shop.next(MOMENT)
        reply = await peer.ask(planned.fields) or {}
        assert check_reply(planned.fields, reply, planned.earlier) == []
        shop.learn(planned, answer_of(reply))
        kinds.add(planned.kind)
    assert kinds == set(Kind)
    assert running.counts()["format_errors"] == 0
