"""A card's controls between the admin socket and the ledger: a patch put over what is there, and what is shown.

Pure. Knows neither the socket nor the owner.
"""

import hashlib
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from authoriser.admin import operations as o
from authoriser.ledger.state import Card
from authoriser.limits import CONTROLS_LIST_MAX
from authoriser.texts import iso_time
from rules import Controls, Limit
from rules.facts import TRANSACTION
from rules.usage import used

NO_CONTROLS = Controls()
_SWITCHES = ("ecommerce", "contactless", "cash", "magstripe")
_LISTS = ("mcc_allow", "mcc_block", "merchant_allow", "merchant_block", "country_allow", "country_block")


def patched(
    before: Controls | None, patch: o.CardControlsSet, now_ms: int, zone: ZoneInfo
) -> Controls | None:
    """The controls after `patch`; None where nothing is left of them. Limits that are over are dropped on the way.

    Raises ValueError for an `until` that is no time to come, and where more limits would stand than a card may have.
    """
    first = NO_CONTROLS if before is None or patch.reset else before
    said = {name: value for name in (*_SWITCHES, *_LISTS) if (value := getattr(patch, name)) is not UNSET}
    for name in said.keys() & set(_LISTS):
        said[name] = tuple(dict.fromkeys(said[name])) if said[name] is not None else None
    limits = {
        (limit.spending, limit.window): limit
        for limit in first.limits
        if not limit.until_ms or limit.until_ms > now_ms
    }
    for asked in patch.limits:
        place = (asked.spending, asked.window)
        if asked.amount_minor is None and asked.count is None:
            limits.pop(place, None)
            continue
        until_ms = _until_ms(asked.until, now_ms, zone)
        limits[place] = Limit(*place, asked.amount_minor, asked.count, until_ms)
    if len(limits) > CONTROLS_LIST_MAX:
        raise ValueError(f"{len(limits)} limits; a card has at most {CONTROLS_LIST_MAX} of its own")
    after = msgspec.structs.replace(first, **said, limits=tuple(limits.values()))
    return None if after == NO_CONTROLS else after


def _until_ms(text: str | None, now_ms: int, zone: ZoneInfo) -> int:
    if text is None:
        return 0
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("until should be ISO 8601, as 2026-12-01T00:00 or 2026-12-01T00:00Z") from None
    if until.tzinfo is None:
        until = until.replace(tzinfo=zone)
    until_ms = int(until.timestamp() * 1000)
    if until_ms <= now_ms:
        raise ValueError(f"until is over: it is {iso_time(now_ms)} now, and that is {iso_time(until_ms)}")
    return until_ms


def patch_digest(patch: o.CardControlsSet) -> str:
    """What a key stands for besides the card: the patch without its words."""
    names = (*_SWITCHES, *_LISTS, "reset", "limits")
    said = {name: value for name in names if (value := getattr(patch, name)) is not UNSET}
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:12]


def shown(card: Card, now_ms: int, time_zone: str) -> o.Controls:
    """What a card has otherwise than its programme, and what it used of its own limits by now."""
    its = card.controls if card.controls is not None else NO_CONTROLS
    local_day = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(time_zone)).toordinal()
    limits = []
    for limit in its.limits:
        amount_minor: int | None = None
        count: int | None = None
        if limit.window != TRANSACTION:
            amount_minor, count = used(card.used(limit.spending), limit.window, local_day)
        until = iso_time(limit.until_ms) if limit.until_ms else None
        limits.append(
            o.Limit(limit.spending, limit.window, limit.amount_minor, limit.count, until, amount_minor, count)
        )
    return o.Controls(
        **{name: getattr(its, name) for name in (*_SWITCHES, *_LISTS)},
        limits=tuple(limits),
    )
