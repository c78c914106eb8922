"""`authoriser explain` as a person meets it: what is printed, what is JSON, and what is said where there is nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from authoriser.explaining import rules_run
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from rules import Reason
from tests.authoriser.explaining.bench import (
    DAY_MS,
    HOUR_MS,
    RRN,
    Bench,
    advice,
    audit,
    clear_row,
    load_policy,
    request,
    reversal,
    token,
)

Run = Callable[..., tuple[int, str, str]]

BEGINNING = """\
card ****0000, account acc-0, network net-a, times in UTC

2027-01-15 08:00:00.000  authorisation request (0100)  record 6
  asked     purchase of 25.00 EUR at SHOP
  named     RRN 412300000017, STAN 000001, acquirer 500, sent 0115080000,
            network id NET-1, merchant M1, MCC 5812, link link-a
  answer    approved, DE39 00, approval code 000006
  payment   6 begins: 25.00 EUR held until 2027-01-22 08:00
  rules     policy 3cac18fb4bdd (record 5): approved, in 8.1 µs here, the median
            of 201 runs
            """

END = """
2027-01-15 09:00:00.000  reversal (0400)  record 7
  named     RRN 412300000018, STAN 900001, acquirer 500, sent 0115080000,
            network id NET-1, merchant M1, MCC 5812, link link-a
  answer    reversal done, DE39 00
  found by  the network's id
  payment   6: held 25.00 -> 20.00 EUR, approved 25.00 -> 20.00 EUR, 5.00 EUR
            given back to the card's limits

2027-01-16 09:00:00.000  clearing file: presentment  record 8
  says      presentment of 30.00 EUR at SHOP
  named     acquirer 500, sent 0115, network id NET-1, reference ref-1, merchant
            M1, MCC 5812, link link-a
  outcome   matched its payment; 10.00 EUR more than was open of it
  found by  the network's id
  payment   6: held 20.00 -> 0.00 EUR, captured 0.00 -> 30.00 EUR, ended
            captured
  posted    presentment: -30.00 EUR to the account, against
            settlement:net-a:20270116:978

now
  payment   6: nothing held, 30.00 EUR captured, ended captured
"""

NEAR = """\
2027-01-15 08:00:00.000  clearing file: presentment  record 6
  card      ****0000, acc-0
  says      presentment of 28.00 EUR
  result    found nothing (1 payment of this card remembered on net-a); posted
            as forced
  1  network id NET-2                          nothing
  2  approval code ZZZZZZ, acquirer 500        nothing
  3  amount 28.00 EUR, merchant M1, date 0115  nothing
  near      payment 5: 0100 sent 0115080000, ****0000, open
  agrees    acquirer 500, merchant M1, date 0115, RRN 412300000017
  differs   network id NET-2, there none; approval code ZZZZZZ, there 000005;
            amount 28.00 EUR, there 25.00 EUR
"""


def cut(text: str) -> str:
    """Without the spaces that fill a line."""
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.fixture
def explain(data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Save a bench's journal and run the command over it; it must end well."""

    # Lines are folded by how wide the figure is, and that is the machine's.
    monkeypatch.setattr(rules_run, "_median_us", lambda *_: 8.1)

    def told(bench: Bench, *args: str) -> str:
        bench.save(data)
        code, out, err = run("explain", *args)
        assert (code, err) == (0, "")
        assert token(0).hex() not in out
        return cut(out)

    return told


Explain = Callable[..., str]


def lived() -> Bench:
    """Authorised, reversed in part, cleared for more than was left."""
    bench = Bench().with_card()
    bench.do(load_policy("# our own\n"))
    bench.do(request(2_500, network_id="NET-1"))
    bench.wait(HOUR_MS)
    bench.do(reversal(network_id="NET-1", rrn="412300000018", new_total_minor=2_000))
    bench.wait(DAY_MS)
    bench.do(clear_row(3_000, network_id="NET-1", rrn=""))
    return bench


