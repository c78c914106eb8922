"""SIGKILL under load, twenty times: nothing that the network heard is lost, and every repeat gets its answer (P1, P3).

Checked from the outside: what clients were answered, what `events`, `verify` and the admin socket say afterwards.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

ROUNDS = 20
LINES = 4
WINDOW = 8
"""Requests in flight on one line."""
CARDS = 40
CREDIT_MINOR = 500_000

Message = dict[str, str]
Answer = tuple[str, str]


class Network:
    """What the outside knows: every request sent, and the first answer that was heard to it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.sent: dict[str, Message] = {}
        self.heard: dict[str, Answer] = {}
        self.reversed: set[str] = set()
        self._stan = 0

    def next_message(self) -> Message:
        """A purchase mostly, now and then the reversal of an approval that was heard."""
        approved = [key for key, (code, _) in self.heard.items() if code == "00" and key not in self.reversed]
        approved = [key for key in approved if self.sent[key]["t"] == "0100"]
        self._stan += 1
        stan = f"{self._stan:06}"
        if approved and self.random.random() < 0.15:
            original = self.random.choice(approved)
            self.reversed.add(original)
            first = self.sent[original]
            reference = f"0100{first['11']}{first['7']}{first['32']:>011}{'0' * 11}"
            return {**first, "t": "0420", "11": stan, "90": reference}
        card = self.random.randrange(CARDS)
        return {
            "t": "0100",
            "2": pan(card),
            "3": "000000",
            "4": f"{self.random.randrange(100, 9_000):012}",
            "7": "1123010203",
            "11": stan,
            "18": "5411",
            "22": "051",
            "32": "00000123456",
            "37": f"63270{self._stan:07}",
            "43": "Corner Shop              Lisboa       PT",
            "49": "978",
        }

    def hears(self, reply: Message) -> None:
        key = reply["11"]
        answer = (reply["39"], reply.get("38", ""))
        first = self.heard.setdefault(key, answer)
        assert answer == first, f"STAN {key} was answered {first} and then {answer}"


def pan(card: int) -> str:
    body = f"400000{card:09}"
    total = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::-2]) + sum(
        int(digit) for digit in body[-2::-2]
    )
    return f"{body}{-total % 10}"


def import_file() -> str:
    rows = [f"{pan(card)},4912,acc-{card // 2},EUR,{CREDIT_MINOR}" for card in range(CARDS)]
    return "\n".join(["pan,expiry,account,currency,credit_minor", *rows, ""])


async def load(network: Network, line: Any) -> None:
    """Requests without end, WINDOW at a time, until the connection breaks."""
    in_flight = 0
    try:
        while True:
            while in_flight < WINDOW:
                message = network.next_message()
                network.sent[message["11"]] = message
                in_flight += 1
                await line.send(message)
            network.hears(await line.receive())
            in_flight -= 1
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        with trio.CancelScope(shield=True):
            await line.aclose()


async def repeat_everything(network: Network, line: Any, keys: list[str]) -> None:
    """0101 and 0421 for all that was sent: each must get the answer that was first heard, if any was."""
    for start in range(0, len(keys), 64):
        some = keys[start : start + 64]
        for key in some:
            message = network.sent[key]
            await line.send({**message, "t": message["t"][:3] + "1"})
        for _ in some:
            network.hears(await line.receive())


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_twenty_kills_lose_nothing(
    server: Any, dial: Callable[[], Awaitable[Any]], tmp_path: Any, request: pytest.FixtureRequest
) -> None:
    """Every approval heard is in the journal once; balances equal the replay; repeats get what was first answered."""
    network = Network(seed=20)
    server.start()
    (tmp_path / "cards.csv").write_text(import_file())
    server.run("import", str(tmp_path / "cards.csv"))
    for _round in range(ROUNDS):
        before = set(network.sent)
        async with trio.open_nursery() as nursery:
            for _ in range(LINES):
                nursery.start_soon(load, network, await dial())
            await trio.sleep(network.random.uniform(0.05, 0.6))
            server.kill()
        server.start()
        line = await dial()
        await repeat_everything(network, line, [key for key in network.sent if key not in before])
        await line.aclose()
    line = await dial()
    await repeat_everything(network, line, list(network.sent))
    await line.aclose()
    check_from_outside(server, network)
    server.kill()
    assert server.json("verify")["ok"] is True


def check_from_outside(server: Any, network: Network) -> None:
    events = server.events()
    assert [event["record"] for event in events] == list(range(1, len(events) + 1))
    approvals = Counter(e["stan"] for e in events if e["type"] == "card.authorisation.approved")
    heard = {
        key for key, (code, _) in network.heard.items() if code == "00" and network.sent[key]["t"] == "0100"
    }
    assert heard == {stan for stan, count in approvals.items() if count == 1}
    assert max(approvals.values()) == 1
    held = Counter[str]()
    balance = Counter[str]()
    for event in events:
        if event["type"] == "card.authorisation.approved":
            held[event["account"]] += event["amount_minor"]
        elif "released_minor" in event:
            held[event["account"]] -= event["released_minor"]
        elif event["type"] == "account.credited":
            balance[event["account"]] += event["amount_minor"]
    for account in {f"acc-{card // 2}" for card in range(CARDS)}:
        shown = server.json("account", "show", account)["account"]
        assert (shown["balance_minor"], shown["held_minor"]) == (balance[account], held[account]), account
        assert shown["available_minor"] >= 0
    verified = server.json("verify")
    assert (verified["ok"], verified["problems"]) == (True, [])
    assert len(network.sent) > 20 * ROUNDS, "the load was too thin to mean anything"
