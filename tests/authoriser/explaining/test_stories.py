"""Stories: everything that belongs to a payment, and nothing of another."""

from pathlib import Path

from msgspec.structs import replace

from authoriser.explaining.reading import JournalReader
from authoriser.explaining.stories import Query, Story, find_stories
from authoriser.ledger import commands as c
from authoriser.opening import embedded_journal
from rules import CardState
from tests.authoriser.explaining.bench import (
    DAY_MS,
    FAR_MS,
    HOUR_MS,
    RRN,
    Bench,
    audit,
    clear_row,
    request,
    reversal,
    token,
)


def stories(bench: Bench, tmp_path: Path, query: Query) -> tuple[Story, ...]:
    return find_stories(JournalReader(embedded_journal(bench.save(tmp_path))), query, lambda _seq: None)


def numbers(story: Story) -> list[int]:
    return [read.number for read in story.reads]


def test_a_life_of_several_references(tmp_path: Path) -> None:
    """An increment, a clearing and a reversal under other RRNs are of the story, by their payment; others are not."""
    bench = Bench().with_card()
    first = bench.did(request(network_id="NET-1"))
    more = bench.did(request(increment=True, network_id="NET-1", rrn="412300000018", stan="000002"))
    bench.do(request(rrn="412300000099", stan="000003", network_id="NET-9"))
    bench.wait(DAY_MS)
    cleared = bench.did(clear_row(500, network_id="NET-1", rrn=""))
    late = bench.did(reversal(rrn="412300000020", network_id="NET-1"))
    [story] = stories(bench, tmp_path, Query(reference=RRN))
    told = [first, more, cleared, late, *range(late + 1, bench.state.record_no + 1)]
    assert (numbers(story), story.payments, story.asked) == (told, (first,), (first,))
    assert (story.network, story.account_id, story.last_four) == ("net-a", "acc-0", "0000")


def test_expiry_void_and_release_belong_to_it(tmp_path: Path) -> None:
    """What a timer, a missed deadline or an operator did to the payment is told too."""
    bench = Bench().with_card()
    asked = request()
    first = bench.did(asked)
    second = bench.did(request(stan="000002"))
    third = bench.did(request(stan="000003"))
    void = bench.did(c.VoidAnswer("acc-0", asked.key, first))
    release = bench.did(c.ReleaseHold("acc-0", second, audit("release")))
    bench.wait(8 * DAY_MS)
    expiry = bench.did(c.ExpireHold("acc-0", third))
    [story] = stories(bench, tmp_path, Query(reference=RRN))
    assert numbers(story) == [first, second, third, void, release, expiry]


def test_two_cards_are_two_stories(tmp_path: Path) -> None:
    """The same RRN on two cards, and on a card of nobody; each says whose it is."""
    bench = Bench().with_card(0, 1)
    mine, other = bench.did(request()), bench.did(request(card=1))
    nobodys = bench.did(request(card=9))
    found = stories(bench, tmp_path, Query(reference=RRN))
    assert [(numbers(story), story.last_four, story.account_id) for story in found] == [
        ([mine], "0000", "acc-0"),
        ([other], "0001", "acc-0"),
        ([nobodys], "0009", ""),
    ]


def test_a_card_and_its_successor_are_one_story(tmp_path: Path) -> None:
    """Authorised with the old number and cleared under the new one."""
    bench = Bench().with_card()
    issue = c.IssueCard(
        "acc-0", "card-1", token(1), 1, "0001", "9912", FAR_MS, CardState.ACTIVE, audit("replace"), 0
    )
    first = bench.did(request(network_id="NET-1"))
    bench.do(c.ReplaceCard("card-0", FAR_MS, issue, audit("replace")))
    cleared = bench.did(clear_row(card=1, network_id="NET-1"))
    [story] = stories(bench, tmp_path, Query(reference=RRN))
    assert (numbers(story), story.payments) == ([first, cleared], (first,))


def test_what_an_operator_settled(tmp_path: Path) -> None:
    """An ambiguous clearing brings its entry of the exception list, and the decision about it."""
    bench = Bench().with_card()
    twins = [bench.did(request(stan=stan, rrn="")) for stan in ("000002", "000003")]
    cleared = bench.did(clear_row())
    [exception_id] = bench.state.commons.exceptions
    settled = bench.did(c.SettleException(exception_id, twins[1], audit("settle")))
    [story] = stories(bench, tmp_path, Query(reference=RRN))
    assert numbers(story) == [cleared, cleared + 1, settled]


def test_a_decline_has_no_payment(tmp_path: Path) -> None:
    """Its story is the decision alone."""
    bench = Bench().with_card(balance_minor=1)
    declined = bench.did(request())
    [story] = stories(bench, tmp_path, Query(reference=RRN))
    assert (numbers(story), story.payments) == ([declined], ())


def test_other_ways_to_ask(tmp_path: Path) -> None:
    """By STAN beside the RRN, by approval code (ours, or the one a message names), by a record's number."""
    bench = Bench().with_card()
    first, second = bench.did(request()), bench.did(request(stan="000002"))
    bench.wait(HOUR_MS)
    cleared = bench.did(clear_row(approval_code="STANDN", network_id="NET-7", rrn="", reference="74123"))
    journal = JournalReader(embedded_journal(bench.save(tmp_path)))
    asked = {
        "stan": Query(reference=RRN, stan="000002"),
        "code": Query(approval_code=bench.account.payments[first].approval_codes[0]),
        "their code": Query(approval_code="STANDN"),
        "network": Query(reference="NET-7"),
        "acquirer": Query(reference="74123"),
        "record": Query(record=second),
        "nothing": Query(reference="4123"),
        "beyond": Query(record=999),
    }
    found = {
        name: [story.asked for story in find_stories(journal, query, lambda _seq: None)]
        for name, query in asked.items()
    }
    assert found == {
        "stan": [(second,)],
        "code": [(first,)],
        "their code": [(cleared,)],
        "network": [(cleared,)],
        "acquirer": [(cleared,)],
        "record": [(second,)],
        "nothing": [],
        "beyond": [],
    }


def test_a_record_of_its_payment_leads_to_the_whole(tmp_path: Path) -> None:
    """Asked for an expiry's number, the story begins with the request."""
    bench = Bench().with_card()
    first = bench.did(request())
    bench.wait(8 * DAY_MS)
    expiry = bench.did(c.ExpireHold("acc-0", first))
    [story] = stories(bench, tmp_path, Query(record=expiry))
    assert (numbers(story), story.last_four) == ([first, expiry], "0000")


def test_padded_references(tmp_path: Path) -> None:
    """An RRN that came with spaces (DE37 is of fixed length) is found without them."""
    bench = Bench().with_card()
    asked = request()
    padded = replace(asked, particulars=replace(asked.particulars, rrn="4123000     "))
    number = bench.did(padded)
    [story] = stories(bench, tmp_path, Query(reference="4123000"))
    assert numbers(story) == [number]
