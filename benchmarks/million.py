"""A million cards: `python -m benchmarks.million [--cards N] [--payments P] [--cassandra --cache C] [--json]`.

Fills a data directory with cards as an import would (an account each, funded, by the ledger's own commands and
records), saves their snapshots and the journal's end as the server does, and then starts the server's own recovery in
a process of its own: how long from its first line to a shard that decides, and how much memory it holds then and held
at most.

What the figures do not show:
- The sockets and the admin door of a server, some 20 MB.
- The PANs. A server remembers the token of each number that it has met since it started, 200 bytes each.
- A journal's tail. Here the checkpoint covers all of it; what came after the last snapshot round is replayed besides.
- A life. The cards have no history; with `--payments` each has so many, an hour old, with their answers kept for
  repeats and reversals. A payment costs more than a card, and is remembered for weeks.
- Your disk. The snapshots are in the page cache here, since they were just written.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress

from authoriser.config_checks import parse_address
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.journal.sqlite import SqliteJournal
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.apply import apply
from authoriser.ledger.decide import decide
from authoriser.ledger.state import ShardState
from authoriser.recovery import COMMONS_ID
from authoriser.snapshots import Blob
from authoriser.snapshots.sqlite import SqliteSnapshots
from benchmarks.decide import FAR_MS, POLICY, START_MS, Setting, Traffic
from benchmarks.machine import Machine, look
from rules import CardState

SLICE: Final = 2_000
"""Accounts made, saved and let go together: the filling shall not need the memory that is measured."""
CARDS_MOST: Final = 10_000_000


DECISIONS: Final = 2_000
"""Asked of what was recovered, each of another card, to show that it decides."""


class Report(Struct, frozen=True):
    machine: Machine
    cards: int
    """An account each."""
    payments: int
    """A card, each with its kept answer."""
    snapshots_mb: float
    boot_s: float
    """From the first line of the process: imports, snapshots, indexes, the expiries' order."""
    boot_cpu_s: float
    """Of these, what it computed: the rest it waited for a core or the disk."""
    resident_mb: float
    peak_mb: float
    approved: int
    """Of DECISIONS."""


async def fill(directory: Path, cards: int, payments: int, progress: Progress) -> None:
    """Journal and snapshots of so many cards. The journal keeps every record; the checkpoint covers them all."""
    journal, snapshots = SqliteJournal(directory), SqliteSnapshots(directory)
    task = progress.add_task("making cards", total=cards)
    state = ShardState(0)
    seq, previous = 0, GENESIS
    encoder = msgspec.msgpack.Encoder()
    for first in range(0, cards, SLICE):
        several = range(first, min(first + SLICE, cards))
        begin = state.record_no + 1
        records: list[r.Record] = (
            [r.EpochStarted(START_MS, 1, "bench", "bench", clean=True)] if not seq else []
        )
        for record in records:
            apply(state, record)
        for card in several:
            records += make_card(state, card)
        traffic = Traffic(Setting(cards=cards, seed=first), after=first * payments)
        for card in several:
            for _ in range(payments):
                records += _play(state, traffic.purchase(card), START_MS + 1_000)
        seq += 1
        batch = Batch(VERSION, 0, seq, 1, "bench", begin, state.last_ms, previous, records)
        blob, previous = encode_batch(batch)
        await journal.append(seq, blob)
        blobs = [Blob(a.account_id, a.version, encoder.encode(a)) for a in state.accounts.values()]
        await snapshots.save(blobs)
        for account in state.accounts.values():
            for issued in account.cards.values():
                del state.cards[issued.card_id], state.tokens[issued.token]
        state.accounts.clear()
        state.cards_by_last_four.clear()
        progress.update(task, completed=several.stop)
    ended = r.EpochEnded(state.last_ms)
    apply(state, ended)
    last = Batch(VERSION, 0, seq + 1, 1, "bench", state.record_no, state.last_ms, previous, [ended])
    await journal.append(seq + 1, encode_batch(last)[0])
    await snapshots.save([Blob(COMMONS_ID, state.commons.version, encoder.encode(state.commons))])
    await snapshots.move_checkpoint(seq + 1)
    await snapshots.close()
    await journal.close()


def account_of_card(card: int) -> str:
    return f"A{card:07}"


def make_card(state: ShardState, card: int) -> tuple[r.Record, ...]:
    """Apply and give one row of an import: ids as the admin socket makes them, a token as the HMAC gives it."""
    audit = r.Audit("", "bench", 0, "a benchmark", "import", 0)
    account_id = account_of_card(card)
    issued = c.IssueCard(
        account_id=account_id,
        card_id=f"card_{card:016x}",
        token=f"token-of-card-{card:018}".encode(),
        key_version=1,
        last_four=f"{card % 10_000:04}",
        expiry="4912",
        expires_ms=FAR_MS,
        state=CardState.ACTIVE,
        audit=audit,
        funded_minor=200_000,
    )
    opened = c.OpenAccount(account_id, "978", 0, "Europe/Lisbon", audit)
    return _play(state, c.ImportRow(opened, issued), START_MS)


def _play(state: ShardState, command: c.Command, now_ms: int) -> tuple[r.Record, ...]:
    outcome = decide(state, command, now_ms, POLICY)
    for record in outcome.records:
        apply(state, record)
    return outcome.records


