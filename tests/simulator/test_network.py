"""One connection: replies find their requests, pipelined and out of order; its loss is told to everyone waiting."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from isowire.framing import FRAMINGS
from simulator import messages
from simulator.errors import LineLostError, SimulatorError
from simulator.network import Exchange, Line, dialler, framing_named
from simulator.testing import (
    MOMENT,
    Change,
    Close,
    Delay,
    Fault,
    Instead,
    ScriptedIssuer,
    Silence,
    Twice,
    purchase,
)


@asynccontextmanager
async def a_line(
    faults: Mapping[int, Fault] | None = None, *, framing: str = "bin2", strays: list[str] | None = None
) -> AsyncIterator[tuple[Line, list[str]]]:
    """A line to a scripted issuer, and a list that gets the reason when it is lost."""
    issuer = ScriptedIssuer(faults, framing=FRAMINGS[framing])
    lost: list[str] = []
    async with trio.open_nursery() as nursery:
        stream = await issuer.dial(nursery)()
        line = Line(stream, FRAMINGS[framing], on_stray=(strays if strays is not None else []).append)

        async def run() -> None:
            try:
                await line.run()
            except LineLostError as problem:
                lost.append(str(problem))

        nursery.start_soon(run)
        yield line, lost
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("framing", ["bin2", "ascii4"])
async def test_a_request_gets_its_reply(framing: str) -> None:
    """Under either length header."""
    async with a_line(framing=framing) as (line, _):
        reply = await line.ask(purchase(), patience_s=1)
        assert (reply["t"], reply["11"], reply["39"]) == ("0110", "000007", "00")


async def test_pipelined_replies_may_overtake(autojump_clock: trio.testing.MockClock) -> None:
    """The first is answered a second later than the second; each gets its own."""
    done: list[tuple[str, float]] = []

    def note(exchange: Exchange) -> None:
        assert exchange.reply is not None
        done.append((exchange.reply["37"], exchange.answered_s - exchange.sent_s))

    async with a_line({0: Delay(1.0)}) as (line, _):
        for stan in ("000001", "000002"):
            line.put(Exchange(fields=purchase(stan=stan), due_s=0, on_done=note))
        await trio.sleep(2)
    assert done == [("606822000002", 0.0), ("606822000001", 1.0)]


async def test_a_repeat_in_flight_with_its_request(autojump_clock: trio.testing.MockClock) -> None:
    """Both replies have the same key; each exchange is done once."""
    done: list[str] = []
    async with a_line({0: Delay(1.0), 1: Delay(1.0)}) as (line, _):
        for fields in (purchase(), messages.repeat(purchase())):
            line.put(Exchange(fields=fields, due_s=0, on_done=lambda each: done.append(each.fields["t"])))
        await trio.sleep(2)
        assert line.waiting == []
    assert done == ["0100", "0101"]


async def test_a_reply_with_a_wrong_key_still_answers_its_request() -> None:
    """The STAN leads to it, so that the check can say what is wrong."""
    async with a_line({0: Change("37", "999999999999")}) as (line, _):
        reply = await line.ask(purchase(), patience_s=1)
        assert reply["37"] == "999999999999"


async def test_replies_to_nothing_are_told(autojump_clock: trio.testing.MockClock) -> None:
    """A second copy, another STAN, and what is no message at all; the line goes on."""
    strays: list[str] = []
    garbage = FRAMINGS["bin2"].wrap(b"hello")
    async with a_line({0: Twice(), 1: Change("11", "999999"), 2: Instead(garbage)}, strays=strays) as (
        line,
        _,
    ):
        await line.ask(purchase(stan="000001"), patience_s=1)
        for stan in ("000002", "000003"):
            with pytest.raises(SimulatorError, match="no answer to 0100"):
                await line.ask(purchase(stan=stan), patience_s=1)
        reply = await line.ask(purchase(stan="000004"), patience_s=1)
        assert reply["11"] == "000004"
    assert strays == [
        "a reply to nothing that was asked: 0110 STAN 000001",
        "a reply to nothing that was asked: 0110 STAN 999999",
        "a reply of 5 bytes: pyiso8583 cannot decode it: Field data is 1 bytes, field p at byte 4",
    ]


async def test_silence_ends_in_words(autojump_clock: trio.testing.MockClock) -> None:
    """`ask` gives up after its patience and forgets the request."""
    async with a_line({0: Silence()}) as (line, _):
        with pytest.raises(SimulatorError) as caught:
            await line.ask(purchase(), patience_s=3)
        assert str(caught.value) == "no answer to 0100 STAN 000007 within 3 s"
        assert line.waiting == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Close(), "the issuer closed the connection"),
        (
            Instead(b"HTTP/1.1 400 Bad Request"),
            (
                "the issuer does not speak bin2 here: framing lost (over_maximum): "
                "found a length of 18516 bytes, expected at most 4096 bytes"
            ),
        ),
    ],
)
async def test_the_loss_of_a_line_is_told_to_all_who_wait(fault: Fault, why: str) -> None:
    """`run` raises it, `ask` raises it, exchanges carry it, and nothing more is taken."""
    done: list[str] = []
    async with a_line({0: Silence(), 1: fault}) as (line, lost):
        line.put(
            Exchange(fields=purchase(stan="000001"), due_s=0, on_done=lambda each: done.append(each.lost))
        )
        with pytest.raises(LineLostError) as caught:
            await line.ask(purchase(stan="000002"), patience_s=1)
        assert (str(caught.value), done, lost, line.lost) == (why, [why], [why], why)
        assert not line.put(Exchange(fields=purchase(), due_s=0, on_done=lambda _: None))


async def test_replies_before_the_end_are_given_out_first() -> None:
    """What arrived with the segment that lost the framing was heard all the same."""
    reply = messages.encode(
        {name: value for name, value in purchase().items() if name not in {"14", "18", "22", "43"}}
        | {"t": "0110", "39": "00", "38": "A1B2C3"}
    )
    data = FRAMINGS["bin2"].wrap(reply) + b"\xff\xff"
    async with a_line({0: Instead(data)}) as (line, _):
        assert (await line.ask(purchase(), patience_s=1))["38"] == "A1B2C3"
        await trio.testing.wait_all_tasks_blocked()
        assert line.lost == (
            "the issuer does not speak bin2 here: framing lost (over_maximum): "
            "found a length of 65535 bytes, expected at most 4096 bytes"
        )


async def test_a_line_closed_from_this_side_is_no_loss() -> None:
    """`run` returns without an error."""
    async with a_line() as (line, lost):
        await trio.testing.wait_all_tasks_blocked()
        await line.close()
        await trio.testing.wait_all_tasks_blocked()
        assert (line.lost, lost) == ("closed", [])


async def test_a_refused_sign_on_says_what_came() -> None:
    """Anything but 0810 with 00 and the same DE70 is a refusal."""
    issuer = ScriptedIssuer(sign_on_code="91")
    async with trio.open_nursery() as nursery:
        line = Line(await issuer.dial(nursery)(), FRAMINGS["bin2"])
        nursery.start_soon(line.run)
        with pytest.raises(SimulatorError) as caught:
            await line.manage("001", stan="000001", at=MOMENT, patience_s=1)
        nursery.cancel_scope.cancel()
    assert str(caught.value) == (
        "the issuer answered 0800 with DE70 001 by 0810 with DE70 001 and DE39 91; "
        "0810 with DE70 001 and DE39 00 would be right"
    )


async def test_no_server_is_said_in_words() -> None:
    """A port where nothing listens."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(SimulatorError) as caught:
        await dialler("127.0.0.1", port)()
    assert f"cannot connect to 127.0.0.1:{port}: " in str(caught.value)
    assert str(caught.value).endswith(". Is the authoriser running?")


def test_an_unknown_framing_lists_the_known_ones() -> None:
    """A typo in --framing."""
    with pytest.raises(SimulatorError) as caught:
        framing_named("bin5")
    known = "ascii4, bcd2, bin2, bin2-etx, bin2-inclusive, bin2-tpdu, bin4, hex4, visa-base1"
    assert str(caught.value) == f"there is no framing 'bin5'; there are {known}"
