"""The command: its files, its words, and its exit codes where there is nothing to judge by."""

from pathlib import Path

import pytest

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from drills.evidence import EvidenceError, Heard, Shown, read_exchanges, read_shown, write_lines
from drills.outside import NOTHING, main
from tests.drills.stories import exchange


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
