"""An issuer to test the network's side against: approves, remembers, misbehaves when told to. And a card to pay with.

A double in the spirit of trio.testing: public, over memory streams or sockets, no mock. It speaks pyiso8583 directly
and knows no ledger: every card is good for amounts up to a limit. Faults are scripted by the number of the request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import iso8583
import trio
import trio.testing

from isowire.framing import FRAMINGS, Framing
from simulator.cards import Card
from simulator.checks import INQUIRIES
from simulator.messages import SPEC, Fields, Payment, Place, authorisation, decode, response_mti
from simulator.network import FRAME_LENGTH_MAX_BYTES, RECEIVE_BYTES, Dial

MOMENT = datetime(2026, 3, 9, 22, 5, 7, tzinfo=UTC)
"""A moment for tests."""

CARD = Card(
    line=2,
    pan="4000000000000002",
    expiry="3012",
    account="A000001",
    currency="EUR",
    currency_number="978",
    currency_exponent=2,
    credit_minor=10_000,
)

PLACE = Place(
    merchant_id="DE54110000001",
    terminal_id="DE001001",
    name="MARKTHALLE",
    city="HAMBURG",
    country="DE",
    mcc="5411",
    acquirer="400112",
    zone=UTC,
)


LIMIT_MINOR = 100_000
"""Above it the issuer declines with 51."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer."""


@dataclass(frozen=True, slots=True)
class Change:
    """The answer with one field changed, or left out where `value` is None. "t" is the MTI."""

    field: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Delay:
    """The answer after a while; later answers overtake it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Twice:
    """The answer, and once more."""


@dataclass(frozen=True, slots=True)
class Instead:
    """These bytes on the wire, length header included if there is to be one, in place of the answer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed in place of an answer."""


Fault = Silence | Change | Delay | Twice | Instead | Close


class ScriptedIssuer:
    """Serves any number of connections. `faults` says what goes wrong with which business request, from 0."""

    def __init__(
        self,
        faults: Mapping[int, Fault] | None = None,
        *,
        framing: Framing = FRAMINGS["bin2"],
        sign_on_code: str | None = "00",
        echo_code: str | None = "00",
    ) -> None:
        """`sign_on_code` and `echo_code` are the DE39 of these answers; None answers nothing."""
        self._faults = faults or {}
        self._framing = framing
        self._management = {"001": sign_on_code, "002": "00", "301": echo_code}
        self._answers: dict[tuple[str | None, ...], Fields] = {}
        self._approvals = 0
        self.requests: list[Fields] = []
        """Every business request, in order of arrival."""
        self.managed: list[str] = []
        """DE70 of every 0800, in order of arrival."""

    def dial(self, nursery: trio.Nursery) -> Dial:
        """A Dial whose streams are in memory; the issuer's side runs in `nursery`."""

        async def dial() -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(self.serve, theirs)
            await trio.lowlevel.checkpoint()
            return ours

        return dial

    async def serve(self, stream: trio.abc.Stream) -> None:
        """One connection, until either side closes it. Fits trio.serve_listeners."""
        reader = self._framing.reader(FRAME_LENGTH_MAX_BYTES)
        lock = trio.Lock()

        async def send(data: bytes, after_s: float) -> None:
            await trio.sleep(after_s)
            async with lock:
                await stream.send_all(data)

        try:
            async with stream, trio.open_nursery() as nursery:
                while data := bytes(await stream.receive_some(RECEIVE_BYTES)):
                    for payload in reader.feed(data):
                        answer, after_s = self._answer(decode(payload))
                        if answer is None:
                            nursery.cancel_scope.cancel()
                            return
                        if after_s:
                            nursery.start_soon(send, answer, after_s)
                        elif answer:
                            await send(answer, 0)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the network hung up first

    def _answer(self, request: Fields) -> tuple[bytes | None, float]:
        """What goes on the wire and after how long; None closes the connection."""
        if request["t"][:2] == "08":
            self.managed.append(request["70"])
            code = self._management.get(request["70"], "12")
            return (b"" if code is None else self._frame(_reply(request, code, None))), 0
        number = len(self.requests)
        self.requests.append(request)
        reply = self._decide(request)
        match self._faults.get(number):
            case Silence():
                return b"", 0
            case Change(field, None):
                return self._frame({name: value for name, value in reply.items() if name != field}), 0
            case Change(field, value):
                return self._frame({**reply, field: str(value)}), 0
            case Delay(seconds):
                return self._frame(reply), seconds
            case Twice():
                return self._frame(reply) * 2, 0
            case Instead(data):
                return data, 0
            case Close():
                return None, 0
        return self._frame(reply), 0

    def _decide(self, request: Fields) -> Fields:
        """A repeat gets what its request got; else small amounts are good; reversals, advices and inquiries always."""
        key = (request["t"][:3], *(request.get(name) for name in ("2", "7", "11", "32", "37")))
        known = self._answers.get(key)
        if known is not None:
            return known
        code, approval, more = "00", None, {}
        if request.get("3", "")[:2] in INQUIRIES:
            more = {"54": f"0001{request['49']}C{LIMIT_MINOR:012d}"}
        elif request["t"][:2] != "04" and request["t"][2] != "2":
            amount_minor = int(request["4"])
            code = "51" if amount_minor > LIMIT_MINOR else "00" if amount_minor else "85"
            if code != "51":
                self._approvals += 1
                approval = f"{self._approvals:06d}"
        reply = self._answers[key] = _reply(request, code, approval) | more
        return reply

    def _frame(self, reply: Fields) -> bytes:
        return self._framing.wrap(bytes(iso8583.encode(dict(reply), SPEC)[0]))


_ECHOED = ("2", "3", "4", "7", "11", "12", "13", "25", "32", "33", "37", "41", "42", "49", "70", "90", "95")


def _reply(request: Fields, code: str, approval: str | None) -> Fields:
    reply = {"t": response_mti(request["t"]), "39": code}
    reply |= {name: request[name] for name in _ECHOED if name in request}
    if approval is not None:
        reply["38"] = approval
    return reply


def purchase(amount_minor: int = 1250, stan: str = "000007") -> Fields:
    """A 0100 with the card above."""
    payment = Payment(
        pan=CARD.pan,
        expiry=CARD.expiry,
        amount_minor=amount_minor,
        currency_number="978",
        place=PLACE,
        entry_mode="071",
        condition="00",
    )
    return authorisation(payment, stan=stan, at=MOMENT)


def still() -> datetime:
    """A clock that stands at MOMENT."""
    return MOMENT
