"""What a network demands of every answer, whatever the issuer decides.

Owns the list of fields that an answer must repeat and the rules of DE38 and DE39. It is written down here a second
time, beside the dialect's own list, so that a slip there is seen. Must not know how answers arrive.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.messages import Fields, masked, response_mti

APPROVED, APPROVED_PARTIALLY, VERIFIED, FORMAT_ERROR = "00", "10", "85", "30"

INQUIRIES = frozenset({"30", "31"})
"""DE3, first two digits: a balance is asked for."""

NOT_DECIDED = frozenset({"91", "96"})
"""The issuer did not decide: a repeat may get another answer."""

_ECHOED_AUTHORISATION = ("2", "3", "4", "7", "11", "12", "13", "25", "32", "33", "37", "41", "42", "49")
_ECHOED = {
    "01": _ECHOED_AUTHORISATION,
    "02": _ECHOED_AUTHORISATION,
    "04": (*_ECHOED_AUTHORISATION, "90", "95"),
    "08": ("7", "11", "70"),
}
"""Per message class, the fields that ISO 8583:1987 gives both the request and its response."""

_NEVER_ANSWERED = ("14", "35", "36", "45", "52", "55")
"""Card data with no place in an answer."""

MISSING = "nothing"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer decided, as the network sees it. `approval_code` is "" where there is none."""

    response_code: str
    approval_code: str

    @property
    def approved(self) -> bool:
        return self.response_code == APPROVED


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing wrong with an answer. Safe to print: values are masked."""

    mti: str
    stan: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        name = "MTI" if self.field == "t" else f"DE{self.field}"
        return f"answer to {self.mti} STAN {self.stan}: {name}: expected {self.expected}, found {self.found}"


def answer_of(reply: Mapping[str, str]) -> Answer:
    return Answer(reply.get("39", ""), reply.get("38", "").strip())


def check_reply(request: Fields, reply: Fields, earlier: Answer | None = None) -> list[Wrong]:
    """Everything wrong with `reply`, nothing if it is right.

    `earlier` is the answer that the same request got before: a repeat must get it again.
    """
    found: list[tuple[str, str, str]] = []
    expected_mti = response_mti(request["t"])
    if reply["t"] != expected_mti:
        found.append(("t", expected_mti, reply["t"]))
    found += _unequal(request, reply)
    found += [(name, MISSING, masked(name, reply[name])) for name in _NEVER_ANSWERED if name in reply]
    code = reply.get("39", "")
    if len(code.strip()) != 2 or not code.isalnum():
        found.append(("39", "a response code", code or MISSING))
    else:
        found += _codes(request, reply, code)
    if earlier is not None:
        found += _unlike(earlier, answer_of(reply))
    return [Wrong(request["t"], request["11"], name, wanted, was) for name, wanted, was in found]


def _unequal(request: Fields, reply: Fields) -> list[tuple[str, str, str]]:
    """Fields that had to come back as they were sent."""
    found = []
    for name in _ECHOED[request["t"][:2]]:
        sent = request.get(name)
        got = reply.get(name)
        # A reply cut short by a format error holds what could be read; what it holds must still be right.
        if sent is None or got == sent or (got is None and reply.get("39") == FORMAT_ERROR):
            continue
        if name == "4" and reply.get("39") == APPROVED_PARTIALLY:
            continue  # held against what was asked below
        found.append((name, masked(name, sent), MISSING if got is None else masked(name, got)))
    return found


def _codes(request: Fields, reply: Fields, code: str) -> list[tuple[str, str, str]]:
    """DE38 and DE39 against what was asked."""
    if request["t"][:2] == "08":
        return [] if code == APPROVED else [("39", APPROVED, code)]
    if request["t"][:2] == "04" or request["t"][2] == "2":
        return _of_a_fact(request, reply, code)
    if request["3"][:2] in INQUIRIES:
        return _of_an_inquiry(reply, code)
    found: list[tuple[str, str, str]] = []
    if code == APPROVED_PARTIALLY:
        found += _of_a_part(request, reply)
    if int(request["4"]) == 0 and code == APPROVED:
        found.append(("39", f"{VERIFIED} or a decline for an amount of zero", code))
    if int(request["4"]) > 0 and code == VERIFIED:
        found.append(("39", f"{APPROVED} or a decline for an amount", code))
    return found + _approval_code(reply.get("38"), code)


def _approval_code(found: str | None, code: str) -> list[tuple[str, str, str]]:
    """DE38 exactly with what approves."""
    if code in {APPROVED, APPROVED_PARTIALLY, VERIFIED}:
        if found is None or len(found.strip()) != 6 or not found.isalnum():
            return [("38", f"an approval code of six characters beside {code}", found or MISSING)]
    elif found is not None:
        return [("38", f"{MISSING} beside {code}", found)]
    return []


def _of_a_fact(request: Fields, reply: Fields, code: str) -> list[tuple[str, str, str]]:
    """The answer has no approval of its own: it may only bring back the one it was told of. An advice is taken."""
    found: list[tuple[str, str, str]] = []
    if request["t"][:2] != "04" and code != APPROVED:
        found.append(("39", f"{APPROVED}: an advice is a fact", code))
    approval_code = reply.get("38")
    if approval_code is not None and approval_code != request.get("38"):
        found.append(("38", request.get("38", MISSING), approval_code))
    return found


def _of_an_inquiry(reply: Fields, code: str) -> list[tuple[str, str, str]]:
    """Balances with the good answer, and an approval code with none."""
    found: list[tuple[str, str, str]] = []
    if "38" in reply:
        found.append(("38", f"{MISSING} beside a balance", reply["38"]))
    if (code == APPROVED) != bool(reply.get("54")):
        wanted = "balances beside 00" if code == APPROVED else f"{MISSING} beside {code}"
        found.append(("54", wanted, masked("54", reply["54"]) if "54" in reply else MISSING))
    return found


def _of_a_part(request: Fields, reply: Fields) -> list[tuple[str, str, str]]:
    """Less than was asked in DE4, and what was asked in DE54 (type 57)."""
    found: list[tuple[str, str, str]] = []
    part = reply.get("4", "")
    if not (part.isdigit() and 0 < int(part) < int(request["4"])):
        found.append(("4", "a part of the amount", part or MISSING))
    asked = reply.get("54", "")
    if (asked[2:4], asked[8:20]) != ("57", request["4"]):
        found.append(("54", "the amount that was asked for", masked("54", asked) if asked else MISSING))
    return found


def _unlike(earlier: Answer, now: Answer) -> list[tuple[str, str, str]]:
    found = []
    if now.response_code != earlier.response_code:
        found.append(("39", f"{earlier.response_code}, as answered before", now.response_code or MISSING))
    if now.approval_code != earlier.approval_code:
        wanted = earlier.approval_code or MISSING
        found.append(("38", f"{wanted}, as answered before", now.approval_code or MISSING))
    return found
