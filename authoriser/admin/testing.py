"""A stand-in for the server's end of the admin socket: real sockets and lines, accounts and cards in dictionaries.

For tests of clients. It keeps no journal and decides nothing about payments; it checks requests with the same protocol
as the real one, remembers changes by their key, and can lose answers on purpose.
"""

from __future__ import annotations

import contextlib
import hashlib
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from iso4217 import Currency

from authoriser.admin import protocol
from authoriser.admin.rpc import (
    LineReader,
    LineTooLongError,
    RpcError,
    decode_request,
    encode_error,
    encode_result,
)

_STATE_AFTER = {"card.freeze": "frozen", "card.unfreeze": "active", "card.block": "blocked"}
_A_TIME = "2026-01-02T03:04:05.678Z"


class MemoryIssuer:
    """The methods of the protocol over dictionaries. `requests` holds every (method, params) that was well-formed."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.accounts: dict[str, protocol.Account] = {}
        self.cards: dict[str, protocol.Card] = {}
        self.pans: dict[str, str] = {}
        self.exceptions: tuple[protocol.ExceptionEntry, ...] = ()
        self.status: protocol.Status | None = None
        self.import_problems: dict[str, str] = {}
        """PAN -> what import.check says of it."""
        self._done: dict[str, Any] = {}

    def answer(self, method: str, params: Any) -> Any:
        """The result struct. Raises RpcError."""
        self.requests.append((method, params))
        if not isinstance(params, protocol.Change):
            return self._handle(method, params)
        if params.key not in self._done:
            self._done[params.key] = self._handle(method, params)
            return self._done[params.key]
        return msgspec.structs.replace(self._done[params.key], changed=False)

    def _handle(self, method: str, params: Any) -> Any:
        if method in _STATE_AFTER:
            return self._change_state(params.card, _STATE_AFTER[method])
        handler = getattr(self, "_" + method.replace(".", "_"))
        return handler(params)

    def _account_open(self, params: protocol.AccountOpen) -> protocol.AccountChanged:
        if params.account in self.accounts:
            raise protocol.application_error("conflict", f"account {params.account} is open already")
        account = self._opened(
            params.account, params.currency, params.credit_line_minor, params.time_zone or "UTC"
        )
        return protocol.AccountChanged(account, changed=True)

    def _opened(
        self, account_id: str, currency: str, credit_line_minor: int, time_zone: str
    ) -> protocol.Account:
        known = next(c for c in Currency if currency in (c.code, f"{c.number:03d}"))
        self.accounts[account_id] = protocol.Account(
            account_id,
            known.code,
            known.exponent or 0,
            0,
            0,
            credit_line_minor,
            credit_line_minor,
            time_zone,
            _A_TIME,
            (),
            (),
        )
        return self.accounts[account_id]

    def _account_show(self, params: protocol.AccountShow) -> protocol.AccountResult:
        return protocol.AccountResult(self._account(params.account))

    def _account_credit(self, params: protocol.AccountCredit) -> protocol.AccountChanged:
        return protocol.AccountChanged(self._credited(params.account, params.amount_minor), changed=True)

    def _credited(self, account_id: str, amount_minor: int) -> protocol.Account:
        account = self._account(account_id)
        self.accounts[account_id] = msgspec.structs.replace(
            account,
            balance_minor=account.balance_minor + amount_minor,
            available_minor=account.available_minor + amount_minor,
        )
        return self.accounts[account_id]

    def _card_issue(self, params: protocol.CardIssue) -> protocol.CardChanged:
        if params.pan in self.pans:
            raise protocol.application_error("conflict", "this card number is issued already")
        return protocol.CardChanged(
            self._issued(params.account, params.pan, params.expiry, params.state), changed=True
        )

    def _issued(self, account_id: str, pan: str, expiry: str, state: str) -> protocol.Card:
        account = self._account(account_id)
        card_id = "card_" + hashlib.sha256(pan.encode()).hexdigest()[:12]
        card = protocol.Card(card_id, account_id, pan[-4:], expiry, state)
        self.cards[card_id] = card
        self.pans[pan] = card_id
        self.accounts[account_id] = msgspec.structs.replace(account, cards=(*account.cards, card))
        return card

    def _card_show(self, params: protocol.CardShow) -> protocol.CardResult:
        card = self._card(params.card)
        return protocol.CardResult(card, self._account(card.account_id))

    def _change_state(self, ref: protocol.CardRef, state: str) -> protocol.CardChanged:
        before = self._card(ref)
        card = msgspec.structs.replace(before, state=state)
        self.cards[card.card_id] = card
        return protocol.CardChanged(card, changed=before != card)

    def _import_check(self, params: protocol.ImportCheck) -> protocol.ImportChecked:
        problems = tuple(
            protocol.ImportProblem(row.line, self.import_problems[row.pan])
            for row in params.rows
            if row.pan in self.import_problems
        )
        present = sum(row.pan in self.pans for row in params.rows)
        return protocol.ImportChecked(problems, len(params.rows) - present, present)

    def _import_apply(self, params: protocol.ImportApply) -> protocol.ImportApplied:
        imported = 0
        for row in params.rows:
            if row.pan in self.pans:
                continue
            if row.account not in self.accounts:
                self._opened(row.account, row.currency, 0, "UTC")
            self._credited(row.account, row.credit_minor)
            self._issued(row.account, row.pan, row.expiry, "active")
            imported += 1
        return protocol.ImportApplied(imported, len(params.rows) - imported)

    def _status(self, _params: protocol.StatusShow) -> protocol.Status:
        if self.status is None:
            raise protocol.application_error("not_admitted", "the status was not set")
        return self.status

    def _exceptions_list(self, params: protocol.ExceptionsList) -> protocol.ExceptionsListed:
        return protocol.ExceptionsListed(len(self.exceptions), self.exceptions[: params.limit])

    def _account(self, account_id: str) -> protocol.Account:
        if account_id not in self.accounts:
            raise protocol.application_error("not_found", f"there is no account {account_id}")
        return self.accounts[account_id]

    def _card(self, ref: protocol.CardRef) -> protocol.Card:
        if isinstance(ref.pan, str):
            found = [card for card in self.cards.values() if card.card_id == self.pans.get(str(ref.pan))]
        elif isinstance(ref.last_four, str):
            found = [card for card in self.cards.values() if card.last_four == ref.last_four]
        else:
            found = [card for card in self.cards.values() if card.card_id == ref.id]
        if not found:
            raise protocol.application_error("not_found", "there is no such card")
        if len(found) > 1:
            raise protocol.application_error(
                "ambiguous", f"{len(found)} cards end in these digits; name one by its id"
            )
        return found[0]


class AdminServerDouble:
    """Serves a MemoryIssuer on a UNIX socket from threads.

    As many connections as `lose_answers` says are closed where an answer would go.
    """

    def __init__(self, path: Path, issuer: MemoryIssuer) -> None:
        self.issuer = issuer
        self.lose_answers = 0
        self.hold_answers = False
        """While true, changes are made and nothing is said."""
        self.lines: list[bytes] = []
        """Every line received, for tests of what is sent again."""
        double = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError, LineTooLongError):
                    double._serve(self.request)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, connection: Any) -> None:
        reader = LineReader()
        while data := connection.recv(65_536):
            for line in reader.feed(data):
                self.lines.append(line)
                answer = self._answer(line)
                if self.lose_answers:
                    self.lose_answers -= 1
                    return
                if not self.hold_answers:
                    connection.sendall(answer)

    def _answer(self, line: bytes) -> bytes:
        request_id = None
        try:
            request = decode_request(line)
            request_id = request.id
            params = protocol.decode_params(request.method, request.params)
            return encode_result(request.id, self.issuer.answer(request.method, params))
        except RpcError as error:
            return encode_error(error, request_id)


@contextlib.contextmanager
def serving(path: Path, issuer: MemoryIssuer | None = None) -> Iterator[AdminServerDouble]:
    """A double on a socket, closed at the end."""
    double = AdminServerDouble(path, issuer if issuer is not None else MemoryIssuer())
    try:
        yield double
    finally:
        double.close()
        path.unlink(missing_ok=True)
