"""A payment's whole story from the journal: the messages that bear a reference, and what became of what they began.

Two readings: one for the messages, one from the first of them (or the first record of its payment: a payment's name is
its record's number) for everything that speaks of them. Owns what belongs to one story. Knows no words.
"""

from collections.abc import Iterable

from msgspec import Struct

from authoriser.explaining.reading import JournalReader, Read, Watch, needle
from authoriser.ledger import records as r

_MESSAGES = (r.Decided, r.Reversed, r.Cleared)


class Query(Struct, frozen=True):
    """What to look for; "" and 0 leave it open. `reference` is an RRN, or the network's or acquirer's own reference."""

    reference: str = ""
    stan: str = ""
    approval_code: str = ""
    record: int = 0


class Story(Struct, frozen=True):
    """Everything about one card's messages of a reference, and what became of the payments they speak of.

    `asked` are the records that were looked for, `payments` the numbers of the payments.
    """

    network: str
    account_id: str
    last_four: str
    reads: tuple[Read, ...]
    payments: tuple[int, ...]
    asked: tuple[int, ...]

    @property
    def messages(self) -> tuple[Read, ...]:
        """Those among `reads` that came from the network or a clearing file, or were asked for by their numbers."""
        return tuple(read for read in self.reads if isinstance(read.record, _MESSAGES))


def find_stories(journal: JournalReader, query: Query, watch: Watch) -> tuple[Story, ...]:
    """The stories that a query finds, in the order of their first records. Raises NoJournalError."""
    groups = _grouped(_asked(journal, query, watch))
    return tuple(sorted((_story(journal, group, watch) for group in groups), key=_first_number))


def _first_number(story: Story) -> int:
    return story.reads[0].number


def _asked(journal: JournalReader, query: Query, watch: Watch) -> list[Read]:
    if query.record:
        seq = journal.seq_of(query.record)
        return [read for read in journal.read(watch, None, seq, seq) if read.number == query.record]
    needles = [needle(query.reference or query.approval_code or query.stan)]
    return [read for read in journal.read(watch, needles) if _fits(read.record, query)]


def _fits(record: r.Record, query: Query) -> bool:
    if not isinstance(record, _MESSAGES):
        return False
    said = record.particulars
    references = (said.rrn.strip(), said.network_id, said.reference)
    codes = (said.approval_code, record.approval_code if isinstance(record, r.Decided) else "")
    return (
        (not query.reference or query.reference in references)
        and (not query.stan or said.stan == query.stan)
        and (not query.approval_code or query.approval_code in codes)
    )


def _grouped(asked: list[Read]) -> list[list[Read]]:
    """By network and card; and what is about one payment is one story, whichever card of a family it names."""
    groups: dict[tuple[str, str], list[Read]] = {}
    card_of: dict[int, tuple[str, str]] = {}
    for read in asked:
        whose = _whose(read.record)
        for hold_id in holds_of(read.record):
            whose = card_of.setdefault(hold_id, whose)
        groups.setdefault(whose, []).append(read)
    return list(groups.values())


def _whose(record: r.Record) -> tuple[str, str]:
    """Network and card (its last digits where it is nobody's)."""
    if isinstance(record, _MESSAGES):
        return record.particulars.network, record.card_id or f"****{record.last_four}"
    return "", getattr(record, "account_id", "")


class _Search:
    """What belongs to a story, as far as it is known: it grows while the journal is read forward."""

    def __init__(self, asked: list[Read]) -> None:
        self.holds: set[int] = set()
        self.keys: set[str] = set()
        self.exceptions: set[str] = set()
        self.numbers = {read.number for read in asked}
        self.needles: set[bytes] = set()
        for read in asked:
            self.needles.add(needle(read.record.at_ms))
            self._learn(read.record)

    def takes(self, read: Read) -> bool:
        record = read.record
        theirs = (
            read.number in self.numbers
            or bool(self.holds & holds_of(record))
            or getattr(record, "key", None) in self.keys
            or (isinstance(record, r.Reversed) and record.original_key in self.keys)
            or (
                isinstance(record, r.ExceptionNoted)
                and (record.about in self.keys or bool(self.holds & set(record.candidates)))
            )
            or getattr(record, "exception_id", None) in self.exceptions
        )
        if theirs:
            self._learn(record)
        return theirs

    def _learn(self, record: r.Record) -> None:
        self.holds |= holds_of(record)
        if isinstance(record, _MESSAGES):
            self.keys.add(record.key)
            self.needles.add(needle(record.key))
        if isinstance(record, r.ExceptionNoted):
            self.exceptions.add(record.exception_id)
            self.needles.add(needle(record.exception_id))
        self.needles |= {needle(hold_id) for hold_id in self.holds}


def holds_of(record: r.Record) -> set[int]:
    """The payments that a record begins, moves or names."""
    found = {move.hold_id for move in getattr(record, "moved", ())}
    if isinstance(record, r.Decided):
        if record.hold is not None:
            found.add(record.hold.hold_id)
    else:
        found.add(getattr(record, "hold_id", 0))
    return found - {0}


def _story(journal: JournalReader, asked: list[Read], watch: Watch) -> Story:
    search = _Search(asked)
    first = min({read.number for read in asked} | search.holds)
    reads = tuple(
        read for read in journal.read(watch, search.needles, journal.seq_of(first)) if search.takes(read)
    )
    network, _card = _whose(asked[0].record)
    return Story(
        network=network,
        account_id=getattr(asked[0].record, "account_id", ""),
        last_four=_last_four([*asked, *reads]),
        reads=reads,
        payments=tuple(sorted(search.holds)),
        asked=tuple(read.number for read in asked),
    )


def _last_four(reads: Iterable[Read]) -> str:
    for read in reads:
        if digits := getattr(read.record, "last_four", ""):
            return str(digits)
    return ""
