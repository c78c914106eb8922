"""A million cards in Cassandra and a tenth of them in memory: `python -m benchmarks.million --cassandra --cache N`.

Owns the filling of a real Cassandra (one node, commit log synced once it is filled), and the process that starts on it
and is asked for payments of cards drawn at random, so that most of them miss. `benchmarks.million` has the command.

What the figures do not show: sockets and codecs; the journal's own appends in Cassandra (it is in memory here, so that
the loads are what is measured); replicas on other machines; how fast cards can be imported.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress

from authoriser.cache import COUNTED, AccountCache, Name, Verdict
from authoriser.cassandra.schema_versions import create_schema, patient
from authoriser.cassandra.session import CassandraConfig, Session
from authoriser.clock import LedgerClock
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger import records as r
from authoriser.ledger.apply import apply
from authoriser.ledger.commands import AuthorisationRequest
from authoriser.ledger.state import ShardState
from authoriser.owner import Observers, ShardOwner, take_shard
from authoriser.snapshots import Blob
from authoriser.snapshots.blobs import COMMONS_ID, account_blob, commons_blob, commons_of
from authoriser.snapshots.cassandra import CassandraSnapshots
from benchmarks.decide import POLICY, START_MS, Setting, Traffic
from benchmarks.machine import Machine, look
from stack import Stack, Wanted
from stack.servers import LIBRARY

KEYSPACE: Final = "million"
SLICE: Final = 2_000
PAYMENTS: Final = 20_000
RECORDS_A_RUN: Final = 1_000_000
"""More than a run makes: the next one on the same keyspace numbers its records from there."""
CARDS_MOST: Final = 10_000_000
TRIES, TRY_AGAIN_S = 3_000, 0.01
"""Of a payment whose account could not be loaded."""
AT_ONCE: Final = 64
"""Payments under way at a time."""


class CachedReport(Struct, frozen=True):
    machine: Machine
    cards: int
    cache: int
    fill_s: float
    """Since it was last interrupted."""
    boot_s: float
    """From the first line of the process to a shard that decides: imports, connection, checkpoint, tail."""
    resident_mb: float
    peak_mb: float
    """After all payments."""
    payments: int
    approved: int
    hits: int
    loads: int
    evictions: int
    failed_loads: int
    """Tried again."""
    accounts_most: int
    """In memory at any time."""
    payments_per_s: float
    miss_p50_ms: float
    miss_p99_ms: float


class WrongCachedError(Exception):
    """What was decided is not what should have been."""


async def fill(config: CassandraConfig, cards: int, progress: Progress) -> None:
    """Snapshots and their indexes of so many cards, an account each, and a checkpoint over them.

    Interrupted, it goes on behind the last SLICE that is there whole.
    """
    await create_schema(config, 1)
    task = progress.add_task("saving cards", total=cards)
    state = ShardState(0)
    async with await Session.open(patient(config)) as session:
        # Without its commit log: what is filled is not what is measured, and can be filled again.
        await session.execute(f"ALTER KEYSPACE {config.keyspace} WITH durable_writes = false")
        store = await CassandraSnapshots.open(session, shard=0)
        done = min(await _go_on(state, store), cards)
        progress.advance(task, done)
        async with trio.open_nursery() as nursery:
            # The next slice is made while Cassandra works on the one before.
            send, slices = trio.open_memory_channel[list[Blob]](0)
            nursery.start_soon(_make, state, range(done, cards), send)
            async for blobs in slices:
                await store.save(blobs[:-1])
                await store.save(blobs[-1:])
                progress.advance(task, len(blobs) - 1)
        await store.move_checkpoint(1, state.last_ms)
        await session.execute(f"ALTER KEYSPACE {config.keyspace} WITH durable_writes = true")


async def _make(state: ShardState, cards: range, send: trio.MemorySendChannel[list[Blob]]) -> None:
    """Send the accounts' blobs, slice after slice, the commons after them last; behind all cards the epoch's end."""
    from benchmarks.million import make_card

    async with send:
        for first in range(cards.start, cards.stop, SLICE):
            for card in range(first, min(first + SLICE, cards.stop)):
                make_card(state, card)
                await trio.lowlevel.checkpoint()
            blobs = [account_blob(a, state.new_cards) for a in state.accounts.values()]
            state.new_cards.clear()
            for account_id in list(state.accounts):
                state.unload(account_id)
            await send.send([*blobs, commons_blob(state.commons)])
        apply(state, r.EpochEnded(state.last_ms))
        await send.send([commons_blob(state.commons)])


async def _go_on(state: ShardState, store: CassandraSnapshots) -> int:
    """How many cards the store has in whole slices, with `state` right behind them."""
    from benchmarks.million import account_of_card

    found = await store.load_one(COMMONS_ID)
    if found is None:
        apply(state, r.EpochStarted(START_MS, 1, "bench", "bench", clean=True))
        return 0
    state.commons = commons_of(found)
    state.record_no, state.last_ms = state.commons.version + RECORDS_A_RUN, START_MS
    least, most = 0, CARDS_MOST // SLICE
    while least < most:
        middle = (least + most + 1) // 2
        if await store.load_one(account_of_card(middle * SLICE - 1)) is not None:
            least = middle
        else:
            most = middle - 1
    # Of the slice that was under way when it was interrupted, the last card may be there without all others.
    return max(least - 1, 0) * SLICE


BOOT: Final = """
import time
began = time.perf_counter()
import sys
import trio
from benchmarks.million_cached import serve
trio.run(serve, began, sys.argv[1], *map(int, sys.argv[2:]))
"""


def status_mb(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


async def serve(began: float, host: str, port: int, cards: int, cache: int, payments: int) -> None:
    """The process that is measured. Prints its figures as JSON."""
    counts = dict.fromkeys(COUNTED, 0)

    def count(what: str) -> None:
        counts[what] += 1

    async with await Session.open(CassandraConfig(((host, port),), KEYSPACE)) as session:
        snapshots = await CassandraSnapshots.open(session, shard=0)
        log, record_no = await _log_behind(snapshots)
        owner = await take_shard(
            shard=0,
            journal=MemoryJournal(log),
            snapshots=snapshots,
            policies={"bench": POLICY},
            observers=Observers(on_cache=count),
            cache_accounts_max=cache,
            # Made a moment ago, by its own clock: what years of rest cost a start is not measured here.
            clock=LedgerClock(wall_ms=lambda: START_MS + round((time.perf_counter() - began) * 1000)),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(owner.run)
            found: dict[str, Any] = {
                "boot_s": time.perf_counter() - began,
                "resident_mb": status_mb("VmRSS"),
            }
            found |= await _pay(owner, cards, payments, after=10**9 + record_no)
            nursery.cancel_scope.cancel()
    found |= {
        "peak_mb": status_mb("VmHWM"),
        "loads": counts["cache_loads"],
        "evictions": counts["cache_evictions"],
        "failed_loads": counts["cache_failed_loads"],
    }
    sys.stdout.write(json.dumps(found))


async def _log_behind(snapshots: CassandraSnapshots) -> tuple[MemoryLog, int]:
    """A journal that ends behind every record that a snapshot knows, and the checkpoint at its end."""
    commons = await snapshots.load_one(COMMONS_ID)
    assert commons is not None, "it was filled"
    seq = max((await snapshots.checkpoint()).seq, commons_of(commons).epoch) + 1
    await snapshots.move_checkpoint(seq)
    record_no = commons.version + RECORDS_A_RUN
    log = MemoryLog()
    log.batches = [b""] * (seq - 1)
    last = Batch(VERSION, 0, seq, 1, "bench", record_no + 1, START_MS, GENESIS, [])
    log.batches.append(encode_batch(last)[0])
    return log, record_no


async def _pay(owner: ShardOwner, cards: int, payments: int, *, after: int) -> dict[str, Any]:
    """Of cards far from each other, as a pipeline asks: at once where the account is here, else when it is."""
    cache = owner.cache
    assert cache is not None, "it was asked for"
    traffic = Traffic(Setting(cards=cards, seed=2), after=after)
    waits_ms: list[float] = []
    seen = {"approved": 0, "hits": 0, "accounts_most": 0}
    numbers = iter(range(payments))

    def decide(command: AuthorisationRequest) -> None:
        reply = owner.execute(command, POLICY).reply
        seen["approved"] += reply is not None and reply.reason.value == "approved"
        seen["accounts_most"] = max(seen["accounts_most"], len(owner.state.accounts))

    async def pay() -> None:
        for number in numbers:
            command = traffic.purchase(number * 7919 % cards)
            assert command.token is not None, "every card of the traffic is somebody's"
            name = Name("token", command.token)
            if cache.has(name):
                seen["hits"] += 1
                decide(command)
                await trio.lowlevel.checkpoint()
                continue
            asked = time.perf_counter()
            # Full of what no snapshot has, or failed to load: a server says 91, and here it is tried again.
            for _ in range(TRIES):
                if await _settled(cache, name, partial(decide, command)):
                    break
                await trio.sleep(TRY_AGAIN_S)
            waits_ms.append((time.perf_counter() - asked) * 1000)

    start = time.perf_counter()
    async with trio.open_nursery() as payers:
        for _ in range(AT_ONCE):
            payers.start_soon(pay)
    took_s = time.perf_counter() - start
    waits_ms.sort()
    return {
        **seen,
        "payments": payments,
        "payments_per_s": payments / took_s,
        "miss_p50_ms": waits_ms[len(waits_ms) // 2] if waits_ms else 0.0,
        "miss_p99_ms": waits_ms[len(waits_ms) * 99 // 100] if waits_ms else 0.0,
    }


async def _settled(cache: AccountCache, name: Name, decide: Callable[[], None]) -> bool:
    """Whether it need not be asked again: its account was loaded and `decide` called at once, or there is none."""
    verdicts: list[Verdict] = []
    told = trio.Event()

    def loaded(verdict: Verdict) -> None:
        if verdict is Verdict.HERE:
            decide()
        verdicts.append(verdict)
        told.set()

    if not cache.want(name, loaded):
        return False
    await told.wait()
    return Verdict.FAILED not in verdicts


def measure(
    cards: int, cache: int, directory: Path, *, payments: int = PAYMENTS, on: tuple[str, int] | None = None
) -> CachedReport:
    """Fill a Cassandra and pay: one that is started for it, or the one `on` (host, port), which keeps what it is given.

    Raises WrongCachedError, or what the stack raises.
    """
    if on is not None:
        return _measured(on, cards, cache, payments, directory)
    with tempfile.TemporaryDirectory(prefix="million-", dir=directory) as scratch:
        stack = Stack(Path(scratch), Wanted(cassandra_nodes=1, kafka_nodes=0), library=LIBRARY, tied=True)
        try:
            stack.up()
            node = stack.node("cassandra")
            return _measured((node.host, node.port), cards, cache, payments, directory)
        finally:
            stack.down(forget=True)


def _measured(
    address: tuple[str, int], cards: int, cache: int, payments: int, directory: Path
) -> CachedReport:
    began = time.perf_counter()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        trio.run(fill, CassandraConfig((address,), KEYSPACE), cards, progress)
    fill_s = time.perf_counter() - began
    done = subprocess.run(
        [sys.executable, "-c", BOOT, address[0], *map(str, (address[1], cards, cache, payments))],
        capture_output=True,
        text=True,
        check=False,
        timeout=1_800,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode:
        raise WrongCachedError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    if found["approved"] != payments:
        raise WrongCachedError(f"of {payments} payments: {found}")
    return CachedReport(machine=look(directory), cards=cards, cache=cache, fill_s=fill_s, **found)


def show(report: CachedReport, console: Console) -> None:
    machine = report.machine
    console.print(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average:.1f}, {machine.python}")
    console.print(f"{report.cards:,} cards in Cassandra, {report.cache:,} accounts in memory at most")
    console.print(f"  filling               {report.fill_s:8.1f} s")
    console.print(f"  boot                  {report.boot_s:8.1f} s   ({report.resident_mb:,.0f} MB then)")
    console.print(
        f"  payments              {report.payments_per_s:8,.0f} /s  ({report.payments:,}, {AT_ONCE} at once)"
    )
    console.print(
        f"  of them hits          {report.hits:8,}     ({report.loads:,} loads, {report.failed_loads} failed)"
    )
    console.print(f"  a miss, p50 / p99     {report.miss_p50_ms:8.1f} ms / {report.miss_p99_ms:.1f} ms")
    console.print(
        f"  evictions             {report.evictions:8,}     (at most {report.accounts_most:,} in memory)"
    )
    console.print(f"  memory at most        {report.peak_mb:8,.0f} MB")
    console.print("What these do not show stands at the top of benchmarks/million_cached.py.")