def test_a_whole_story(explain: Explain) -> None:
    """Asked, answered, the rules with what they saw, a part reversed, a clearing over it, and where it stands."""
    out = explain(lived(), RRN)
    assert out.startswith(BEGINNING)
    rules, _blank, end = out.removeprefix(BEGINNING).partition("\n\n")
    steps = [line.split()[0] for line in rules.splitlines() if line.endswith(" ok")]
    assert (steps[0], steps[-1]) == ("message", "funds")
    assert rules.endswith("funds              2500 of 10000 available                        ok")
    assert "\n" + end == END


def test_a_decline(explain: Explain) -> None:
    """The rule that declined is the last one, and what an operator should know stands beside the answer."""
    bench = Bench().with_card(balance_minor=100)
    bench.do(request())
    out = explain(bench, RRN)
    assert "  answer    insufficient funds, DE39 51\n  advice    " in out
    assert out.endswith("funds              1000 of 100 available                          no\n")


def test_no_rule_was_asked(explain: Explain) -> None:
    """Of a card of nobody, and of an advice; each says why."""
    bench = Bench().with_card()
    bench.do(request(card=9))
    bench.do(advice())
    out = explain(bench, RRN)
    assert "  rules     none was asked: nobody knows the card\n" in out
    assert "  rules     none was asked: an advice is a fact\n" in out
    assert out.endswith("\n2 cards have messages with it; --stan, or --record, tells them apart\n")


def test_rules_that_say_otherwise_are_loud(explain: Explain) -> None:
    """A record that another program decided: what it says and what the rules say now."""
    bench = Bench().with_card()
    bench.do(request())
    [record] = bench.batches.pop()
    assert isinstance(record, r.Decided)
    bench.batches.append((replace(record, reason=Reason.VELOCITY_LIMIT, policy="0123456789ab"),))
    out = " ".join(explain(bench, RRN).split())
    assert "BEWARE its text is neither in the journal nor this program's default" in out
    assert "BEWARE the record says velocity limit, and the rules of this program say approved" in out


