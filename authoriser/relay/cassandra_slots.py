"""The journal in Cassandra as the relay reads it: plain quorum reads, which hold up no writer's transaction.

A slot that is followed by another was committed at a quorum before that one was tried, so a quorum read sees it. Where
one seems to be missing all the same, a serial read finishes whatever is under way and has the last word.
"""

from authoriser.cassandra.session import BlockingSession, CassandraConfig, CassandraError
from authoriser.journal.cassandra import SELECT_SLOTS, page_at
from authoriser.journal.contract import Unknown
from authoriser.relay.reader import Slots

_LAST = "SELECT seq FROM journal WHERE shard = ? AND segment = ? ORDER BY seq DESC LIMIT 1"


class CassandraSlots:
    """One shard's slots. Connects when it is first asked, and again after an error; each call blocks."""

    def __init__(self, config: CassandraConfig, shard: int) -> None:
        self._config = config
        self._shard = shard
        self._session: BlockingSession | None = None

    def read(self, from_seq: int, count: int) -> Slots:
        """As `Journal.read`. Raises Unknown, which may pass."""
        try:
            found = self._page(from_seq, count, serial=False)
            if [seq for seq, _blob in found] != list(range(from_seq, from_seq + len(found))):
                found = self._page(from_seq, count, serial=True)
            return found
        except CassandraError as error:
            self.close()
            raise Unknown(f"shard {self._shard} can't be read: {error}", retry=True) from None

    def end(self) -> int:
        """Segment by segment: asked for words only."""
        try:
            last, segment = 0, 0
            while rows := self._connected().execute(self._last, (self._shard, segment)):
                last, segment = int(rows[0]["seq"]), segment + 1
            return last
        except CassandraError as error:
            self.close()
            raise Unknown(f"shard {self._shard} can't be read: {error}", retry=True) from None

    def _page(self, from_seq: int, count: int, *, serial: bool) -> Slots:
        session = self._connected()
        found: Slots = []
        while len(found) < count:
            start = found[-1][0] + 1 if found else from_seq
            asked = page_at(self._shard, start, count - len(found))
            rows = session.execute(self._serial if serial else self._plain, asked)
            found += [(row["seq"], row["blob"]) for row in rows]
            if len(rows) < asked[-1]:
                break
        return found

    def _connected(self) -> BlockingSession:
        if self._session is None:
            session = BlockingSession(self._config)
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
