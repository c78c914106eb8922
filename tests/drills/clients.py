"""The card network of a drill: lines that pay without a pause, repeat what was not answered, and remember every answer.

Knows no server but by its address, and judges nothing: that is for later, and for somebody else.
"""

import contextlib
import random
from collections.abc import Awaitable, Callable

import trio

from drills.evidence import Exchange, Heard
from tests.cassandra_serve.bench import CARDS, Line, Message, Process, account_of, dial, pan, purchase

LINES = 4
WINDOW = 8
"""Messages in flight on a line."""
PAUSE_S = 0.04
"""Before each new message of a line, where nothing else is said."""
PATIENCE_S = 3.0
"""How long a network waits for an answer before it tries another line."""
UNANSWERED_MAX_S = 60.0
AGAIN = 0.03
"""Of all answers, how many are followed by the repeat of some message that was answered before."""
ACQUIRER = "123456"


class Clients:
    """Every message that was sent, and all that was heard of it, in order."""

    def __init__(
        self, seed: int, cards: int = CARDS, pause_s: float = PAUSE_S, repeats_at_once: int = 64
    ) -> None:
        self.random = random.Random(seed)
        self.cards = cards
        self.pause_s = pause_s
        self._repeats_at_once = repeats_at_once
        self.stopping = False
        self.sent: dict[str, Message] = {}
        self.heard: dict[str, list[Heard]] = {}
        self.answered: list[str] = []
        """STANs of what was answered, in the order of the first answers."""
        self.longest_silence_s = 0.0
        """Between two first answers, since `watch`."""
        self._last_heard_s = 0.0
        self._stan = 0
        self._approved: list[str] = []
        self._reverses: dict[str, str] = {}
        self._cards = {pan(card): card for card in range(cards)}

    def next_message(self) -> Message:
        """Mostly a purchase of two messages; else one of one message, a stand-in's advice, or a reversal."""
        self._stan += 1
        stan = f"{self._stan:06}"
        card, amount_minor = self.random.randrange(self.cards), self.random.randrange(100, 9_000)
        dice = self.random.random()
        if dice < 0.15 and self._approved:
            first = self.sent[self._approved.pop(self.random.randrange(len(self._approved)))]
            return self.note(reversal(stan, first), reverses=first["11"])
        message = purchase(stan, card, amount_minor)
        if dice > 0.96:
            message |= {"t": "0120", "39": "00", "38": stan}
        elif dice > 0.88:
            message |= {"t": "0200"}
        return self.note(message)

    def note(self, message: Message, reverses: str = "") -> Message:
        """Remember that it is sent."""
        stan = message["11"]
        assert stan not in self.sent
        self.sent[stan] = message
        self.heard[stan] = []
        self._reverses[stan] = reverses
        return message

    def hears(self, reply: Message) -> None:
        stan, answer = reply["11"], Heard(reply["39"], reply.get("38", ""))
        heard = self.heard[stan]
        if not heard:
            self._watched()
            self.answered.append(stan)
            if answer.code == "00" and self.sent[stan]["t"] in {"0100", "0200"}:
                self._approved.append(stan)
        heard.append(answer)

    def watch(self) -> None:
        """Begin to measure silences."""
        self.longest_silence_s = 0.0
        self._last_heard_s = trio.current_time()

    def _watched(self) -> None:
        now = trio.current_time()
        self.longest_silence_s = max(self.longest_silence_s, now - self._last_heard_s)
        self._last_heard_s = now

    async def till(self, processes: list[Process]) -> None:
        """WINDOW messages in flight until `stopping`: on a lost or silent line to whoever listens, repeating them."""
        open_messages: dict[str, Message] = {}
        for turn in range(1_000_000):
            if self.stopping:
                return
            with contextlib.suppress(trio.BrokenResourceError, trio.TooSlowError):
                line = await dial(processes[turn % len(processes)])
                if line is None:
                    await trio.sleep(0.02)
                    continue
                async with line.stream:
                    await self._talk(line, open_messages)

    async def _talk(self, line: Line, open_messages: dict[str, Message]) -> None:
        for message in open_messages.values():
            await line.send(repeat(message))
        while not self.stopping:
            while len(open_messages) < WINDOW:
                await trio.sleep(self.pause_s)
                message = self.next_message()
                open_messages[message["11"]] = message
                await line.send(message)
            with trio.fail_after(PATIENCE_S):
                reply = await line.receive()
            self.hears(reply)
            open_messages.pop(reply["11"], None)
            if self.random.random() < AGAIN:
                await line.send(repeat(self.sent[self.random.choice(self.answered)]))

    async def repeat_everything(self, leader: Callable[[], Awaitable[Process]]) -> None:
        """A repeat of all that was sent, by whoever leads then, so that each was answered in the end."""
        left = dict(self.sent)
        fewer, since_s = len(left), trio.current_time()
        while left:
            if len(left) < fewer:
                fewer, since_s = len(left), trio.current_time()
            assert trio.current_time() - since_s < UNANSWERED_MAX_S, f"{len(left)} messages stay unanswered"
            with contextlib.suppress(trio.BrokenResourceError, trio.TooSlowError):
                line = await dial(await leader())
                if line is None:  # it leads no more
                    continue
                async with line.stream:
                    while left:
                        await self._repeat(line, left, list(left.values())[: self._repeats_at_once])

    async def _repeat(self, line: Line, left: dict[str, Message], messages: list[Message]) -> None:
        for message in messages:
            await line.send(repeat(message))
        for _ in messages:
            with trio.fail_after(PATIENCE_S):
                reply = await line.receive()
            self.hears(reply)
            left.pop(reply["11"], None)

    async def served_again(self, more: int = 4 * LINES, within_s: float = 180.0) -> None:
        """Return once so many more messages had their first answers."""
        before = len(self.answered)
        with trio.fail_after(within_s):
            while len(self.answered) <= before + more:
                await trio.sleep(0.01)

    def exchanges(self) -> list[Exchange]:
        """For the judge: no card number is in them."""
        return [
            Exchange(
                mti=message["t"],
                transmission=message["7"],
                stan=stan,
                account=account_of(self._cards[message["2"]]),
                amount_minor=int(message["4"]),
                acquirer=ACQUIRER,
                rrn=message["37"],
                reverses=self._reverses[stan],
                heard=tuple(self.heard[stan]),
            )
            for stan, message in self.sent.items()
        ]


def repeat(message: Message) -> Message:
    """0100 is repeated as 0101, 0420 as 0421."""
    return {**message, "t": message["t"][:3] + "1"}


def reversal(stan: str, first: Message) -> Message:
    """A full reversal: DE90 names the original."""
    reference = f"{first['t']}{first['11']}{first['7']}{first['32']:>011}{'0' * 11}"
    return {**first, "t": "0420", "11": stan, "90": reference}