def test_every_kind_of_record_is_told(explain: Explain) -> None:
    """Void, crash, expiry, release, an ambiguous clearing and its settling: each has a title of its own."""
    bench = Bench().with_card()
    asked = [request(100, stan=f"{at:06}") for at in range(5)]
    holds = [bench.did(command) for command in asked]
    bench.do(c.VoidAnswer("acc-0", asked[0].key, holds[0]))
    bench.do(c.MarkAnswerUnknown("acc-0", holds[1]))
    bench.do(c.ReleaseHold("acc-0", holds[2], audit("release")))
    bench.do(clear_row(100))
    [exception_id] = bench.state.commons.exceptions
    bench.do(c.SettleException(exception_id, holds[3], audit("settle")))
    bench.wait(8 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", holds[4]))
    out = explain(bench, RRN)
    titles = [line.split("  ")[1] for line in out.splitlines() if line.startswith("2027-")]
    assert titles == [
        *["authorisation request (0100)"] * 5,
        "no answer left in time: undone",
        "answer unknown: the process ended",
        "an operator released the hold",
        "clearing file: presentment",
        "for an operator: clearing ambiguous",
        "an operator settled it: matched",
        "the hold expired",
    ]


def test_json_is_the_events_with_the_rules(explain: Explain) -> None:
    """Each record as `events` shows it, the rules beside the decision, and where the payment stands."""
    document = json.loads(explain(lived(), RRN, "--json"))
    [story] = document["stories"]
    assert [event["type"] for event in story["records"]] == [
        "card.authorisation.approved",
        "card.reversal.accepted",
        "clearing.posted",
    ]
    run = story["records"][0]["rules"]
    assert (run["source"], run["reason"], run["agrees"]) == ("5", "approved", True)
    assert run["steps"][-1] == {"rule": "funds", "saw": "2500 of 10000 available", "reason": None}
    assert story["payments"] == [
        {
            "hold_id": "6",
            "kind": "payment",
            "currency": "EUR",
            "held_minor": 0,
            "authorised_minor": 2_000,
            "captured_minor": 3_000,
            "ended": "captured",
        }
    ]


# ---- --match


def test_a_near_miss(explain: Explain) -> None:
    """What was looked for, that nothing was found, and what came near."""
    bench = Bench().with_card()
    bench.do(request(2_500))
    bench.do(clear_row(2_800, network_id="NET-2", approval_code="ZZZZZZ"))
    assert explain(bench, "--match", RRN) == NEAR


def test_a_match_as_json(explain: Explain) -> None:
    """Every message that was asked for, by its record."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    cleared = bench.did(clear_row(network_id="NET-1"))
    document = json.loads(explain(bench, "--match", RRN, "--json"))
    assert [(match["record"], match["hold_id"], match["why_nothing"]) for match in document["matches"]] == [
        (number, 0, "is_request"),
        (cleared, number, ""),
    ]
    assert document["matches"][1]["ways"][0] == {
        "name": "network_id",
        "sought": [["network id", "NET-1"]],
        "found": [number],
        "decided": True,
        "tried": True,
    }


def test_the_state_is_that_just_before(explain: Explain) -> None:
    """A second clearing of the same batch finds the payment as the first one left it."""
    bench = Bench().with_card()
    number = bench.did(request(1_000))
    bench.do(clear_row(1_000, reference="ref-1"))
    first = bench.batches.pop()
    bench.do(clear_row(1_000, reference="ref-2"))
    bench.batches.append(first + bench.batches.pop())
    out = explain(bench, "--match", RRN)
    assert f"result    found payment {number} by amount, merchant and date\n" in out
    assert f"near      payment {number}: 0100 sent 0115080000, ****0000, captured\n" in out


def test_a_forgotten_payment_is_named(explain: Explain) -> None:
    """Cleared after its time: the payment of the same reference was not remembered any more."""
    bench = Bench().with_card()
    number = bench.did(request())
    bench.wait(8 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", number))
    bench.wait(60 * DAY_MS)
    cleared = bench.did(clear_row())
    out = explain(bench, "--match", RRN)
    assert f"record {cleared}\n" in out
    assert f"  Payment {number} has the same reference and was not remembered any more.\n" in out


def test_near_misses_of_a_find_are_counted(explain: Explain) -> None:
    """What was found is not buried under what was not meant."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    bench.do(request(stan="000002", network_id="NET-2"))
    bench.do(clear_row(network_id="NET-1"))
    out = explain(bench, "--match", RRN)
    assert f"  result    found payment {number} by the network's id\n" in out
    assert out.endswith("  near      1 more, less like it; --json has them\n")


def test_only_a_request(explain: Explain) -> None:
    """Nothing was looked for, and that is said."""
    bench = Bench().with_card()
    bench.do(request())
    assert "result    nothing was looked for: a request begins a payment of its own" in explain(
        bench, "--match", RRN
    )


# ---- nothing to tell


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("4711",), 1, "no message has the reference 4711; 5 batches were searched. "),
        ((RRN, "--stan", "000009"), 1, f"no message has the reference {RRN} and STAN 000009; "),
        (("--approval-code", "zzz"), 1, "no message has the approval code ZZZ; "),
        (("--record", "99"), 1, "the journal has no record 99\n"),
        (
            ("--record", "2"),
            1,
            "record 2 is about no payment; authoriser events --from 2 shows it\n",
        ),
        ((), 2, "give one of RRN, --approval-code and --record, to say which payment is meant\n"),
        (("1", "--record", "1"), 2, "give one of RRN, "),
        (("--record", "x"), 2, "--record should be a record's number, such as 1042, or an event's id, "),
        (("4111111111111111",), 2, "that has a card number's form, and others can read a command line "),
    ],
)
def test_nothing_found(data: Path, run: Run, args: tuple[str, ...], code: int, text: str) -> None:
    """One line that says what was looked for, or what would be right; a card's number is not repeated."""
    bench = Bench().with_card()
    bench.do(request())
    bench.save(data)
    ended, out, err = run("explain", *args)
    assert (ended, out) == (code, "")
    assert err.startswith(f"authoriser: {text}")
    assert "4111" not in err


def test_an_events_id(explain: Explain) -> None:
    """As `events` prints it."""
    bench = Bench().with_card()
    number = bench.did(request())
    assert f"record {number}\n" in explain(bench, "--record", f"0-{number:012}")


def test_no_journal(data: Path, run: Run) -> None:
    """The place that was looked at is named."""
    assert run("explain", RRN) == (
        1,
        "",
        f"authoriser: there is no journal in {data} (looked for {data}/shard-0/journal.db)\n",
    )
