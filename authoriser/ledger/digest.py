"""The state's hash, and what must be true of any state. `verify` and the tests ask both.

The hash covers every aggregate in a fixed order, dictionaries sorted by key: two states with the same hash answer
everything the same.
"""

import hashlib
from collections import defaultdict

import msgspec

from authoriser.ledger.state import Account, ShardState

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def state_hash(state: ShardState) -> str:
    """SHA-256 over the whole shard, in hexadecimal."""
    digest = hashlib.sha256(_encoder.encode((state.shard, state.record_no, state.last_ms)))
    digest.update(_encoder.encode(state.commons))
    for account_id in sorted(state.accounts):
        account = state.accounts[account_id]
        # Ordered encoding sorts keys of text only, so the payments go by their number beside the account.
        digest.update(_encoder.encode(msgspec.structs.replace(account, payments={})))
        digest.update(_encoder.encode(sorted(account.payments.items())))
    return digest.hexdigest()


def problems(state: ShardState) -> list[str]:
    """What contradicts the ledger's rules, a line each; empty for a sound state."""
    found: list[str] = []
    total: dict[str, int] = defaultdict(int)
    for book, amount in state.commons.books.items():
        total[book.rpartition(":")[2]] += amount
    for account in state.accounts.values():
        total[account.currency] += account.balance_minor
        found += _account_problems(state, account)
    found += [
        f"postings in {currency} sum to {amount}, not to zero" for currency, amount in total.items() if amount
    ]
    cards = sum(len(account.cards) for account in state.accounts.values())
    if len(state.cards) != cards or len(state.tokens) != cards:
        found.append(
            f"{cards} cards stand in accounts, {len(state.cards)} in the index by id, {len(state.tokens)} by number"
        )
    siblings = {kept.sibling for account in state.accounts.values() for kept in account.kept.values()} - {""}
    if state.advised != siblings:
        found.append(f"{len(siblings)} advices stand for requests, {len(state.advised)} in their index")
    return found


def _account_problems(state: ShardState, account: Account) -> list[str]:
    name = account.account_id
    found = []
    held = sum(payment.held_minor for payment in account.payments.values())
    if held != account.held_minor:
        found.append(f"account {name}: holds sum to {held}, its total says {account.held_minor}")
    for payment in account.payments.values():
        amounts = (payment.held_minor, payment.authorised_minor, payment.captured_minor, payment.online_minor)
        if min(amounts) < 0 or payment.online_minor > payment.captured_minor:
            found.append(f"account {name}: payment {payment.hold_id} has amounts that can't be: {amounts}")
        if payment.held_minor and payment.ended:
            found.append(
                f"account {name}: payment {payment.hold_id} is {payment.ended} and holds all the same"
            )
    if account.version > state.record_no:
        found.append(
            f"account {name}: it knows record {account.version}, the journal ends at {state.record_no}"
        )
    return found
