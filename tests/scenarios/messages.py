"""From a step to the fields of its message, and the whole reply that must come back.

Owns the helpers of the format: money, DE54, DE63, DE90, DE95, and how one message names another. Written without any
code of ours, so that a fault in the codec or the translator can't stand on both sides.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.scenarios.format import AmountTold, NetworkData, ReplyExpected, ScenarioError, Send

Fields = dict[str, str]

CURRENCIES = {"EUR": ("978", 2), "USD": ("840", 2), "GBP": ("826", 2), "JPY": ("392", 0), "KWD": ("414", 3)}
"""Number and decimals of ISO 4217: the currencies that scenarios use."""

DEFAULTS: Fields = {
    "3": "000000",
    "18": "5411",
    "22": "051",
    "32": "000123",
    "41": "TERM0001",
    "42": "SHOP0000000001 ",
    "43": f"{'CORNER SHOP RUA DO OURO 1':25}{'LISBON':13}PT",
    "49": "978",
}
KINDS = {"purchase": "00", "cash": "01", "cashback": "09", "refund": "20", "balance": "31"}
ENTRIES = {
    "chip": "051",
    "chip and PIN": "051",
    "contactless": "071",
    "stripe": "901",
    "typed": "011",
    "ecommerce": "810",
}
ECHOED = (2, 3, 4, 7, 11, 12, 13, 24, 25, 32, 33, 37, 41, 42, 49)
ECHOED_OF_REVERSALS = (*ECHOED, 90, 95)
"""What a reply repeats of its request: written out here so that the dialect's own table is tested too."""

PIN_BLOCK = "0123456789ABCDEF"
"""Eight bytes that stand for an encrypted PIN: nothing here can read it."""

NAMED_BY = {
    "0100": "reference",
    "0120": "key",
    "0200": "reference",
    "0220": "code",
    "0400": "reference",
    "0420": "reference",
}
"""How a message names its original where the step does not say: as networks usually do."""

CAPTURED_FROM_ORIGINAL = ("3", "4", "18", "22", "32", "41", "42", "43", "49")
"""What a message that is about another says again, unless its step says otherwise."""

NO_REFERENCE = "0" * 42


def minor(text: str, currency: str = "EUR") -> int:
    """Minor units of "40.00". Raises ScenarioError where the decimals are not the currency's; "0" needs none."""
    if text == "0":
        return 0
    decimals = CURRENCIES[currency][1]
    whole, _, rest = text.partition(".")
    if len(rest) != decimals:
        raise ScenarioError(f'"{text}" has {len(rest)} decimals and {currency} has {decimals}')
    return int(whole + rest)


def money(amount_minor: int, currency: str = "EUR") -> str:
    """The words of `minor`, for comparing in a reader's terms."""
    decimals = CURRENCIES[currency][1]
    sign, digits = "-" if amount_minor < 0 else "", f"{abs(amount_minor):0{decimals + 1}}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else sign + digits


@dataclass
class Sent:
    """A message that went out, and what came of it. `approval_code` is the DE38 of its reply."""

    fields: Fields
    card: str
    currency: str
    approval_code: str = ""
    reply: Fields | None = None
    begun: list[int] = field(default_factory=list)

    @property
    def network_id(self) -> str:
        return _network_id(self.fields.get("63", ""))


