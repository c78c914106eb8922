"""What becomes of a hold: voided because no answer left, expired, or marked; and what is noted for operators."""

import pytest
from ledger_bench import DAY_MS, Bench, credit, request, reversal

from authoriser.ledger import commands as c
from authoriser.ledger.commands import Reply
from rules import Reason

# ---- sent or void


def void(bench: Bench, asked: c.AuthorisationRequest) -> c.VoidAnswer:
    return c.VoidAnswer("acc-0", asked.key, bench.account.kept[asked.key].hold_id)


def test_a_void_releases_the_hold_and_declines_the_repeat(bench: Bench) -> None:
    """No byte of the approval left in time: the network will not hear it later either (P2)."""
    asked = request()
    bench.do(asked)
    bench.do(void(bench, asked))
    assert bench.money == (10_000, 0, 10_000)
    again = bench.do(asked)
    assert again.reply == Reply(Reason.ANSWER_VOID, "68")
    assert (again.repeated, again.hold_id) == (True, 0)


def test_a_second_void_does_nothing(bench: Bench) -> None:
    """A hold is released once."""
    asked = request()
    bench.do(asked)
    command = void(bench, asked)
    bench.do(command)
    assert bench.do(command).records == ()


@pytest.mark.parametrize("new_total_minor", [400, 1_000])
def test_a_void_leaves_a_hold_that_was_reversed_in_part(bench: Bench, new_total_minor: int) -> None:
    """The network has spoken since, and counts on the rest; the answer stays what it was."""
    asked = request(1_000)
    bench.do(asked)
    command = void(bench, asked)
    bench.do(reversal(asked, new_total_minor=new_total_minor))
    assert bench.do(command).records == ()
    assert bench.money == (10_000, new_total_minor, 10_000 - new_total_minor)
    assert bench.answer(asked) == ("approved", "00")


def test_a_void_after_a_reversal_releases_nothing_and_declines_the_repeat(bench: Bench) -> None:
    """Nobody heard the approval and its hold is gone: a late repeat must not hear it either."""
    asked = request(1_000)
    bench.do(asked)
    command = void(bench, asked)
    bench.do(reversal(asked))
    (voided,) = bench.do(command).records
    assert (voided.hold_id, voided.released_minor) == (command.hold_id, 0)
    assert bench.money == (10_000, 0, 10_000)
    assert bench.answer(asked) == ("answer_void", "68")
    assert bench.do(command).records == ()


def test_a_void_changes_no_answer_but_its_holds(bench: Bench) -> None:
    """A key may be used anew once forgotten; an old hold's void must not decline the new approval."""
    asked = request(1_000)
    bench.do(asked)
    command = void(bench, asked)
    bench.wait(11 * DAY_MS)
    bench.do(credit(1, key="k1"))
    bench.do(asked)
    bench.do(command)
    assert bench.money == (10_001, 1_000, 9_001)
    assert bench.answer(asked) == ("approved", "00")


# ---- the end of a hold


def test_a_hold_expires_at_its_time_and_not_before(bench: Bench) -> None:
    """Seven days to the millisecond, then its funds are available again."""
    asked = request()
    hold_id = bench.do(asked).hold_id
    command = c.ExpireHold("acc-0", hold_id)
    bench.wait(7 * DAY_MS - 1)
    assert bench.do(command).records == ()
    bench.wait(1)
    bench.do(command)
    assert bench.money == (10_000, 0, 10_000)
    assert bench.do(command).records == ()


def test_the_answer_of_an_expired_hold_stands(bench: Bench) -> None:
    """The network was told 00; a repeat hears it again and holds nothing."""
    asked = request()
    hold_id = bench.do(asked).hold_id
    bench.wait(7 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", hold_id))
    assert bench.answer(asked) == ("approved", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_a_hold_is_marked_unknown_once(bench: Bench) -> None:
    """After a crash the hold stays, and says that nobody knows of its answer."""
    hold_id = bench.do(request()).hold_id
    command = c.MarkAnswerUnknown("acc-0", hold_id)
    bench.do(command)
    assert bench.account.holds[hold_id].answer_unknown
    assert bench.money == (10_000, 1_000, 9_000)
    assert bench.do(command).records == ()


def test_an_exception_is_noted_once(bench: Bench) -> None:
    """The network repeats what it got no answer to; the operators' list names it once."""
    command = c.NoteException("x1", "decode", "link-a", "net-a", "0420", "4", "letters", "1234", 500)
    bench.do(command)
    assert bench.do(command).records == ()
    assert (list(bench.state.commons.exceptions), bench.state.commons.exceptions_total) == (["x1"], 1)
