"""Another policy over the same traffic: what would differ, by reason and amount, and nothing else."""

import random
from pathlib import Path

import pytest

from authoriser.explaining.policy_replay import Amount, Difference, Example, PolicyReplay, Sum, replay_policy
from authoriser.explaining.reading import JournalReader
from authoriser.explaining.shadow import Shadow
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.opening import embedded_journal
from authoriser.places import shard_directory
from rules import CardState, Entry, default_rules, read_policy
from tests.authoriser.explaining.bench import (
    DAY_MS,
    FAR_MS,
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

LIMITS = """
[classes]
food = ["5411", "5812"]
betting = ["7995"]

[[limits]]
window = "day"
amount_minor = 40_000
count = 9

[[limits]]
class = "food"
window = "week"
amount_minor = 60_000

[[limits]]
class = "betting"
window = "month"
count = 6

[[velocity]]
class = "ecommerce"
minutes = 600
count = 4
"""


def replay(
    bench: Bench, tmp_path: Path, policy: str, from_seq: int = 1, to_seq: int | None = None
) -> PolicyReplay:
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))
    return replay_policy(journal, read_policy(policy), lambda _seq: None, from_seq, to_seq)


def busy(seed: int, policy: str = LIMITS) -> Bench:
    """Days of traffic that meets LIMITS: approvals, declines, increments, reversals, voids, advices, a new card."""
    chance = random.Random(seed)
    bench = Bench().with_card(0, 1, balance_minor=900_000)
    bench.do(load_policy(policy))
    cards = [0, 1]
    for number in range(250):
        bench.wait(chance.randrange(HOUR_MS))
        said = {
            "stan": f"{number:06}",
            "rrn": f"{number:012}",
            "mcc": chance.choice(["5411", "5812", "7995", "4111"]),
        }
        card = chance.choice(cards)
        asked = request(
            chance.randrange(100, 9_000),
            card=card,
            entry=chance.choice([Entry.CHIP, Entry.ECOMMERCE, Entry.CONTACTLESS]),
            mti=chance.choice(["0100", "0100", "0200"]),
            network_id=f"N{number - number % 3}",
            increment=number % 3 == 1,
            **said,
        )
        outcome = bench.do(asked)
        happens = chance.randrange(8)
        if happens == 0:
            total = chance.choice([None, asked.particulars.amount_minor // 2])
            bench.do(reversal(card=card, new_total_minor=total, rrn=said["rrn"], stan=said["stan"]))
        elif happens == 1 and outcome.hold_id:
            bench.do(c.VoidAnswer("acc-0", asked.key, outcome.hold_id))
        elif happens == 2:
            entry = chance.choice([Entry.CHIP, Entry.ECOMMERCE])
            amount_minor, approving = chance.randrange(100, 9_000), chance.random() < 0.5
            bench.do(advice(amount_minor, card=card, approving=approving, entry=entry, **said))
        elif happens == 3:
            bench.do(clear_row(asked.particulars.amount_minor, card=card, reference=f"r{number}", **said))
        if number == 120:
            issue = c.IssueCard(
                "acc-0", "card-2", token(2), 1, "0002", "9912", FAR_MS, CardState.ACTIVE, audit("replace")
            )
            bench.do(c.ReplaceCard("card-0", FAR_MS, issue, audit("replace")))
            cards.append(2)
    return bench


def test_the_same_policy_differs_in_nothing(tmp_path: Path) -> None:
    """Busy days under limits and velocity, replayed under the policy that decided them."""
    bench = busy(seed=7)
    report = replay(bench, tmp_path, LIMITS)
    reasons = {
        record.reason for records in bench.batches for record in records if isinstance(record, r.Decided)
    }
    assert {"approved", "amount_limit", "count_limit", "velocity_limit"} <= reasons
    assert (report.compared, report.same, report.differences) == (250, 250, ())


@pytest.mark.parametrize("policy", [LIMITS, LIMITS.partition("[[velocity]]")[0]])
def test_shadow_counters_are_the_ledgers(policy: str) -> None:
    """Before every decision, the recounted facts are those that the rules saw, to the last field."""
    bench = busy(seed=11, policy=policy)
    shadow = Shadow(read_policy(policy))
    compared = number = 0
    for records in bench.batches:
        for record in records:
            if isinstance(record, r.Decided) and record.facts is not None:
                assert shadow.facts(record.card_id, record.facts) == record.facts
                compared += 1
            number += 1
            shadow.feed(number, record)
    assert compared == 250


def test_differences_by_reason_and_amount(tmp_path: Path) -> None:
    """A smaller limit declines some of what was approved, and is the reason of what was declined anyway."""
    bench = Bench().with_card()
    small, large = bench.did(request(500, stan="000001")), bench.did(request(2_000, stan="000002"))
    poor = bench.did(request(90_000, stan="000003"))
    report = replay(bench, tmp_path, '[[limits]]\nwindow = "transaction"\namount_minor = 1_000\n')
    at = "2027-01-15T08:00:00.000Z"
    assert small < large
    assert report.differences == (
        Difference(
            "approved",
            "transaction_limit",
            1,
            (Amount(2_000, "EUR"),),
            (Example(large, at, RRN, "0000", 2_000, "EUR"),),
        ),
        Difference(
            "insufficient_funds",
            "transaction_limit",
            1,
            (Amount(90_000, "EUR"),),
            (Example(poor, at, RRN, "0000", 90_000, "EUR"),),
        ),
    )
    assert (report.compared, report.same) == (3, 1)
    assert report.newly_declined == Sum(1, (Amount(2_000, "EUR"),))
    assert report.newly_approved == Sum(0, ())
    assert report.other_reason == Sum(1, (Amount(90_000, "EUR"),))
    assert report.policies == {default_rules().version: 3}


def test_newly_approved(tmp_path: Path) -> None:
    """What a limit had declined, and the default policy lets through."""
    bench = Bench().with_card()
    bench.do(load_policy('[[limits]]\nwindow = "transaction"\namount_minor = 1_000\n'))
    bench.do(request(2_000))
    report = replay(bench, tmp_path, default_rules().text)
    assert report.newly_approved == Sum(1, (Amount(2_000, "EUR"),))


def test_new_classes_have_counts_from_the_beginning(tmp_path: Path) -> None:
    """A class that no policy had before: what was spent before `--from` is counted, and only later batches compared."""
    bench = Bench().with_card()
    policy = '[classes]\nfood = ["5812"]\n[[limits]]\nclass = "food"\nwindow = "day"\ncount = 2\n'
    for number in range(3):
        bench.do(request(100, stan=f"{number:06}"))
    bench.do(request(100, stan="000009", mcc="4111"))
    last = len(bench.batches)
    report = replay(bench, tmp_path, policy, from_seq=last - 1)
    [difference] = report.differences
    assert (difference.before, difference.after, difference.count) == ("approved", "count_limit", 1)
    assert (report.compared, report.same, report.from_seq, report.to_seq) == (2, 1, last - 1, last)


def test_what_was_given_back_is_not_counted(tmp_path: Path) -> None:
    """A reversed payment uses up nothing of a new class either."""
    bench = Bench().with_card()
    policy = '[classes]\nfood = ["5812"]\n[[limits]]\nclass = "food"\nwindow = "day"\ncount = 1\n'
    bench.do(request(100))
    bench.do(reversal(stan="000001"))
    bench.do(request(100, stan="000002", rrn="412300000018"))
    assert replay(bench, tmp_path, policy).differences == ()


def test_up_to_a_batch(tmp_path: Path) -> None:
    """`--to` ends it; an end beyond the journal is the journal's."""
    bench = Bench().with_card()
    bench.do(request(100))
    first = len(bench.batches)
    bench.do(request(100, stan="000002"))
    assert (
        replay(bench, tmp_path / "a", "", to_seq=first).compared,
        replay(bench, tmp_path / "b", "").compared,
    ) == (
        1,
        2,
    )


def test_a_part_stays_a_part(tmp_path: Path) -> None:
    """Approved for what was there: the rules say insufficient funds, which is the same answer."""
    bench = Bench().with_card(balance_minor=600)
    bench.do(request(1_000, partial_allowed=True))
    report = replay(bench, tmp_path, "")
    assert (report.compared, report.same) == (1, 1)


def test_decisions_without_rules_are_told_apart(tmp_path: Path) -> None:
    """An advice and a card of nobody were not judged, so they are not compared."""
    bench = Bench().with_card()
    bench.do(advice())
    bench.do(request(card=9))
    bench.do(request(stan="000002"))
    report = replay(bench, tmp_path, "")
    assert (report.compared, report.without_facts) == (1, 2)


def test_nothing_is_written(tmp_path: Path) -> None:
    """Every file of the data directory is the same after as before."""
    bench = busy(seed=3)
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in shard_directory(tmp_path, 0).iterdir()}

    before = files()
    replay_policy(journal, read_policy(LIMITS), lambda _seq: None)
    assert files() == before


def test_an_empty_span(tmp_path: Path) -> None:
    """A journal without a single decision compares none."""
    bench = Bench().with_card()
    bench.wait(DAY_MS)
    report = replay(bench, tmp_path, "")
    assert (report.compared, report.same, report.differences, report.policies) == (0, 0, (), {})
