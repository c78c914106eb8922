"""What the lines of a link meet where this process does not decide, and who of the two answers at a given moment.

A follower answers sign-on and echo, says 91 to requests and nothing to advices and reversals, which the network keeps.
A leader that can't be sure of its shard says nothing at all. Knows no card and changes nothing.
"""

from collections.abc import Callable
from typing import cast

import trio

from authoriser.answers import Answer, AnswerDesk
from authoriser.journal.group_commit import GroupCommit
from authoriser.link import Line, Link
from authoriser.owner import ShardOwner
from authoriser.pipeline import ASKS, Pipeline
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens
from isowire import Message, clear_repeat


def _nothing_to_void(answer: Answer) -> None:
    raise AssertionError(
        f"a follower approves nothing, and holds {answer.hold_id} depends on an answer of it"
    )


class Nobody:
    """Stands where the shard's owner would: admits nothing. Its desk has the replies that need no log."""

    admits = False
    admits_repeats = False
    state = None
    commit = None
    cache = None

    def __init__(self, on_sent: Callable[[float], None], on_silence: Callable[[], None]) -> None:
        self.desk = AnswerDesk(void=_nothing_to_void, on_sent=on_sent, on_silence=on_silence)


class FollowerPipeline(Pipeline):
    """A pipeline without a shard: nothing is decided, and nothing is passed on to whoever leads."""

    def __init__(
        self, *, link: Link, nobody: Nobody, tokens: Tokens, exception_secret: bytes, counters: Counters
    ) -> None:
        # Of an owner, what is left of a pipeline here asks for its desk and whether it admits.
        owner = cast("ShardOwner", nobody)
        super().__init__(
            link=link, owner=owner, tokens=tokens, exception_secret=exception_secret, counters=counters
        )

    def _business(self, line: Line, message: Message, kind: str, arrived: float) -> None:
        """91 to a request. A repeat may be of something that was approved, which a 91 would contradict: silence."""
        asks = kind is ASKS and clear_repeat(message.mti) == message.mti
        self._not_admitted(line, message, arrived, asks=asks)


class Doorman:
    """Takes what arrives on one link's lines to whoever answers now. `on_bytes` is the listener's."""

    def __init__(self, aside: FollowerPipeline, counters: Counters, lease_s: float) -> None:
        self._aside = aside
        self._counts = counters.counts
        self._lease_s = lease_s
        self._leading: Pipeline | None = None
        self._commit: GroupCommit | None = None

    def lead(self, pipeline: Pipeline, commit: GroupCommit) -> None:
        """From now on `pipeline` decides, as long as `commit` has proved within a lease that the shard is ours."""
        self._leading, self._commit = pipeline, commit

    def follow(self) -> None:
        self._leading = self._commit = None

    def on_bytes(self, line: Line, data: bytes, arrived: float) -> None:
        leading, commit = self._leading, self._commit
        if leading is None or commit is None:
            self._aside.on_bytes(line, data, arrived)
        elif trio.current_time() < commit.proven + self._lease_s:
            leading.on_bytes(line, data, arrived)
        else:
            # Nobody can have taken the shard within a lease of an append of ours. After it, somebody may have: a
            # process that was stopped and goes on finds old requests in its sockets, and must not answer one.
            self._drop(line, data)

    def _drop(self, line: Line, data: bytes) -> None:
        """Framing goes on, so that the line is good again once an append tells that the shard is still ours."""
        try:
            frames = line.reader.feed(data)
        except Exception:  # noqa: BLE001 - a line that lost its framing has no more to say to anybody
            line.lost_framing = True
            return
        self._counts["frames_while_unsure"] += len(frames)
