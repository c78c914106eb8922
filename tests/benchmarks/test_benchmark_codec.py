"""The codec benchmark times nothing that is wrong, and runs end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.codec import MESSAGES, WrongResultError, cases, contenders
from isowire import Message, dialect_names

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.codec", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_the_four_messages_are_what_they_are_called() -> None:
    """Seventeen fields, a chip's data, an answer, original data elements."""
    first, chip, answer, reversal = (case.message for case in cases())
    assert (first.mti, len(first.fields)) == ("0100", 17)
    assert (chip.mti, "55" in chip.fields) == ("0100", True)
    assert answer.mti == "0110"
    assert (reversal.mti, "90" in reversal.fields) == ("0420", True)


@pytest.mark.parametrize("changed", ["fields", "payload"])
def test_a_wrong_result_is_not_timed(changed: str) -> None:
    """A golden message that says otherwise than the libraries stops the run before it."""
    case = cases()[0]
    if changed == "fields":
        wrong = replace(case, message=Message("0100", {**case.message.fields, "3": "000001"}))
    else:
        wrong = replace(case, payload=case.payload.replace(b"978", b"840"))
    with pytest.raises(WrongResultError, match="decodes other values of DE"):
        contenders(wrong)


def test_a_quick_run_of_the_whole() -> None:
    """JSON with every message, every library that is here, and every dialect's start."""
    report = json.loads(run("--quick", "--json"))
    assert list(dict.fromkeys(row["message"] for row in report["rows"])) == list(MESSAGES)
    for row in report["rows"]:
        if not row["cannot"]:
            assert row["decode"]["us"]["median"] > 0
            assert row["encode"]["times_as_fast"]["p10"] > 0
    assert [start["dialect"] for start in report["starts"]] == dialect_names()


def test_the_table_and_the_versions() -> None:
    """What people see names the libraries."""
    assert "isowire, not" in run("--quick")
    assert "pyiso8583 " in run("--versions")
