"""What a scenario is played against: a server of some kind, and the journal that it writes.

Owns the journal's reader, which rebuilds the state record by record: what a scenario looks at is always the journal,
replayed from nothing, whoever wrote it.
"""

from dataclasses import dataclass
from typing import Protocol

from authoriser.ledger.records import Record
from authoriser.ledger.state import ShardState
from authoriser.recovery import Replayer
from tests.scenarios.format import Operator, Scenario
from tests.scenarios.messages import Fields


class JournalReader:
    """Follows a journal. `records` are all since the last `forget`."""

    def __init__(self) -> None:
        self._replayer = Replayer(0)
        self.records: list[Record] = []

    @property
    def state(self) -> ShardState:
        return self._replayer.state

    @property
    def next_seq(self) -> int:
        return self._replayer.next_seq

    def feed(self, batches: list[tuple[int, bytes]]) -> None:
        for seq, blob in batches:
            self.records += self._replayer.feed(seq, blob).records

    def forget(self) -> None:
        self.records = []


@dataclass(frozen=True)
class ClearingRow:
    """A row in plain words, for whatever takes clearing in. `purchased` is MMDD, `currency` the number."""

    kind: str
    reference: str
    pan: str
    amount_minor: int
    fee_minor: int
    currency: str
    network_id: str
    approval_code: str
    acquirer: str
    rrn: str
    merchant_id: str
    purchased: str
    final: bool


class Names(Protocol):
    """What the scenario's names stand for. Each raises KeyError where there is no such thing."""

    def pan(self, card: str) -> str: ...

    def account_id(self, account: str) -> str: ...

    def card_id(self, card: str) -> str: ...

    def payment(self, name: str) -> tuple[str, int]:
        """The account's id and the payment's number."""

    def exception(self, kind: str) -> str: ...

    def minor(self, amount: str, account: str) -> int: ...


class World(Protocol):
    """One server. Every method returns when what it did is durable."""

    journal: JournalReader

    def now_ms(self) -> int:
        """The time that the server has."""

    async def begin(self, scenario: Scenario, names: Names) -> None:
        """Open the accounts and issue the cards of the scenario, and load its policy."""

    async def ask(self, messages: list[Fields]) -> list[Fields]:
        """Send messages in one write, and give the replies in the order in which they came."""

    async def unheard(self, messages: list[Fields]) -> None:
        """Send messages in one write, whose replies can't leave before their deadline."""

    async def clear(self, row: ClearingRow) -> str:
        """Post one row of a clearing file. Gives the kind of its refusal, "" where it is posted."""

    async def operate(self, step: Operator, names: Names) -> str:
        """An operator's change. Gives the kind of its refusal, "" where it was made."""

    async def wait(self, wait_ms: int) -> None: ...

    async def restart(self, *, drained: bool) -> None: ...

    async def look(self) -> None:
        """Bring `journal` up to the last record."""

    async def check_account(self, account_id: str, amounts: tuple[int, int, int]) -> None:
        """Assert that whoever asks this server hears the same balance, held and available as the journal says."""
