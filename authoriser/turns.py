"""Whose turn it is to leave memory, and what is remembered of those who left.

Turns go by the clock algorithm: an account that a record touched since it was last looked at gets a second chance. Its
`version` says so by itself, so that a hit costs nothing but the look into the dictionary. Owns no account: who may
leave at all is for whoever has them to say.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from authoriser.ledger.state import Account
from authoriser.limits import CACHE_CRAMPED_MARGIN, CACHE_EVICTIONS_PART, CACHE_LEFT_REMEMBERED_MIN
from authoriser.snapshots.contract import StoreError


class Turns:
    """Over the accounts of a shard that are in memory, of which there shall be at most `accounts_max`; None: any."""

    def __init__(self, accounts: Mapping[str, Account], accounts_max: int | None) -> None:
        self.accounts_max = accounts_max
        self._accounts = accounts
        self._turns: OrderedDict[str, int] = OrderedDict(
            (account.account_id, account.version) for account in accounts.values()
        )
        """Account -> its version when it was last looked at; whose turn is next comes first."""
        self._left: OrderedDict[str, int] = OrderedDict()
        """Account that left -> the version it had then; the latest, some 200 bytes each."""

    @property
    def wanted(self) -> int:
        """How many should leave: a little more than there are too many, as asking who may has its price; else 0."""
        most = self.accounts_max
        if most is None or len(self._accounts) <= most:
            return 0
        return len(self._accounts) - most + most // CACHE_EVICTIONS_PART

    def check(self, account: Account) -> None:
        """Raises StoreError where an account comes back as it was before it left: its store has lost a write."""
        left = self._left.get(account.account_id, 0)
        if account.version < left:
            raise StoreError(
                f"the snapshot of {account.account_id!r} is of record {account.version}, and record {left} was "
                "saved: the store went back, and nothing may be decided on it"
            )

    def came(self, account_id: str) -> None:
        """It is in memory from now on. Said twice, it changes nothing."""
        if account_id not in self._turns and account_id in self._accounts:
            self._turns[account_id] = self._accounts[account_id].version
            self._left.pop(account_id, None)

    def leave(
        self, wanted: int, may_leave: Callable[[Account], bool], leave: Callable[[Account], None]
    ) -> int:
        """Call `leave` with up to `wanted` accounts whose turn it is and that may. How many those were."""
        gone = 0
        for _ in range(min(len(self._turns), 2 * wanted + CACHE_CRAMPED_MARGIN)):
            if gone == wanted:
                break
            account_id, seen = next(iter(self._turns.items()))
            account = self._accounts[account_id]
            if account.version == seen and may_leave(account):
                leave(account)
                self._forget(account)
                gone += 1
            else:
                self._turns[account_id] = account.version
                self._turns.move_to_end(account_id)
        return gone

    def _forget(self, account: Account) -> None:
        del self._turns[account.account_id]
        self._left[account.account_id] = account.version
        while len(self._left) > max(self.accounts_max or 0, CACHE_LEFT_REMEMBERED_MIN):
            self._left.popitem(last=False)
