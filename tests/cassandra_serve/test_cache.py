"""Two processes of one shard with a tenth of its accounts in memory and less, on a real Cassandra.

What is compared at the end: what clients heard, what the leader says and what the log has, by the judge of drills; and
the snapshots, to the hash, with the whole log replayed from nothing.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from authoriser.ledger.digest import problems, state_hash
from authoriser.recovery import COMMONS_ID, Replayer, recover_tail
from authoriser.snapshots import blobs as stored
from drills.outside import judge
from stack.state import Node
from tests.cassandra_serve.bench import Process, Shard, account_of
from tests.drills.clients import LINES, Clients
from tests.drills.harness import rounds

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800)]

CARDS = int(os.environ.get("AUTHORISER_CACHED_CARDS", "1000"))
"""Two an account."""
BOUND = 50
MOST = 2 * BOUND + 128
"""Of a leader, loads under way with it: then nothing more is loaded until a snapshot round is through."""
REPEATS_AT_ONCE = 16
"""With so little memory a server is full now and then; what hears nothing is repeated again."""
ASKED_MOST = 200
"""Accounts that the leader is asked for at the end."""


class CachedShard(Shard):
    """Each of its processes has a bound on its memory."""

    cards = CARDS

    def process(self, name: str, **cassandra: Any) -> Process:
        process = super().process(name, **cassandra)
        text = process.config.read_text()
        process.config.write_text(f"cache_accounts_max = {BOUND}\n{text}")
        return process


@pytest.fixture
def shard(tmp_path: Path, cassandra_node: Node, keyspace: str) -> Any:
    made = CachedShard(tmp_path, cassandra_node.host, cassandra_node.port, keyspace)
    yield made
    made.close()


def following(process: Process) -> list[dict[str, Any]]:
    """What it said each time that it had read itself in."""
    lines = [json.loads(line) for line in process.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "following"]


class Reads:
    """A journal that counts what is read of it."""

    def __init__(self, journal: Any) -> None:
        self.append, self.close = journal.append, journal.close
        self._read = journal.read
        self.slots: list[int] = []

    async def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = await self._read(from_seq, count)
        self.slots += [seq for seq, _blob in found]
        return found


async def check_what_was_heard(shard: Shard, clients: Clients) -> Process:
    """By the judge who knows nothing of us. Who led then."""
    await clients.repeat_everything(shard.leader)
    accounts = sorted({account_of(card) for card in range(CARDS)})
    some = clients.random.sample(accounts, min(ASKED_MOST, len(accounts)))
    leader, shown = await shard.accounts(some)
    judgement = judge(exchanges=clients.exchanges(), slots=await shard.log(), events=None, shown=shown)
    assert judgement.faults == []
    return leader


async def check_snapshots(shard: Shard) -> None:
    """Every process has ended in order: the snapshots alone are the log, and a start reads its last batches only."""
    from authoriser.cassandra.session import CassandraConfig, Session
    from authoriser.journal.cassandra import CassandraJournal
    from authoriser.snapshots.cassandra import CassandraSnapshots

    whole = Replayer(0)
    log = await shard.log()
    for seq, blob in log:
        whole.feed(seq, blob)
    assert problems(whole.state) == []
    config = CassandraConfig(((shard.host, shard.port),), shard.keyspace)
    async with await Session.open(config) as session:
        journal = Reads(await CassandraJournal.open(session, shard=0))
        store = await CassandraSnapshots.open(session, shard=0)
        blobs = await store.load_many([COMMONS_ID, *whole.state.accounts])
        saved = {blob.aggregate_id: blob for blob in blobs}
        commons = stored.commons_of(saved.pop(COMMONS_ID))
        assert commons == whole.state.commons
        assert {name: stored.account_of(blob) for name, blob in saved.items()} == whole.state.accounts
        started, checkpoint = await recover_tail(journal, store, 0)
        assert journal.slots == list(range(checkpoint.seq, len(log) + 1))
        touched = len(started.state.accounts)
        for name, blob in saved.items():
            if name not in started.state.accounts:
                started.state.load(stored.account_of(blob))
        assert state_hash(started.state) == state_hash(whole.state)
        assert len(journal.slots) < len(log) / 2
        assert touched < len(saved) / 2
        for card in list(whole.state.tokens)[:: CARDS // 50]:
            entry = await store.card_of_token(card)
            assert entry is not None
            assert entry.account_id == whole.state.tokens[card][0].account_id


async def test_takeovers_with_a_small_cache(shard: CachedShard) -> None:
    """SIGKILL under load, then SIGSTOP and SIGCONT, over and over: who takes over has what had not been saved, and
    whatever the other still sends changes nothing (P1, P3, P7, P10).
    """
    clients = Clients(seed=9, cards=CARDS, repeats_at_once=REPEATS_AT_ONCE)
    pair = list(await shard.pair())
    async with trio.open_nursery() as nursery:
        for _ in range(LINES):
            nursery.start_soon(clients.till, pair)
        for number in range(rounds(1)):
            await trio.sleep(clients.random.uniform(2, 5))
            leader = await shard.leader()
            (other,) = [process for process in pair if process is not leader]
            assert (await trio.to_thread.run_sync(leader.ask, "status")).accounts <= MOST
            leader.signal(signal.SIGSTOP if number % 2 else signal.SIGKILL)
            await other.until("leader")
            await clients.served_again()
            if number % 2:
                leader.signal(signal.SIGCONT)
            else:
                leader.kill()
                leader.start()
            await leader.until("follower")
        clients.stopping = True
    leader = await check_what_was_heard(shard, clients)
    counters = (await trio.to_thread.run_sync(leader.ask, "status")).counters
    assert counters["cache_evictions"] > BOUND
    for process in [*(process for process in pair if process is not leader), leader]:
        assert await trio.to_thread.run_sync(process.end, signal.SIGTERM) == 0
    await check_snapshots(shard)
    leader.start()
    await leader.until("leader")
    (*_, last) = following(leader)
    assert last["accounts"] < CARDS / 2 / 2
    assert last["checkpoint_seq"] > last["durable_seq"] / 2
