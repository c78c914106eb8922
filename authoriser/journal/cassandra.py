"""The journal in Cassandra: a slot is a row, and a lightweight transaction is the only way to write one.

`INSERT ... IF NOT EXISTS` at ((shard, segment), seq) is the fence: of two writers Paxos lets one have the slot, and
shows the other what stands there. Owns the two statements. Must not know the driver, nor what is in a batch.
"""

from typing import Self

from authoriser.cassandra.safety import require_safe
from authoriser.cassandra.schema_versions import require_schema
from authoriser.cassandra.session import CassandraError, Prepared, Session
from authoriser.journal.contract import Fenced, Unknown

SEGMENT_SLOTS = 4_096
"""Slots of one partition. At 20 kB a batch it holds 80 MB, where Cassandra is at ease. Fixed for good: the place of
every slot hangs on it."""
PAGE_SLOTS = 16
"""Batches of one answer. A batch is 20 kB as a rule and 10 MB at most."""

_INSERT = "INSERT INTO {keyspace}.journal (shard, segment, seq, blob) VALUES (?, ?, ?, ?) IF NOT EXISTS"
SELECT_SLOTS = "SELECT seq, blob FROM {keyspace}.journal WHERE shard = ? AND segment = ? AND seq >= ? LIMIT ?"


def page_at(shard: int, start: int, count: int, page_slots: int = 0) -> tuple[int, int, int, int]:
    """Values of SELECT_SLOTS, which asks one partition: from slot `start` on, as many as one answer may bring.

    That is PAGE_SLOTS, or `page_slots` where somebody knows better.
    """
    in_segment = SEGMENT_SLOTS - start % SEGMENT_SLOTS
    return shard, start // SEGMENT_SLOTS, start, min(count, in_segment, page_slots or PAGE_SLOTS)


class CassandraJournal:
    """One shard's journal over a session that others use too. Any number may be open: each slot goes to one of them."""

    def __init__(
        self, session: Session, shard: int, *, insert: Prepared, select: Prepared, glance: Prepared
    ) -> None:
        self._session = session
        self._shard = shard
        self._insert = insert
        self._select = select
        self._glance = glance
        self.away: tuple[str, ...] = ()
        """Nodes that nobody could ask whether they are safe, in words."""
        self._last = 0
        """A slot that is known to be taken. None is ever freed, so what follows it leaves no gap."""

    @classmethod
    async def open(cls, session: Session, *, shard: int) -> Self:
        """Raises SchemaError, UnsafeServer or CassandraError where this server is not to be written to.

        Nodes that are away may be: `away` has them.
        """
        await require_schema(session)
        away = await require_safe(session)
        # Serial: a batch whose writer died half-way through its transaction is finished, not overlooked.
        select = await session.prepare(SELECT_SLOTS, serial_read=True)
        glance = await session.prepare(SELECT_SLOTS)
        insert = await session.prepare(_INSERT)
        journal = cls(session, shard, insert=insert, select=select, glance=glance)
        journal.away = away
        return journal

    async def append(self, seq: int, blob: bytes) -> None:
        """As the contract says. A timeout of any kind is Unknown: a proposal may be finished by whoever comes next.

        Two nodes may be at it at once, as after a timeout: one of them finds the other's bytes, which are ours.
        """
        try:
            if seq > 1 and seq - 1 != self._last and not await self._slots(page_at(self._shard, seq - 1, 1)):
                raise Fenced(f"slot {seq} would leave a gap: slot {seq - 1} is empty")
            values = (self._shard, seq // SEGMENT_SLOTS, seq, blob)
            (row,) = await self._session.execute(self._insert, values, hedged=True)
        except CassandraError as error:
            raise Unknown(f"slot {seq} of shard {self._shard}: {error}", retry=error.passing) from None
        # Our own bytes, nonce and hash in them, were written by an earlier try, or by one that was thought lost.
        if not row["[applied]"] and row["blob"] != blob:
            raise Fenced(f"slot {seq} holds another batch")
        self._last = seq

    async def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        """As the contract says. Raises Unknown where no quorum answers, or a slot before a later one is empty."""
        first = max(from_seq, 1)
        found: list[tuple[int, bytes]] = []
        try:
            while len(found) < count:
                asked = page_at(self._shard, first + len(found), count - len(found))
                page = await self._slots(asked)
                found += page
                if len(page) < asked[-1]:
                    break
        except CassandraError as error:
            raise Unknown(f"shard {self._shard} can't be read: {error}", retry=error.passing) from None
        if [seq for seq, _blob in found] != list(range(first, first + len(found))):
            raise Unknown(f"shard {self._shard}: a slot from {first} on is missing", retry=False)
        return found

    async def peek(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        """As the contract says: a quorum's rows of one partition, without a round of Paxos.

        A serial read would contend with the leader's own transactions, each time that a follower looks.
        """
        first = max(from_seq, 1)
        try:
            rows = await self._session.execute(self._glance, page_at(self._shard, first, count), hedged=True)
        except CassandraError as error:
            raise Unknown(f"shard {self._shard} can't be read: {error}", retry=error.passing) from None
        found = [(row["seq"], row["blob"]) for row in rows]
        # A slot that this quorum does not show yet hides those after it: they are for the next look.
        return [(seq, blob) for place, (seq, blob) in enumerate(found, first) if seq == place]

    async def _slots(self, asked: tuple[int, int, int, int]) -> list[tuple[int, bytes]]:
        rows = await self._session.execute(self._select, asked, hedged=True)
        return [(row["seq"], row["blob"]) for row in rows]

    async def close(self) -> None:
        """Whatever was appended is durable already. The session is closed by whoever opened it."""
