"""Which original a reversal means. Stated precedence, and nothing is guessed.

Same card and network always. Then DE90 as far as it is filled (a zero-filled part is absent), if it names a
STAN; where that finds nothing, RRN + STAN + DE32. One candidate is the original; several are ambiguous, and
money is not moved on a guess.
"""

from collections.abc import Iterator

from msgspec import Struct

from authoriser.ledger.commands import OriginalReference, ReversalRequest
from authoriser.ledger.records import Particulars, Tombstone
from authoriser.ledger.state import Account, KeptAnswer

ORIGINAL_MTIS = frozenset({"0100", "0200"})


class Match(Struct, frozen=True):
    """`key` is the original's key, "" where there is none; `candidates` counts what fitted."""

    key: str
    kept: KeptAnswer | None
    candidates: int


def find_original(account: Account, card_id: str, request: ReversalRequest) -> Match:
    """The original of `request` among the answers that `account` keeps for this card."""
    originals = list(_originals(account, card_id, request.particulars.network))
    if request.original.stan:
        found = [pair for pair in originals if _reference_fits(request.original, pair[1].particulars)]
        if found:
            return _match(found)
    return _match([pair for pair in originals if _retrieval_fits(request, pair[1].particulars)])


def _match(found: list[tuple[str, KeptAnswer]]) -> Match:
    if len(found) == 1:
        key, kept = found[0]
        return Match(key, kept, 1)
    return Match("", None, len(found))


def _originals(account: Account, card_id: str, network: str) -> Iterator[tuple[str, KeptAnswer]]:
    for key, kept in account.kept.items():
        said = kept.particulars
        if kept.card_id == card_id and said.network == network and said.mti in ORIGINAL_MTIS:
            yield key, kept


def _retrieval_fits(request: ReversalRequest, original: Particulars) -> bool:
    said = request.particulars
    return bool(
        said.rrn
        and said.rrn == original.rrn
        and said.stan == original.stan
        and said.acquirer == original.acquirer
    )


def _reference_fits(named: OriginalReference | Tombstone, original: Particulars) -> bool:
    return bool(
        named.stan == original.stan
        and (not named.mti or named.mti == original.mti)
        and (not named.transmission or named.transmission == original.transmission)
        and (not named.acquirer or named.acquirer == original.acquirer)
    )


def tombstone_for(request: ReversalRequest, card_id: str, forget_ms: int) -> Tombstone | None:
    """The tombstone that a full reversal without its original leaves, None where it names too little.

    Too little is a STAN alone: it comes again within days, and would decline somebody's next coffee. So the
    transmission time (of DE90) or the RRN must be there too.
    """
    if request.new_total_minor:
        return None  # a new total of zero is a full reversal, said another way
    named, said = request.original, request.particulars
    if named.stan and named.transmission:
        return Tombstone(
            card_id, said.network, named.mti, named.stan, named.transmission, named.acquirer, "", forget_ms
        )
    if named.stan and said.rrn:
        return Tombstone(
            card_id, said.network, named.mti, named.stan, "", named.acquirer, said.rrn, forget_ms
        )
    if said.stan and said.rrn:
        return Tombstone(card_id, said.network, "", said.stan, "", said.acquirer, said.rrn, forget_ms)
    return None


def buried(account: Account, card_id: str, said: Particulars, now_ms: int) -> bool:
    """Whether a tombstone declines this request: its reversal came first."""
    return any(
        stone.card_id == card_id
        and stone.network == said.network
        and stone.forget_ms > now_ms
        and _reference_fits(stone, said)
        and (not stone.rrn or stone.rrn == said.rrn)
        for stone in account.tombstones
    )
