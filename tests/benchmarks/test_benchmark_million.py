"""The benchmark of a million cards boots what it made, runs end to end, and reports nothing that is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.progress import Progress

from authoriser.journal.sqlite import SqliteJournal
from authoriser.ledger.digest import problems, state_hash
from authoriser.recovery import Replayer, recover
from authoriser.snapshots.sqlite import SqliteSnapshots
from benchmarks import million

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.million", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_small_run_of_the_whole(tmp_path: Path) -> None:
    """3,000 cards with a payment each, in JSON; nothing of them is left on the disk."""
    done = run("--cards", "3000", "--payments", "1", "--json", "--dir", str(tmp_path))
    report = json.loads(done.stdout)
    assert (report["cards"], report["payments"], report["approved"]) == (3_000, 1, million.DECISIONS)
    assert 0 < report["boot_cpu_s"] <= report["boot_s"] * 1.1
    assert 0 < report["resident_mb"] <= report["peak_mb"]
    assert report["snapshots_mb"] > 1
    assert list(tmp_path.iterdir()) == []


async def test_what_it_makes_is_what_a_server_leaves(tmp_path: Path) -> None:
    """The journal alone, replayed, is the same state as the snapshots: to the hash, over several slices."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(million, "SLICE", 20)
        await million.fill(tmp_path, 50, 2, Progress(disable=True))
    journal, snapshots = SqliteJournal(tmp_path), SqliteSnapshots(tmp_path)
    loaded = (await recover(journal, snapshots, 0)).state
    replayer = Replayer(0)
    for seq, blob in await journal.read(1, 100):
        replayer.feed(seq, blob)
    replayed = replayer.finish()
    await snapshots.close()
    await journal.close()
    assert state_hash(loaded) == state_hash(replayed)
    assert problems(loaded) == []
    assert len(loaded.cards) == 50
    assert sum(len(account.payments) for account in loaded.accounts.values()) == 100


def test_cards_that_got_lost_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A boot that has fewer cards than were made is no figure."""

    async def fill_less(directory: Path, cards: int, payments: int, progress: Progress) -> None:
        await fill(directory, cards - 1, payments, progress)

    fill = million.fill
    monkeypatch.setattr(million, "fill", fill_less)
    with pytest.raises(million.WrongResultError, match="of 2500 cards and 2000 payments"):
        million.measure(2_500, 0, tmp_path)


@pytest.mark.parametrize("wrong", [("--cards", "0"), ("--payments", "-1")])
def test_figures_that_are_none(wrong: tuple[str, str]) -> None:
    """Refused with what would be right."""
    done = run(*wrong)
    assert done.returncode == 2
    assert "--cards should be 1 to 10000000, --payments 0 or more" in done.stderr
