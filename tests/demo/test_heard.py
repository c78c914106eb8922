"""The simulator's log, read while it grows."""

import json
from pathlib import Path
from typing import Any

from demo.heard import NetworkLog


def line(stan: int, **changed: Any) -> bytes:
    exchange = {
        "kind": "payment",
        "mti": "0100",
        "stan": f"{stan:06}",
        "rrn": f"{stan:012}",
        "de7": "1123012745",
        "de32": "400226",
        "last_four": "0315",
        "card_line": 2,
        "amount_minor": 1250,
        "currency": "978",
        "sent_at": "2026-11-23T01:27:45.190Z",
        "fields": {"43": "CAFE DO LARGO            LISBOA       PT"},
        "response_code": "00",
        "approval_code": "0004PK",
    } | changed
    return json.dumps(exchange).encode() + b"\n"


def test_a_line_is_read_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    """The simulator may be in the middle of a line."""
    path = tmp_path / "shop.jsonl"
    log = NetworkLog(path)
    log.read()
    assert log.exchanges == []
    second = line(2)
    path.write_bytes(line(1) + second[:40])
    log.read()
    log.read()
    assert [each.stan for each in log.exchanges] == ["000001"]
    path.write_bytes(line(1) + second)
    log.read()
    assert [each.stan for each in log.exchanges] == ["000001", "000002"]
    assert log.answered == 2


def test_bars_count_answers_by_half_seconds_of_sending(tmp_path: Path) -> None:
    """Silence is a gap, not left out."""
    path = tmp_path / "shop.jsonl"
    times = ("45.000", "45.499", "45.500", "47.100")
    lines = [line(number, sent_at=f"2026-11-23T01:27:{at}Z") for number, at in enumerate(times, 1)]
    lines.append(line(9, sent_at="2026-11-23T01:27:46.000Z", response_code=""))
    path.write_bytes(b"".join(lines))
    log = NetworkLog(path)
    log.read()
    assert log.bars() == [2, 1, 0, 0, 1]


def test_the_busy_card_was_used_about_as_often_as_wanted_and_approved_last(tmp_path: Path) -> None:
    """Line 3 was used twice; line 4 three times, the last time in vain; line 2 once."""
    path = tmp_path / "shop.jsonl"
    uses = [(2, "00"), (3, "00"), (3, "00"), (4, "00"), (4, "00"), (4, "51")]
    path.write_bytes(
        b"".join(line(n, card_line=card, response_code=code) for n, (card, code) in enumerate(uses))
    )
    log = NetworkLog(path)
    log.read()
    chosen = log.busy_card(3)
    assert chosen is not None
    assert (chosen.card_line, chosen.stan) == (3, "000002")
