"""The desk's deadlines: each reply's own, and nothing kept of one that was sent."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from authoriser.answers import Answer, AnswerDesk, PendingReply


class Taker:
    """A line that takes what is ready and sends nothing by itself."""

    def __init__(self) -> None:
        self.owed = 0
        self.ready: list[PendingReply] = []

    def take(self, reply: PendingReply) -> None:
        self.ready.append(reply)

    def resolved(self) -> None:
        self.owed -= 1


REPLIES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 10), st.integers(0, 30) | st.none()), max_size=40
)
"""When each arrived, how long it has, and when it is sent, if ever; seconds."""


@given(REPLIES)
def test_void_is_what_was_not_sent_by_its_deadline(replies: list[tuple[int, int, int | None]]) -> None:
    """Whatever the order of arrivals, deadlines and sends, second by second."""
    voided: list[str] = []
    desk, line = AnswerDesk(void=lambda answer: voided.append(answer.key)), Taker()
    pending = []
    for number, (arrived, deadline_s, _) in enumerate(replies):
        answer = desk.open_answer(str(number), "account", number, "network")
        reply = desk.expect(line, b"reply", arrived=arrived, deadline_s=deadline_s, answer=answer)
        reply.release()
        pending.append(reply)
    for now in range(32):
        for reply, (_, _, send_at) in zip(pending, replies, strict=True):
            if send_at == now and reply.sendable(now):
                reply.sent(now)
        desk.sweep(now)
        due = {
            str(number)
            for number, (arrived, deadline_s, send_at) in enumerate(replies)
            if arrived + deadline_s <= now and (send_at is None or send_at >= arrived + deadline_s)
        }
        assert set(voided) == due
        assert len(voided) == len(due)
        sent = sum(
            send_at is not None and send_at <= now and send_at < arrived + deadline_s
            for arrived, deadline_s, send_at in replies
        )
        assert line.owed == desk.outstanding == len(replies) - len(due) - sent


def test_a_reply_that_was_sent_is_forgotten_at_once() -> None:
    """Long before its deadline: at 10,000 a second they would be what a full garbage collection finds most of."""
    before = {id(each) for each in _alive()}
    desk, line = AnswerDesk(void=lambda _answer: None), Taker()
    for number in range(100):
        answer = desk.open_answer(str(number), "account", number, "network")
        desk.expect(line, b"reply", arrived=0.0, deadline_s=1.5, answer=answer).release()
    last = line.ready.pop()
    while line.ready:
        line.ready.pop(0).sent(0.01)
    del answer
    assert {id(each) for each in _alive()} - before == {id(last), id(last.answer)}


def _alive() -> list[PendingReply | Answer]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, PendingReply | Answer)]
