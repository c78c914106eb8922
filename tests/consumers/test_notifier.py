"""From events to texts: once each, each account's in order, and nothing lost where something fails."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from consumers.incoming import Incoming, Message, Unreadable, decoded
from consumers.notifications.delivery import Undeliverable
from consumers.notifications.program import Notifier
from consumers.notifications.texts import Notification
from tests.consumers.events import approved, incoming, message


class Phone:
    """A delivery that keeps what it got, and refuses the ids in `refused`."""

    def __init__(self, *refused: str) -> None:
        self.got: list[str] = []
        self._refused = refused

    async def deliver(self, notification: Notification) -> None:
        await asyncio.sleep(0)
        if notification.id in self._refused:
            raise Undeliverable("refused with status 410")
        self.got.append(notification.id)


class Graves:
    """Dead letters in memory; `full` takes none."""

    def __init__(self) -> None:
        self.kept: list[tuple[Message, str]] = []
        self.full = False

    async def bury(self, message: Message, why: str) -> None:
        if self.full:
            raise OSError("no broker")
        self.kept.append((message, why))


def name(number: int) -> str:
    return f"0-{number:012}"


def events(*numbers: int) -> list[Incoming]:
    return [incoming(approved(number, account_id=f"account {number % 2}"), number) for number in numbers]


def handle(notifier: Notifier, batch: Sequence[Incoming]) -> None:
    asyncio.run(notifier.handle(batch))


def test_each_event_has_one_text() -> None:
    """What comes again, in the same batch or a later one, is not sent again."""
    phone = Phone()
    notifier = Notifier(phone, Graves())
    handle(notifier, events(1, 2, 2, 1, 3))
    handle(notifier, events(2, 3, 4))
    assert sorted(phone.got) == [name(number) for number in (1, 2, 3, 4)]


def test_an_accounts_texts_keep_their_order() -> None:
    """Accounts go side by side, the texts of one after each other."""
    phone = Phone()
    handle(Notifier(phone, Graves()), events(*range(1, 41)))
    assert [text for text in phone.got if int(text[-2:]) % 2] == [name(number) for number in range(1, 41, 2)]
    assert [text for text in phone.got if not int(text[-2:]) % 2] == [
        name(number) for number in range(2, 41, 2)
    ]


def test_shards_count_their_own_records() -> None:
    """Record 1 of another shard is another event."""
    phone = Phone()
    notifier = Notifier(phone, Graves())
    handle(notifier, [incoming(approved(), 1, shard=0), incoming(approved(), 1, shard=1)])
    assert sorted(phone.got) == ["0-000000000001", "1-000000000001"]


def test_what_was_dealt_with_before_a_start_is_not_sent() -> None:
    """Events from before the group's offset are remembered, so that a topic that repeats them is noticed."""
    phone = Phone()
    notifier = Notifier(phone, Graves())
    for event in events(1, 2):
        notifier.remember(event)
    handle(notifier, events(1, 2, 3))
    assert phone.got == [name(3)]


def test_what_cannot_be_delivered_is_kept() -> None:
    """The message goes to the dead letters as it came, with the reason; the others go on."""
    phone, graves = Phone(name(2)), Graves()
    handle(Notifier(phone, graves), events(1, 2, 4))
    assert sorted(phone.got) == [name(1), name(4)]
    assert graves.kept == [(message(approved(2, account_id="account 0"), 2), "refused with status 410")]


def test_dead_letters_that_take_nothing_lose_nothing() -> None:
    """The batch fails as a whole and is new still: it comes again once there is a place for them."""
    phone, graves = Phone(name(1)), Graves()
    notifier = Notifier(phone, graves)
    graves.full = True
    with pytest.raises(OSError, match="no broker"):
        handle(notifier, events(1, 2))
    graves.full = False
    handle(notifier, events(1, 2))
    assert (phone.got, len(graves.kept)) == ([name(2), name(2)], 1)


def test_a_stranger_in_the_topic_is_kept() -> None:
    """What is no event can't be told to anybody; somebody may look at it."""
    graves = Graves()
    stranger = Message(None, b"hello")
    asyncio.run(Notifier(Phone(), graves).unreadable(stranger, "no event"))
    assert graves.kept == [(stranger, "no event")]


@pytest.mark.parametrize(
    "value",
    [None, b"", b"hello", b"{}", b'{"id":"0-1","record":1,"shard":0,"type":"card.issued"}'],
    ids=["none", "empty", "no JSON", "no envelope", "no card"],
)
def test_what_is_no_event_is_said_without_its_content(value: bytes | None) -> None:
    """The text names what is wrong, and holds nothing of what may be in it."""
    with pytest.raises(Unreadable) as error:
        decoded(Message(None, value))
    assert "hello" not in str(error.value)


def test_newer_producers_are_understood() -> None:
    """Fields that are not known yet are ignored, types that are not known yet have no shape."""
    came = message(approved())
    assert came.value is not None
    event = msgspec.json.decode(came.value)
    grown = decoded(Message(None, msgspec.json.encode(event | {"added_later": {"x": 1}})))
    assert grown.event == incoming(approved()).event
    other = decoded(Message(None, msgspec.json.encode(event | {"type": "card.lent"})))
    assert (other.type, other.event) == ("card.lent", None)
