"""Rules run again: under the very policy that decided, and loud where that cannot be."""

from pathlib import Path

from msgspec.structs import replace

from authoriser.explaining.reading import JournalReader
from authoriser.explaining.rules_run import RulesRun, policies_of, run_rules
from authoriser.ledger import records as r
from authoriser.opening import embedded_journal
from rules import Reason, default_rules, read_policy
from tests.authoriser.explaining.bench import Bench, advice, load_policy, request

SMALL = '[[limits]]\nwindow = "transaction"\namount_minor = 900\n'


def ignore(_seq: int) -> None:
    pass


def last_decision(bench: Bench) -> r.Decided:
    [record] = bench.batches[-1]
    assert isinstance(record, r.Decided)
    return record


def run(bench: Bench, tmp_path: Path, record: r.Decided) -> RulesRun:
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))
    done = run_rules(record, policies_of(journal, [record.policy], ignore))
    assert done is not None
    return done


def test_the_default_policy(tmp_path: Path) -> None:
    """Nothing was loaded: every rule that was asked is told in its order, and each lets it through."""
    bench = Bench().with_card()
    bench.do(request())
    record = last_decision(bench)
    done = run(bench, tmp_path, record)
    assert (done.source, done.policy, done.version) == ("default", record.policy, default_rules().version)
    assert (done.reason, done.agrees) == (Reason.APPROVED, True)
    assert record.facts is not None
    assert done.steps == default_rules().explain(record.facts)
    assert {step.reason for step in done.steps} == {None}
    assert done.microseconds > 0


def test_the_policy_of_its_time(tmp_path: Path) -> None:
    """A policy that was loaded before, and replaced since, is found by its version."""
    bench = Bench().with_card()
    number = bench.did(load_policy(SMALL))
    bench.do(request())
    declined = last_decision(bench)
    bench.do(load_policy(SMALL + "# newer\n", key="newer"))
    done = run(bench, tmp_path, declined)
    assert (done.source, done.version) == (str(number), read_policy(SMALL).version)
    assert (done.reason, done.agrees) == (Reason.TRANSACTION_LIMIT, True)
    assert done.steps[-1].reason is Reason.TRANSACTION_LIMIT


def test_a_policy_that_nobody_has(tmp_path: Path) -> None:
    """A default of another program: this one's runs in its place, and that is said."""
    bench = Bench().with_card()
    bench.do(request())
    record = replace(last_decision(bench), policy="0123456789ab")
    done = run(bench, tmp_path, record)
    assert (done.source, done.policy, done.version) == ("", "0123456789ab", default_rules().version)


def test_a_policy_that_this_program_cannot_read(tmp_path: Path) -> None:
    """Its keys are another program's: as good as lost."""
    bench = Bench().with_card()
    bench.do(request())
    record = replace(last_decision(bench), policy="0123456789ab")
    foreign = r.PolicyChanged(bench.now_ms, "0123456789ab", "no_such_key = 1", r.Audit("", "", 0, "", "", 0))
    bench.batches.append((foreign,))
    assert run(bench, tmp_path, record).source == ""


def test_another_answer_than_the_record_has(tmp_path: Path) -> None:
    """The rules say yes and the record no: that is told, not smoothed over."""
    bench = Bench().with_card()
    bench.do(request())
    record = replace(last_decision(bench), reason=Reason.VELOCITY_LIMIT)
    done = run(bench, tmp_path, record)
    assert (done.reason, done.agrees) == (Reason.APPROVED, False)


def test_a_part_is_approved_for_want_of_funds(tmp_path: Path) -> None:
    """The rules say insufficient funds, and the ledger made of it what the shop could take: no contradiction."""
    bench = Bench().with_card(balance_minor=600)
    bench.do(request(1_000, partial_allowed=True))
    record = last_decision(bench)
    assert record.reason is Reason.APPROVED_PARTIALLY
    done = run(bench, tmp_path, record)
    assert (done.reason, done.agrees) == (Reason.INSUFFICIENT_FUNDS, True)


def test_no_rule_for_an_advice(tmp_path: Path) -> None:
    """A fact is not judged."""
    bench = Bench().with_card()
    bench.do(advice())
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))
    assert run_rules(last_decision(bench), policies_of(journal, [], ignore)) is None
