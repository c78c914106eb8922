"""The way of a message, in order. Read this first: every room of the house is entered from here.

    bytes - framing - decode - by type - translate - decide - encode - (journal) - reply

Everything from the bytes to the reply's bytes is synchronous: one read from a socket decides every whole frame in it.
Then the reply waits at the desk until the journal has every record that was applied before it. Whatever arrives has
one outcome, and none of them is an exception out of here.

One message alone leaves that path: where not every account is in memory, and its card's is not, it waits until that was
loaded (`_await_account`), and is decided then, in one step again.
"""

import hmac
import logging
from collections.abc import Callable

import structlog
import trio

from authoriser.answers import Answer
from authoriser.authentication import Authenticator
from authoriser.cache import AccountCache, Name, Verdict
from authoriser.ledger.commands import Advice, AuthorisationRequest, NoteException, Reply, ReversalRequest
from authoriser.ledger.decide import decide
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.records import ExceptionNoted
from authoriser.link import Line, Link
from authoriser.network import answer_network_management
from authoriser.owner import ShardOwner
from authoriser.replies import ReplyBuilder
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens, Translator
from isowire import (
    DecodeError,
    EncodeError,
    FramingError,
    Message,
    clear_repeat,
    envelope_of,
    is_known,
    is_response,
)
from rules import Reason

log = structlog.get_logger()

ASKS, ADVISES, REVERSES = "asks", "advises", "reverses"
BUSINESS = {
    **dict.fromkeys(("0100", "0101", "0200", "0201"), ASKS),
    **dict.fromkeys(("0120", "0121", "0220", "0221"), ADVISES),
    **dict.fromkeys(("0400", "0401", "0420", "0421"), REVERSES),
}
"""What is decided: requests, which may be declined; advices and reversals, which are facts."""
MANAGES = frozenset({"0800", "0801", "0820"})

Said = AuthorisationRequest | Advice | ReversalRequest
"""What a business message says, as a command."""


