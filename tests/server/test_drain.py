"""The end of a server: what it has read is answered, what it has not is not, and the journal ends with the epoch."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from authoriser.events import read_events
from authoriser.opening import embedded_journal

if TYPE_CHECKING:
    from tests.server.conftest import Messages, Running

Start = Callable[..., Awaitable["Running"]]


def events(running: "Running") -> list[dict[str, Any]]:
    return list(read_events(embedded_journal(running.config.data_dir)))


async def test_what_is_in_flight_is_answered(running: "Running", messages: "Messages") -> None:
    """Every request that was read gets its answer, then the line ends; nothing is voided or left open."""
    peer = await running.connect()
    count = 50
    requests = [messages.numbered(stan) for stan in range(count)]
    await peer.send(*requests)
    await running.until(lambda: running.counts()["frames"] > count)
    running.server.stopping.set()
    answers, _ = await peer.receive_until(None)
    await running.stop()
    assert {request["11"] for request in requests} == {answer["11"] for answer in answers}
    assert {"00"} == {answer["39"] for answer in answers}
    assert (0, 0) == (running.counts()["voids"], running.counts()["silences"])
    assert "epoch.ended" == events(running)[-1]["type"]
    assert "stopped" == running.logs[-1]["event"]


async def test_under_load_every_answer_is_an_event_and_every_event_an_answer(
    start: Start, messages: "Messages"
) -> None:
    """Peers that go on sending while the server drains: what was approved and what was heard are the same."""
    running = await start()
    await running.issue_card()
    heard: set[str] = set()

    async def load(shop: int) -> None:
        peer = await running.connect()
        sent = 0
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                while (answer := await peer.receive()) is not None:
                    # 91: more than an account remembers, where a commit took so long.
                    assert answer["39"] in {"00", "91"}
                    if answer["39"] == "00":
                        heard.add(answer["11"])
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            while True:
                sent += 1
                request = messages.numbered(shop * 10_000 + sent) | {"4": "000000000001"}
                try:
                    await peer.send(request)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    await trio.sleep_forever()
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for shop in range(4):
            nursery.start_soon(load, shop)
        await running.until(lambda: len(heard) > 100)
        await running.stop()
    approved = {event["stan"] for event in events(running) if event["type"] == "card.authorisation.approved"}
    assert approved == heard
    assert "epoch.ended" == events(running)[-1]["type"]

    again = await start()
    began = events(again)[-1]
    assert (began["type"], began["previous_ended_clean"]) == ("epoch.started", True)
    assert len(heard) == (await again.account()).held_minor
    assert not [event for event in events(again) if event["type"] == "hold.answer_unknown"]


async def test_sigterm_drains(running: "Running", messages: "Messages") -> None:
    """The signal does what `stopping` does, and is logged by its name."""
    peer = await running.connect()
    await peer.send(messages.purchase())
    await running.until(lambda: running.counts()["frames"] == 2)
    os.kill(os.getpid(), signal.SIGTERM)
    answers, _ = await peer.receive_until(None)
    await running.finished.wait()
    assert [messages.answer(messages.purchase(), "00", approval="000005")] == answers
    assert ["SIGTERM"] == [line["signal"] for line in running.logs if line["event"] == "draining"]
