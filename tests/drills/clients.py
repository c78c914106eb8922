"""The card network of a drill: what it sends, and everything that it hears, for the judge.

Lines, repeats and patience are those of `tests.cassandra_serve.bench`. What is added is a memory of every answer, and
other messages: single messages, advices, reversals, and repeats of what was answered long ago.
"""

import trio

from drills.evidence import Exchange, Heard
from tests.cassandra_serve.bench import CARDS, Line, Message, Network, account_of, pan, purchase

LINES = 4
AGAIN = 0.03
"""Of all messages, how many are repeats of some that were answered."""
ACQUIRER = "123456"


class Clients(Network):
    """Every message that was sent, and all that was heard of it, in order."""

    pause_s = 0.02

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.answers: dict[str, list[Heard]] = {}
        self.last_heard_s = 0.0
        """When the last answer came, seconds of trio's clock."""
        self._reverses: dict[str, str] = {}
        self._cards = {pan(card): card for card in range(CARDS)}

    def next_message(self) -> Message:
        """Mostly a purchase of two messages; else one of one message, a stand-in's advice, or a reversal."""
        self._stan += 1
        stan = f"{self._stan:06}"
        card, amount_minor = self.random.randrange(CARDS), self.random.randrange(100, 9_000)
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
        self.answers[stan] = []
        self._reverses[stan] = reverses
        return message

    def hears(self, reply: Message) -> None:
        """Nothing is judged here: that is for later, and for somebody else."""
        stan, answer = reply["11"], Heard(reply["39"], reply.get("38", ""))
        self.last_heard_s = trio.current_time()
        self.heard.setdefault(stan, (answer.code, answer.approval_code))
        if not self.answers[stan] and answer.code == "00" and self.sent[stan]["t"] in {"0100", "0200"}:
            self._approved.append(stan)
        self.answers[stan].append(answer)

    async def between(self, line: Line) -> None:
        """Now and then the repeat of something that was answered, perhaps by another process."""
        if self.random.random() < AGAIN:
            message = self.sent[self.random.choice(list(self.heard))]
            await line.send({**message, "t": message["t"][:3] + "1"})

    async def served_again(self, more: int = 4 * LINES, within_s: float = 180.0) -> float:
        """Return once there were more first answers; how long that took, in seconds."""
        began, heard = trio.current_time(), len(self.heard)
        with trio.fail_after(within_s):
            while len(self.heard) <= heard + more:
                await trio.sleep(0.01)
        return trio.current_time() - began

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
                heard=tuple(self.answers[stan]),
            )
            for stan, message in self.sent.items()
        ]


def reversal(stan: str, first: Message) -> Message:
    """A full reversal: DE90 names the original."""
    reference = f"{first['t']}{first['11']}{first['7']}{first['32']:>011}{'0' * 11}"
    return {**first, "t": "0420", "11": stan, "90": reference}