class Pipeline:
    """All lines of one link pass their bytes through here. Holds no state of its own."""

    def __init__(
        self,
        *,
        link: Link,
        owner: ShardOwner,
        tokens: Tokens,
        exception_secret: bytes,
        counters: Counters,
        authenticator: Authenticator | None = None,
    ) -> None:
        """Without an `authenticator`, proofs are not checked. Raises DialectError as `Translator` does."""
        self._link = link
        self._codec = link.codec
        self._policy = link.policy
        self._owner = owner
        self._desk = owner.desk
        self._cache = owner.cache
        translator = Translator(
            link=link.name,
            network=link.network,
            dialect=link.dialect,
            tokens=tokens,
            authenticator=authenticator,
        )
        self._translate: dict[str, Callable[[Message], Said]] = {
            ASKS: translator.authorisation,
            ADVISES: translator.advice,
            REVERSES: translator.reversal,
        }
        served = link.dialect.requests | link.dialect.advices
        self._business_types = {mti: kind for mti, kind in BUSINESS.items() if mti in served}
        self._replies = ReplyBuilder(link.dialect)
        self._secret = exception_secret
        self._mti_bytes = 2 if link.dialect.spec["t"]["data_enc"] == "b" else 4
        self._debug = log.is_enabled_for(logging.DEBUG)
        self._counts = counters.counts
        self._decisions = counters.decisions
        self._observe_decide = counters.stages["decide"].observe

    def on_bytes(self, line: Line, data: bytes, arrived: float) -> None:
        """Everything that one read brought. Whole frames are decided; a broken rest waits or ends the line.

        `arrived` is when the kernel got the bytes: deadlines count from there, however late they were read.
        """
        began = trio.current_time()
        try:
            frames = line.reader.feed(data)
        except FramingError as lost:
            frames = lost.frames
            line.lost_framing = True
            self._counts["connections_lost_framing"] += 1
            log.warning("framing lost", link=self._link.name, error=str(lost))
        if line.reader.keepalives != line.keepalives:
            self._count_keepalives(line)
        for frame in frames:
            self.on_frame(line, frame, arrived)
        if frames:
            self._counts["frames"] += len(frames)
            self._observe_decide((trio.current_time() - began) / len(frames))
        line.flush()

    def _count_keepalives(self, line: Line) -> None:
        seen = line.reader.keepalives
        self._counts["keepalives"] += seen - line.keepalives
        line.keepalives = seen

    def on_frame(self, line: Line, frame: bytes, arrived: float) -> None:
        """One frame. A fault of ours is answered 96 where an answer is due; it never takes the line down."""
        line.envelope = envelope_of(frame)
        try:
            self._decoded(line, frame, arrived)
        except EncodeError as error:
            self._unencodable(error)

    def _unencodable(self, error: EncodeError) -> None:
        """The dialect echoes what it can't write: nothing was decided, and there is nothing to say it with."""
        log.error("reply can't be encoded", link=self._link.name, error=str(error))
        self._decisions[Reason.SYSTEM_ERROR] += 1

    def _decoded(self, line: Line, frame: bytes, arrived: float) -> None:
        try:
            message = self._codec.decode(frame)
        except DecodeError as error:
            self._malformed(line, error, error.mti, error.fields, frame, arrived)
            return
        except Exception:
            log.exception("a frame could not be read, by a fault of ours", link=self._link.name)
            self._decisions[Reason.SYSTEM_ERROR] += 1
            return
        try:
            self._by_type(line, message, arrived)
        except DecodeError as error:
            good = {number: value for number, value in message.fields.items() if number != error.field}
            self._malformed(line, error, message.mti, good, frame, arrived)

    def _by_type(self, line: Line, message: Message, arrived: float) -> None:
        mti = message.mti
        kind = self._business_types.get(mti)
        if kind is not None:
            if not line.signed_on:
                self._counts["before_sign_on"] += 1
            self._business(line, message, kind, arrived)
        elif is_response(mti):
            if line.asked is None or not line.asked.hears(message):
                self._response(mti)
        elif mti in MANAGES:
            reply = answer_network_management(line, message)
            if reply is not None:
                self._send_now(line, message, reply, arrived)
        else:
            self._unknown(mti)

    def _business(self, line: Line, message: Message, kind: str, arrived: float) -> None:
        """Requests, advices and reversals: decided here, answered when the log has caught up.

        Advices and reversals tell what has happened: they are decided however late they come, and met with silence
        where they can't be, never with a decline.
        """
        asks = kind is ASKS
        if asks and self._too_late(arrived):
            return
        try:
            command = self._translate[kind](message)
        except DecodeError:
            raise
        except Exception:
            log.exception("decision failed", link=self._link.name, mti=message.mti)
            self._failed(line, message, arrived, asks=asks)
            return
        cache = self._cache
        if cache is not None and command.token is not None:
            if command.token not in self._owner.state.tokens:
                self._await_account(cache, line, message, command, arrived, asks=asks)
                return
            self._counts["cache_hits"] += 1
        self._decide(line, message, command, arrived, asks=asks)

    def _too_late(self, arrived: float) -> bool:
        """Whether a request's answer could not leave any more: nothing is decided then, and nothing said."""
        if trio.current_time() < arrived + self._link.reply_deadline_s:
            return False
        self._counts["late_on_arrival"] += 1
        return True

    def _failed(self, line: Line, message: Message, arrived: float, *, asks: bool) -> None:
        """Deciding changes nothing, so the state is as it was: this message alone gets no real answer."""
        self._decisions[Reason.SYSTEM_ERROR] += 1
        if asks:
            self._send_now(line, message, self._plain(Reason.SYSTEM_ERROR), arrived)

    def _await_account(
        self,
        cache: AccountCache,
        line: Line,
        message: Message,
        command: Said,
        arrived: float,
        *,
        asks: bool,
    ) -> None:
        """The card's account is not in memory: decide when it is, behind what came before for it.

        What can't be loaded is not admitted. That a card is nobody's is said by the card index alone.
        """
        envelope = line.envelope

        def loaded(verdict: Verdict) -> None:
            line.envelope = envelope
            try:
                if asks and self._too_late(arrived):
                    return
                if verdict is Verdict.FAILED:
                    self._not_loaded(line, message, arrived, asks=asks)
                else:
                    self._decide(line, message, command, arrived, asks=asks)
            except EncodeError as error:
                self._unencodable(error)
            finally:
                line.resolved()
                line.flush()

        assert command.token is not None, "a card is looked up by its token"
        if cache.want(Name("token", command.token), loaded):
            line.owed += 1
        else:
            self._not_loaded(line, message, arrived, asks=asks)

    def _not_loaded(self, line: Line, message: Message, arrived: float, *, asks: bool) -> None:
        """A repeat may be of something that was answered: 91 would contradict it, and nobody can look."""
        first = message.mti == clear_repeat(message.mti)
        self._not_admitted(line, message, arrived, asks=asks and first)

    def _decide(self, line: Line, message: Message, command: Said, arrived: float, *, asks: bool) -> None:
        """The card's account is in memory, or there is none."""
        try:
            outcome = decide(self._owner.state, command, self._owner.now_ms(), self._policy)
        except Exception:
            log.exception("decision failed", link=self._link.name, mti=message.mti)
            self._failed(line, message, arrived, asks=asks)
            return
        if not self._admitted(outcome):
            # A repeat of what is known is never told 91, which would contradict its first answer.
            self._not_admitted(line, message, arrived, asks=asks and not outcome.repeated)
            return
        reply = outcome.reply
        assert reply is not None, "a message that was admitted is answered"
        data = self._frame(line, message, reply)
        self._owner.enact(outcome)
        self._count(message.mti, outcome, reply)
        pending = self._desk.expect(
            line,
            data,
            arrived=arrived,
            deadline_s=self._link.reply_deadline_s,
            answer=self._open_answer(outcome),
        )
        self._owner.commit.wait(pending)

    def _admitted(self, outcome: Outcome) -> bool:
        """Whether there is room for what was decided. Repeats make no record, and go on where new requests do not."""
        if outcome.refused:
            return False
        return self._owner.admits if outcome.records else self._owner.admits_repeats

    def _open_answer(self, outcome: Outcome) -> Answer | None:
        """The answer on which an approval's hold depends; a repeat joins it while it is open."""
        if not outcome.hold_id:
            return None
        if outcome.repeated:
            joined = self._desk.joined(outcome.key)
            if joined is not None:
                self._counts["repeats_joined"] += 1
            return joined
        return self._desk.open_answer(outcome.key, outcome.account_id, outcome.hold_id, self._link.name)

    def _count(self, mti: str, outcome: Outcome, reply: Reply) -> None:
        if outcome.repeated:
            self._counts["repeats"] += 1
        else:
            self._decisions[reply.reason] += 1
        # Beside a fact that could not be matched stands the entry that tells an operator so.
        if outcome.records[1:]:
            self._counts["exceptions"] += sum(
                isinstance(entry, ExceptionNoted) for entry in outcome.records[1:]
            )
        if self._debug:
            log.debug(
                "decision",
                link=self._link.name,
                mti=mti,
                account=outcome.account_id,
                reason=reply.reason.value,
                response_code=reply.response_code,
                repeated=outcome.repeated,
            )

    def _not_admitted(self, line: Line, message: Message, arrived: float, *, asks: bool) -> None:
        """91 at once for a request; silence for a fact, which the network keeps and sends again."""
        self._counts["not_admitted"] += 1
        if asks:
            self._send_now(line, message, self._plain(Reason.NOT_ADMITTED), arrived)

    def _malformed(
        self, line: Line, error: DecodeError, mti: str, good: dict[str, str], frame: bytes, arrived: float
    ) -> None:
        """30 with what could be echoed for a request, the operators' list for an advice, nothing for the rest."""
        if is_response(mti):
            self._response(mti)
            return
        if not is_known(mti):
            self._unknown(mti)
            return
        self._counts["format_errors"] += 1
        log.debug("malformed message", link=self._link.name, mti=mti, error=str(error))
        message = Message(mti, good)
        dialect = self._link.dialect
        if mti in dialect.advices:
            self._note(frame, mti, "malformed_advice", error.field or "", str(error), message)
        elif mti in dialect.requests and not self._owner.admits:
            self._not_admitted(line, message, arrived, asks=True)
        elif mti in dialect.requests:
            data = self._frame(line, message, self._plain(Reason.FORMAT_ERROR))
            pending = self._desk.expect(line, data, arrived=arrived, deadline_s=self._link.reply_deadline_s)
            self._owner.commit.wait(pending)

    def _response(self, mti: str) -> None:
        """It matches nothing that was asked: a response is never answered."""
        self._counts["responses_dropped"] += 1
        log.debug("response dropped", link=self._link.name, mti=mti)

    def _unknown(self, mti: str) -> None:
        self._counts["unknown_mti"] += 1
        log.debug("message of unknown type dropped", link=self._link.name, mti=mti)

    def _note(self, frame: bytes, mti: str, kind: str, field: str, detail: str, message: Message) -> None:
        """Put a message on the operators' list, once: its repeats, whose MTI alone differs, count on the same line."""
        if not self._owner.admits:
            self._counts["not_admitted"] += 1
            return
        said = clear_repeat(mti).encode() + frame[self._mti_bytes :]
        digest = hmac.digest(self._secret, said, "sha256").hex()[:24]
        amount = message.fields.get("4", "")
        command = NoteException(
            exception_id=digest,
            kind=kind,
            link=self._link.name,
            network=self._link.network,
            mti=mti,
            field=field,
            detail=detail,
            card_last_four=message.fields.get("2", "")[-4:],
            amount_minor=int(amount) if amount.isdigit() else 0,
        )
        commons = self._owner.state.commons
        listed = commons.exceptions_total
        self._owner.note(command, self._policy)
        self._counts["exceptions"] += commons.exceptions_total - listed

    def _plain(self, reason: Reason) -> Reply:
        return Reply(reason, self._policy.response_codes[reason])

    def _frame(self, line: Line, message: Message, reply: Reply) -> bytes:
        """Raises EncodeError where there is no such reply. Nothing may have been decided yet."""
        try:
            payload = self._codec.encode(self._replies.build(message, reply))
            return self._link.framing.answer(line.envelope, payload)
        except EncodeError:
            raise
        except Exception as error:
            log.exception("a reply could not be written, by a fault of ours", link=self._link.name)
            raise EncodeError(field=None, found="a fault of ours", expected="a reply") from error

    def _send_now(self, line: Line, message: Message, reply: Reply, arrived: float) -> None:
        """A reply that tells of no account's state and so need not wait for the log."""
        data = self._frame(line, message, reply)
        deadline_s = self._link.reply_deadline_s
        self._desk.expect(line, data, arrived=arrived, deadline_s=deadline_s).release()
