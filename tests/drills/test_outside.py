"""The command: its files, its words, and its exit codes where there is nothing to judge by."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from drills.evidence import EvidenceError, Heard, Shown, read_exchanges, read_shown, write_lines
from drills.outside import BROKEN, KEPT, NOTHING, main
from tests.drills.stories import Story, exchange


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A JSON object a line, both ways."""
    exchanges = [exchange("000001", 400, Heard("00", "000004")), exchange("000002", 700)]
    write_lines(tmp_path / "answers", exchanges)
    assert read_exchanges(tmp_path / "answers") == exchanges
    write_lines(tmp_path / "shown", [Shown("alice", -5, 900)])
    assert read_shown(tmp_path / "shown") == [Shown("alice", -5, 900)]


def test_a_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    """By its number, and what should be there; two lines of one message are one too many."""
    file = tmp_path / "answers"
    write_lines(file, [exchange("000001", 400)])
    with file.open("ab") as more:
        more.write(b'{"mti": "0100"}\n')
    with pytest.raises(EvidenceError, match="line 2: Object missing required field `transmission`"):
        read_exchanges(file)
    write_lines(file, [exchange("000001", 400), exchange("000001", 400)])
    with pytest.raises(EvidenceError, match="lines 1 and 2 are both 0100 with STAN 000001"):
        read_exchanges(file)


def test_without_answers_there_is_nothing_to_judge_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line."""
    assert main(["--answers", str(tmp_path / "none")]) == NOTHING
    assert (
        capsys.readouterr().err == f"outside: {tmp_path / 'none'} can't be read: No such file or directory\n"
    )
    assert main(["--answers", str(tmp_path / "none"), "--contact", "nowhere:x"]) == NOTHING
    assert "--contact or --bootstrap" in capsys.readouterr().err


def test_an_embedded_journal_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its directory; all was kept, and the figures say how much there was."""
    story = Story().written()
    (tmp_path / "shard-0").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "shard-0" / "journal.db")) as file:
        file.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        file.executemany("INSERT INTO journal (seq, blob) VALUES (?, ?)", story.slots)
        file.commit()
    write_lines(tmp_path / "answers", story.exchanges)
    write_lines(tmp_path / "shown", story.shown)
    files = ["--answers", str(tmp_path / "answers"), "--balances", str(tmp_path / "shown")]
    assert main([*files, "--data", str(tmp_path)]) == KEPT
    assert capsys.readouterr().out == (
        "6 messages, 5 answered, 3 approvals; 9 records in 7 batches of 2 epochs; Kafka not asked; 2 accounts\n"
        "every promise was kept\n"
    )
    write_lines(tmp_path / "answers", [*story.exchanges, exchange("000007", 50, Heard("00", "00000X"))])
    assert main([*files, "--data", str(tmp_path)]) == BROKEN
    assert capsys.readouterr().out.splitlines()[1:] == [
        "P1 lost: 0100 with STAN 000007 of 0115080000: a client was answered 00 (00000X), and the log does not have it",
        "P1 other_money: account alice: clients were approved 950 to 1000, and the log took 900",
    ]
    assert main([*files, "--data", str(tmp_path / "none")]) == NOTHING
    assert "journal.db can't be read: unable to open database file" in capsys.readouterr().err
