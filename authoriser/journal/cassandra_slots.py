"""The journal in Cassandra for reading alone: plain quorum reads, which hold up no writer's transaction.

A slot that is followed by another was committed at a quorum before that one was tried, and one whose writer knows that
it is durable was too: a quorum read sees them. Where one seems to be missing all the same, and behind the last, a
serial read has the last word: it finishes whatever a writer left half-way.
"""

from authoriser.cassandra.session import BlockingSession, CassandraConfig, CassandraError, Row
from authoriser.journal import cassandra
from authoriser.journal.cassandra import SELECT_SLOTS, page_at
from authoriser.journal.contract import Unknown
from authoriser.journal.slots import Batches

_LAST = "SELECT seq FROM {keyspace}.journal WHERE shard = ? AND segment = ? ORDER BY seq DESC LIMIT 1"

ANSWER_BYTES = 1_048_576
"""Asked for at once. Of a quiet night's log, whose batches are empty, that is as many as a reader takes."""


class CassandraSlots:
    """One shard's slots. Connects when it is first asked, and again after an error; each call blocks."""

    def __init__(self, config: CassandraConfig, shard: int) -> None:
        self._config = config
        self._shard = shard
        self._session: BlockingSession | None = None
        self._batch_bytes = 0
        """Of the largest batch in the last answer; 0 before the first one."""

    @property
    def name(self) -> str:
        return f"shard {self._shard} in keyspace {self._config.keyspace}"

    def read(self, from_seq: int, count: int) -> Batches:
        """As `Journal.read`. Raises Unknown, which may pass."""
        first = max(from_seq, 1)
        try:
            found = self._page(first, count, serial=False)
            if [seq for seq, _blob in found] != list(range(first, first + len(found))):
                found = self._page(first, count, serial=True)
            return found
        except CassandraError as error:
            raise self._said(error) from None

    def end(self) -> int:
        """Some reads of one row each, then one serial read behind the last: a round of Paxos, once."""
        try:
            last = self._last_committed()
            while behind := self._page(last + 1, 1, serial=True):
                last = behind[-1][0]
            return last
        except CassandraError as error:
            raise self._said(error) from None

    def _last_committed(self) -> int:
        """Of the last partition that has a row. None is empty before it, so it is found by doubling and halving."""
        full, empty = -1, 1
        last = 0
        while rows := self._last_of(empty - 1):
            last, full, empty = int(rows[0]["seq"]), empty - 1, 2 * empty
        empty -= 1
        while empty - full > 1:
            middle = (full + empty) // 2
            if rows := self._last_of(middle):
                last, full = int(rows[0]["seq"]), middle
            else:
                empty = middle
        return last

    def _last_of(self, segment: int) -> list[Row]:
        return self._connected().execute(self._last, (self._shard, segment))

    def _page(self, from_seq: int, count: int, *, serial: bool) -> Batches:
        session = self._connected()
        found: Batches = []
        while len(found) < count:
            start = found[-1][0] + 1 if found else from_seq
            asked = page_at(self._shard, start, count - len(found), self._page_slots())
            rows = session.execute(self._serial if serial else self._plain, asked)
            found += [(row["seq"], row["blob"]) for row in rows]
            self._batch_bytes = max((len(row["blob"]) for row in rows), default=self._batch_bytes)
            if len(rows) < asked[-1]:
                break
        return found

    def _page_slots(self) -> int:
        fit = ANSWER_BYTES // self._batch_bytes if self._batch_bytes else 0
        return max(cassandra.PAGE_SLOTS, fit)

    def _said(self, error: CassandraError) -> Unknown:
        self.close()
        return Unknown(f"{self.name} can't be read: {error}", retry=True)

    def _connected(self) -> BlockingSession:
        if self._session is None:
            session = BlockingSession(self._config, with_keyspace=False)
            try:
                self._plain = session.prepare(SELECT_SLOTS)
                self._serial = session.prepare(SELECT_SLOTS, serial_read=True)
                self._last = session.prepare(_LAST)
            except CassandraError:
                session.close()
                raise
            self._session = session
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