BOOT: Final = """
import time
began, began_cpu = time.perf_counter(), time.process_time()
import gc, json, sys
from pathlib import Path
import trio
from authoriser.journal.sqlite import SqliteJournal
from authoriser.owner import take_shard
from authoriser.memory import settle_memory
from authoriser.snapshots.sqlite import SqliteSnapshots
from benchmarks.decide import POLICY, START_MS, Setting, Traffic
from authoriser.ledger.decide import decide
from authoriser.ledger.apply import apply

def status(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024

async def main():
    directory, cards = Path(sys.argv[1]), int(sys.argv[2])
    journal, snapshots = SqliteJournal(directory), SqliteSnapshots(directory)
    owner = await take_shard(shard=0, journal=journal, snapshots=snapshots, policies={"bench": POLICY})
    settle_memory()
    boot_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    resident, peak = status("VmRSS"), status("VmHWM")
    traffic, approved = Traffic(Setting(cards=cards, seed=2), after=10**9), 0
    for number in range(int(sys.argv[3])):
        outcome = decide(owner.state, traffic.purchase(number * 7919 % cards), START_MS + 2000, POLICY)
        for record in outcome.records:
            apply(owner.state, record)
        approved += outcome.reply.reason.value == "approved"
    print(json.dumps({
        "boot_s": boot_s, "boot_cpu_s": cpu_s, "resident_mb": resident, "peak_mb": peak,
        "approved": approved, "cards": len(owner.state.cards),
    }))
    await snapshots.close()
    await journal.close()

trio.run(main)
"""


class WrongResultError(Exception):
    """What was recovered is not what was made."""


def measure(cards: int, payments: int, directory: Path) -> Report:
    """Fill and boot. Raises WrongResultError."""
    with tempfile.TemporaryDirectory(prefix="million-", dir=directory) as scratch:
        folder = Path(scratch)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            trio.run(fill, folder, cards, payments, progress)
        size_mb = (folder / "snapshots.db").stat().st_size / 2**20
        done = subprocess.run(
            [sys.executable, "-c", BOOT, str(folder), str(cards), str(DECISIONS)],
            capture_output=True,
            text=True,
            check=False,
            timeout=1_800,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    if done.returncode:
        raise WrongResultError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    if found["cards"] != cards or found["approved"] != DECISIONS:
        raise WrongResultError(f"of {cards} cards and {DECISIONS} payments: {found}")
    return Report(
        machine=look(directory),
        cards=cards,
        payments=payments,
        snapshots_mb=size_mb,
        boot_s=found["boot_s"],
        boot_cpu_s=found["boot_cpu_s"],
        resident_mb=found["resident_mb"],
        peak_mb=found["peak_mb"],
        approved=found["approved"],
    )


def show(report: Report, console: Console) -> None:
    machine = report.machine
    console.print(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average:.1f}, {machine.python}")
    console.print(f"{report.cards:,} cards, {report.payments} payments each; commit {machine.commit}")
    console.print(
        f"  boot from snapshots   {report.boot_s:8.1f} s   ({report.boot_cpu_s:.1f} s of CPU time; "
        f"{report.snapshots_mb:,.0f} MB of snapshots)"
    )
    console.print(f"  memory then           {report.resident_mb:8,.0f} MB")
    console.print(f"  memory at most        {report.peak_mb:8,.0f} MB")
    console.print(f"  of it, a card         {report.resident_mb * 2**20 / report.cards:8,.0f} bytes")
    console.print("What these do not show stands at the top of benchmarks/million.py.")


def _cached(arguments: argparse.Namespace) -> None:
    from benchmarks import million_cached

    try:
        on = (arguments.on.host, arguments.on.port) if arguments.on is not None else None
        report = million_cached.measure(
            arguments.cards,
            arguments.cache,
            arguments.dir,
            payments=arguments.payments or million_cached.PAYMENTS,
            on=on,
        )
    except million_cached.WrongCachedError as problem:
        sys.exit(f"nothing was measured: {problem}")
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        million_cached.show(report, Console(width=100, highlight=False))


def main() -> None:
    """Exit code 1 where what was recovered is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.million",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cards", type=int, default=1_000_000, help="how many (default: a million)")
    parser.add_argument(
        "--payments",
        type=int,
        default=0,
        help="of each card (default: none); with --cassandra in all, each of another card (default: 20,000)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--cassandra", action="store_true", help="on a real Cassandra, most of them not in memory"
    )
    parser.add_argument("--cache", type=int, default=100_000, help="accounts in memory with --cassandra")
    parser.add_argument(
        "--on",
        type=parse_address,
        metavar="HOST:PORT",
        help="with --cassandra: one that runs, and keeps the cards: filling goes on where it was interrupted",
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="where there is room: 1 kB a card")
    arguments = parser.parse_args()
    if not 1 <= arguments.cards <= CARDS_MOST or arguments.payments < 0:
        parser.error(f"--cards should be 1 to {CARDS_MOST}, --payments 0 or more")
    began = time.perf_counter()
    if arguments.cassandra:
        _cached(arguments)
        return
    try:
        report = measure(arguments.cards, arguments.payments, arguments.dir)
    except WrongResultError as problem:
        sys.exit(f"nothing was measured: {problem}")
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, Console(width=100, highlight=False))
        sys.stdout.write(f"took {time.perf_counter() - began:.0f} s in all\n")


if __name__ == "__main__":
    main()