class Writer:
    """Makes the messages of one scenario. `pans` are its cards' numbers."""

    def __init__(self, pans: dict[str, str]) -> None:
        self._pans = pans
        self._number = 100
        self._latest_ms = 0
        self.sent: dict[str, Sent] = {}

    def message(self, step: Send, now_ms: int) -> Sent:
        """The fields of a step's message."""
        if step.repeats:
            first = self.sent[step.repeats]
            fields, card, currency = dict(first.fields), first.card, first.currency
        else:
            fields, card, currency = self._new(step, now_ms)
        fields["t"] = step.send
        if step.currency is not None:
            currency = step.currency
            fields["49"] = CURRENCIES[currency][0]
        fields |= self._said(step, currency)
        if step.network is not None:
            fields["63"] = network_data(step.network)
        fields |= step.fields
        for number in step.without:
            fields.pop(number, None)
        sent = Sent(fields, card, currency)
        if step.name:
            self.sent[step.name] = sent
        return sent

    def _new(self, step: Send, now_ms: int) -> tuple[Fields, str, str]:
        self._number += 1
        # No two messages are of the same second, however quick the world is: DE7 is a part of every key.
        now_ms = self._latest_ms = max(now_ms, self._latest_ms + 1_000)
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        fields = DEFAULTS | {
            "7": f"{moment:%m%d%H%M%S}",
            "11": f"{self._number:06}",
            "37": f"7015{self._number:08}",
        }
        card, currency = step.card, "EUR"
        if step.about:
            original = self.sent[step.about]
            card, currency = step.card or original.card, original.currency
            fields |= {n: original.fields[n] for n in CAPTURED_FROM_ORIGINAL if n in original.fields}
            fields |= self._naming(step, original)
        fields["2"] = self._pans[card]
        return fields, card, currency

    def _naming(self, step: Send, original: Sent) -> Fields:
        by = step.by or NAMED_BY[f"{step.send[:3]}0"]
        said = original.fields
        if by == "key":
            return {n: said[n] for n in ("7", "11", "37")}
        if by == "reference":
            return {"90": reference(said), "37": said["37"]}
        if by == "retrieval":
            return {"11": said["11"], "37": said["37"]}
        if by == "rrn":
            return {"37": said["37"]}
        if by == "network_id":
            return {"63": network_data(NetworkData(id=original.network_id))}
        if by == "code":
            return {"38": original.approval_code}
        return {}

    def _said(self, step: Send, currency: str) -> Fields:
        said: Fields = {}
        if step.kind is not None:
            said["3"] = f"{KINDS[step.kind]}0000"
        if step.amount is not None:
            said["4"] = f"{minor(step.amount, currency):012}"
        if step.billing:
            amount, _, name = step.billing.partition(" ")
            said |= {"6": f"{minor(amount, name):012}", "51": CURRENCIES[name][0]}
        if step.cash is not None:
            said["54"] = amount_told("00", "40", currency, minor(step.cash, currency))
        if step.fee is not None:
            fee = minor(step.fee, currency)
            said["28"] = f"{'C' if fee < 0 else 'D'}{abs(fee):08}"
        if step.new_total is not None:
            said["95"] = f"{minor(step.new_total, currency):012}".ljust(42, "0")
        if step.entry is not None:
            said["22"] = ENTRIES[step.entry]
            if step.entry == "chip and PIN":
                said["52"] = PIN_BLOCK
        for number, text in (
            ("18", step.mcc),
            ("32", step.acquirer),
            ("11", step.stan),
            ("37", step.rrn),
            ("14", step.expiry),
            ("39", step.response),
        ):
            if text is not None:
                said[number] = text
        if step.merchant is not None:
            said["42"] = f"{step.merchant:15}"
        return said


def reply_to(sent: Sent, expected: ReplyExpected, approval_code: str) -> Fields:
    """The whole reply. `approval_code` is the one that came, where one is due; "" otherwise."""
    said = sent.fields
    mti = said["t"]
    echoed = ECHOED_OF_REVERSALS if mti.startswith("04") else ECHOED
    reply = {str(number): said[str(number)] for number in echoed if str(number) in said}
    reply |= {"t": f"{mti[:2]}{int(mti[2]) + 1}0", "39": expected.code}
    if expected.amount is not None:
        reply["4"] = f"{minor(expected.amount, sent.currency):012}"
    if expected.amounts:
        reply["54"] = "".join(_told(amount) for amount in expected.amounts)
    if approval_code:
        reply["38"] = approval_code
    return reply


def approval_due(sent: Sent, expected: ReplyExpected) -> bool:
    """Whether DE38 must stand in the reply: on what a request was approved or verified with, and nowhere else."""
    if expected.approval_code is not None:
        return expected.approval_code
    asks = sent.fields["t"] in ("0100", "0101", "0200", "0201")
    return asks and expected.code in ("00", "10", "85")


def _told(amount: AmountTold) -> str:
    return amount_told(amount.account, amount.type, amount.currency, minor(amount.amount, amount.currency))


def amount_told(account: str, kind: str, currency: str, amount_minor: int) -> str:
    """One entry of DE54: account type, amount type, currency, sign, twelve digits."""
    sign = "D" if amount_minor < 0 else "C"
    return f"{account}{kind}{CURRENCIES[currency][0]}{sign}{abs(amount_minor):012}"


def reference(original: Fields) -> str:
    """DE90 of an original: MTI, STAN, transmission time, acquirer, forwarder."""
    return f"{original['t'][:3]}0{original['11']}{original['7']}{original.get('32', ''):0>11}{'':0>11}"


def network_data(data: NetworkData) -> str:
    """DE63: tag and length of two digits each, then the value."""
    values = {
        "01": data.id,
        "02": "" if data.lifetime_hours is None else str(data.lifetime_hours),
        "03": "I" if data.increment else "",
        "04": "1" if data.partial_allowed else "",
        "05": "".join(f"{int(part):02}" for part in data.sequence.split("/")) if data.sequence else "",
        "06": data.pin,
        "07": data.cvv,
        "08": data.arqc,
        "09": data.mac,
    }
    return "".join(f"{tag}{len(value):02}{value}" for tag, value in values.items() if value)


def _network_id(text: str) -> str:
    while text:
        tag, length = text[:2], int(text[2:4])
        if tag == "01":
            return text[4 : 4 + length]
        text = text[4 + length :]
    return ""


def pan(number: int) -> str:
    """The card number `number` of the tests' range, with its check digit (Luhn)."""
    digits = f"400000{number:09}"
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{digits}{-total % 10}"
