"""A shop's line into the network: single messages to the demo's server over TCP, and the answers to them.

Owns the connection and what the shops of one customer send; the simulator's builders say what stands in a message, and
pyiso8583 reads the answers. Must not know the issuer's side, nor what the answers should be.
"""

import socket
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from demo.heard import Heard
from demo.programs import ProgramFailed
from simulator import followups, messages
from simulator.errors import SimulatorError
from simulator.messages import Fields, Payment, Place

ANSWER_MAX_S = 30.0
"""Three times the deadline of the demo's server."""
LENGTH = struct.Struct(">H")
"""The header of the demo's link: two bytes, big-endian."""
EURO = "978"

CHIP, TYPED = "051", "012"
"""DE22: chip and PIN; typed into a page."""
PRESENT, ONLINE = "00", "59"
"""DE25."""

STAY_ID = "MIRADOURO000001"
"""The network's own id of a hotel's payment, which it gives to the first message and repeats in every later one."""

HOTEL = Place(
    merchant_id="PT701199000001",
    terminal_id="PT990001",
    name="HOTEL MIRADOURO",
    city="LISBOA",
    country="PT",
    mcc="7011",
    acquirer="400299",
    zone=UTC,
)
BOOKS = Place(
    merchant_id="DE594299000001",
    terminal_id="DE990001",
    name="BUECHERBOTE.EXAMPLE",
    city="BERLIN",
    country="DE",
    mcc="5942",
    acquirer="400299",
    zone=UTC,
)


@dataclass(frozen=True, slots=True)
class Guest:
    """A customer of her own, whose payments can be told one by one."""

    account: str
    pan: str
    expiry: str
    credit_minor: int

    @property
    def last_four(self) -> str:
        return self.pan[-4:]


class Till:
    """A context manager around one connection, signed on. Every method returns what the network heard.

    Raises ProgramFailed where the server cannot be reached, does not answer or answers something unreadable.
    """

    def __init__(self, port: int, guest: Guest) -> None:
        self._guest = guest
        self._stan = 0
        try:
            self._line = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_MAX_S)
        except OSError as problem:
            raise ProgramFailed(f"The server cannot be reached on port {port}: {problem}") from None

    def __enter__(self) -> Self:
        self._ask(messages.network_management(messages.SIGN_ON, stan=self._next_stan(), at=_now()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    def check_in(self, amount_minor: int) -> tuple[Fields, Heard]:
        """The hotel asks for a first amount; the message is what later ones refer to."""
        request = self._authorisation(HOTEL, amount_minor, CHIP, PRESENT)
        request["63"] = followups.network_data(network_id=STAY_ID)
        return request, self._heard("payment", request)

    def raise_it(self, stay: Fields, amount_minor: int) -> Heard:
        """The hotel asks for so much on top."""
        request = followups.increment(
            stay, amount_minor=amount_minor, stan=self._next_stan(), at=_now(), network_id=STAY_ID
        )
        return self._heard("increment", request)

    def tell_of_stand_in(self, amount_minor: int, approval_code: str) -> Heard:
        """The network approved this in the issuer's place."""
        request = self._authorisation(HOTEL, amount_minor, CHIP, PRESENT)
        return self._heard("advice", followups.advice(request, approval_code=approval_code))

    def buy_online(self, amount_minor: int) -> Heard:
        """A payment at the bookshop's page."""
        return self._heard("payment", self._authorisation(BOOKS, amount_minor, TYPED, ONLINE))

    def _authorisation(self, place: Place, amount_minor: int, entry_mode: str, condition: str) -> Fields:
        guest = self._guest
        payment = Payment(guest.pan, guest.expiry, amount_minor, EURO, place, entry_mode, condition)
        return messages.authorisation(payment, stan=self._next_stan(), at=_now())

    def _heard(self, kind: str, request: Fields) -> Heard:
        sent_at = _now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        reply = self._ask(request)
        return Heard(
            kind=kind,
            mti=request["t"],
            stan=request["11"],
            rrn=request["37"],
            de7=request["7"],
            de32=request["32"],
            last_four=self._guest.last_four,
            card_line=0,
            amount_minor=int(request["4"]),
            currency=request["49"],
            sent_at=sent_at,
            fields={name: request[name] for name in messages.SAFE_FIELDS if name in request},
            response_code=reply.get("39", ""),
            # A stand-in's code is the network's own, and no answer brings it back.
            approval_code=(reply.get("38") or request.get("38", "")).strip(),
        )

    def _ask(self, request: Fields) -> Fields:
        try:
            payload = messages.encode(request)
            self._line.sendall(LENGTH.pack(len(payload)) + payload)
            reply = messages.decode(self._read(LENGTH.unpack(self._read(LENGTH.size))[0]))
        except (OSError, SimulatorError) as problem:
            raise ProgramFailed(f"{request['t']} STAN {request['11']} got no answer: {problem}") from None
        wanted = (messages.response_mti(request["t"]), request["11"])
        if (reply["t"], reply.get("11")) != wanted:
            raise ProgramFailed(f"{request['t']} STAN {request['11']} was answered by {reply['t']}.")
        return reply

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._line.recv(count - len(data))
            if not piece:
                raise OSError("the server closed the connection")
            data += piece
        return data

    def _next_stan(self) -> str:
        self._stan += 1
        return f"{self._stan:06d}"


def _now() -> datetime:
    return datetime.now(UTC)
