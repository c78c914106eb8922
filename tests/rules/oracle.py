"""The rules once more, slowly and from docs/policy.md alone: an oracle for the compiled ones.

Imported as `rules_oracle`. Reads the TOML's plain dictionaries, plans nothing ahead and knows no rule's code; of ours
it uses the vocabulary alone.
"""

import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from rules import Facts, Reason, Usage

NO_LIMIT = float("inf")


def expected(text: str, facts: Facts) -> Reason:
    """What the policy of `text` says of `facts`."""
    policy = _read(text)
    for reason, broken in _all(policy, facts):
        if broken:
            return reason
    passed = {"verification": Reason.VERIFIED, "inquiry": Reason.BALANCE_GIVEN}
    return passed.get(facts.transaction.value, Reason.APPROVED)


@lru_cache
def _read(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _all(policy: dict[str, Any], f: Facts) -> Iterator[tuple[Reason, bool]]:
    asked = f.transaction.value
    refund, unsupported = asked == "refund", asked == "unsupported"
    spends = asked in {"purchase", "cash", "cashback"}
    yield from _message(policy, f)
    if not refund:
        yield from _card(f)
    yield Reason.UNSUPPORTED_TRANSACTION, unsupported
    yield Reason.WRONG_CURRENCY, f.currency != f.account_currency
    yield Reason.INVALID_AMOUNT, (spends or refund) and f.amount_minor <= 0
    cash_part_wrong = f.cashback_minor <= 0 or f.cashback_minor > f.amount_minor
    yield Reason.INVALID_AMOUNT, asked == "cashback" and cash_part_wrong
    if refund:
        return
    yield from _proofs(policy, f)
    yield from _uses(policy, f)
    if spends:
        yield from _how_much(policy, f)


def _message(policy: dict[str, Any], f: Facts) -> Iterator[tuple[Reason, bool]]:
    yield Reason.MAC_WRONG, f.checks.mac.value in {"F", "X"}
    yield Reason.NOT_AUTHENTICATED, f.checks.mac.value in _declined(policy, "mac")


def _declined(policy: dict[str, Any], proof: str) -> set[str]:
    words = policy.get("authentication", {}).get(proof, {})
    letters = {"not_checked": "?", "absent": "-"}
    return {letters[key] for key, word in words.items() if word == "decline"}


def _card(f: Facts) -> Iterator[tuple[Reason, bool]]:
    state = f.card_state.value
    if state in {"lost", "stolen"}:
        yield Reason(f"card_{state}"), True
    yield Reason.CARD_CLOSED, f.closes_ms > 0 and f.now_ms >= f.closes_ms
    if state != "active":
        yield Reason(f"card_{state}"), True
    yield Reason.CARD_EXPIRED, f.now_ms >= f.card_expires_ms
    yield Reason.EXPIRY_MISMATCH, not f.expiry_matches


def _proofs(policy: dict[str, Any], f: Facts) -> Iterator[tuple[Reason, bool]]:
    arqc, cvv, pin, entry = (
        f.checks.arqc.value,
        f.checks.cvv.value,
        f.checks.pin.value,
        f.entry.value,
    )
    yield Reason.CRYPTOGRAM_WRONG, arqc in {"F", "X"}
    yield Reason.SECURITY_CODE_WRONG, cvv in {"F", "X"}
    yield Reason.PIN_WRONG, pin == "F"
    yield Reason.PIN_TRIES_EXCEEDED, pin == "X"
    chip = entry in {"chip", "contactless", "unknown"}
    there = entry in {"chip", "magstripe", "fallback", "unknown"}
    yield Reason.NOT_AUTHENTICATED, chip and arqc in _declined(policy, "arqc")
    yield Reason.NOT_AUTHENTICATED, entry != "stored" and cvv in _declined(policy, "cvv")
    yield Reason.NOT_AUTHENTICATED, there and pin in _declined(policy, "pin")


def _uses(policy: dict[str, Any], f: Facts) -> Iterator[tuple[Reason, bool]]:
    entry = f.entry.value
    yield Reason.MAGSTRIPE_OFF, entry in {"magstripe", "fallback"} and _off(policy, f, "magstripe")
    yield Reason.CONTACTLESS_OFF, entry == "contactless" and _off(policy, f, "contactless")
    yield Reason.ECOMMERCE_OFF, entry in {"ecommerce", "stored"} and _off(policy, f, "ecommerce")
    yield Reason.CASH_OFF, f.transaction.value == "cash" and _off(policy, f, "cash")
    for section, own, value, reason in (
        ("entry_modes", "", entry, Reason.ENTRY_MODE_NOT_ALLOWED),
        ("countries", "country", f.country, Reason.COUNTRY_NOT_ALLOWED),
        ("mccs", "mcc", f.mcc, Reason.MCC_NOT_ALLOWED),
        ("merchants", "merchant", f.merchant_id, Reason.MERCHANT_NOT_ALLOWED),
    ):
        allow, block = (_list(policy, f, section, own, name) for name in ("allow", "block"))
        yield reason, value in block or bool(allow and value not in allow)


def _off(policy: dict[str, Any], f: Facts, name: str) -> bool:
    own = getattr(f.controls, name) if f.controls else None
    return not (policy.get("switches", {}).get(name, True) if own is None else own)


def _list(policy: dict[str, Any], f: Facts, section: str, own: str, name: str) -> list[str]:
    its = getattr(f.controls, f"{own}_{name}") if f.controls and own else None
    if its is not None:
        return list(its)
    entries = policy.get(section, {}).get(name, [])
    return _mccs(policy, entries) if section == "mccs" else entries


def _mccs(policy: dict[str, Any], entries: list[str]) -> list[str]:
    written_out: list[str] = []
    for entry in entries:
        if entry in policy.get("classes", {}):
            written_out += _mccs(policy, policy["classes"][entry])
        else:
            first, last = (entry.split("-") * 2)[:2]
            written_out += [f"{number:04}" for number in range(int(first), int(last) + 1)]
    return written_out


def _how_much(policy: dict[str, Any], f: Facts) -> Iterator[tuple[Reason, bool]]:
    tapping = policy.get("contactless", {})
    exempt = f.mcc in _mccs(policy, tapping.get("exempt", []))
    tapped = f.entry.value == "contactless" and f.checks.pin.value != "P" and not exempt
    too_often = f.contactless_count + 1 > (tapping.get("count") or NO_LIMIT)
    too_much = f.contactless_minor + f.amount_minor > (tapping.get("amount_minor") or NO_LIMIT)
    yield Reason.PIN_REQUIRED, tapped and (too_often or too_much)
    if f.transaction.value == "cashback":
        most = policy.get("cashback", {}).get("amount_minor", NO_LIMIT)
        yield Reason.CASHBACK_NOT_ALLOWED, f.cashback_minor > most or _off(policy, f, "cash")
    limits = _limits(policy, f)
    for limit in limits:
        if limit["window"] == "transaction":
            yield Reason.TRANSACTION_LIMIT, f.amount_minor > limit["amount"]
    for limit in limits:
        if limit["window"] != "transaction":
            amount = _used(f, limit)[0]
            yield Reason.AMOUNT_LIMIT, amount + f.amount_minor > limit["amount"]
    for limit in limits:
        yield Reason.COUNT_LIMIT, _used(f, limit)[1] + 1 > limit["count"]
    for window in policy.get("velocity", []):
        name = window.get("class", "")
        if name and name not in f.classes:
            continue
        since = f.now_ms - window["minutes"] * 60_000
        within = [
            spend.amount_minor
            for spend in f.recent
            if spend.at_ms > since and (not name or name in spend.classes)
        ]
        too_much = sum(within) + f.amount_minor > window.get("amount_minor", NO_LIMIT)
        yield Reason.VELOCITY_LIMIT, too_much or len(within) + 1 > window["count"]
    yield Reason.INSUFFICIENT_FUNDS, f.amount_minor > f.available_minor


def _limits(policy: dict[str, Any], f: Facts) -> list[dict[str, Any]]:
    standing: dict[tuple[str, str], dict[str, Any]] = {}
    for limit in policy.get("limits", []):
        place = (limit.get("class", ""), limit["window"])
        standing[place] = {
            "amount": limit.get("amount_minor", NO_LIMIT),
            "count": limit.get("count", NO_LIMIT),
        }
    for own in reversed(f.controls.limits if f.controls else ()):
        if own.until_ms == 0 or f.now_ms < own.until_ms:
            standing[own.spending, own.window] = {
                "amount": NO_LIMIT if own.amount_minor is None else own.amount_minor,
                "count": NO_LIMIT if own.count is None else own.count,
            }
    names = ("", *f.classes)
    return [
        {"class": name, "window": window, **most}
        for (name, window), most in standing.items()
        if name in names
    ]


def _used(f: Facts, limit: dict[str, Any]) -> tuple[int, int]:
    usage: Usage = f.usage[("", *f.classes).index(limit["class"])]
    today = date.fromordinal(f.local_day)
    monday = today - timedelta(days=today.weekday())
    if limit["window"] == "day" and usage.day >= today.toordinal():
        return usage.day_minor, usage.day_count
    if limit["window"] == "week" and usage.week >= monday.toordinal():
        return usage.week_minor, usage.week_count
    if limit["window"] == "month" and usage.month >= today.replace(day=1).toordinal():
        return usage.month_minor, usage.month_count
    return 0, 0
