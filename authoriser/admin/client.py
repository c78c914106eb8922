"""The blocking client of the admin socket, for the command line and scripts.

Owns the connection, its timeouts, and asking again with the same key when an acknowledgement was lost. Knows no method
beyond what protocol.py says.
"""

from __future__ import annotations

import errno
import itertools
import secrets
import socket
import string
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from authoriser.admin.protocol import METHODS, Change, decode_result, make_params
from authoriser.admin.rpc import LineReader, LineTooLongError, RpcError, decode_response, encode_request

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
"""A change waits for the disk, and 1000 imported rows for a batch; a full disk makes the server hold both."""
LOST_CONNECTION_RETRIES = 3
"""A server that restarts is back within a few seconds, or something is wrong with it."""
RETRY_PAUSE_S = 0.5
RECEIVE_BYTES = 65_536
KEY_LETTERS = 20
"""94 bits: no two clients ever make the same."""


class ClientError(Exception):
    """The request came to nothing, or nobody knows; the message says what to do."""


class NoServerError(ClientError):
    """No process listens on the socket."""


class LostAnswerError(ClientError):
    """The request was sent and no answer came: whether it was done is not known. `key` is the one to ask again with."""

    def __init__(self, message: str, key: str | None) -> None:
        super().__init__(message)
        self.key = key


class AdminError(ClientError):
    """The server answered with an error. `kind` as in protocol.Kind, or None for a wrong request; `code` as in rpc."""

    def __init__(self, kind: str | None, message: str, code: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code


def new_key() -> str:
    """A key for one change, to be used again only for the same change. Letters only: none can pass for a number."""
    return "cli-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(KEY_LETTERS))


class AdminClient:
    """One connection to an admin socket, made when it is first needed. Not for use by two threads at once.

    `data_dir` is for the words of errors only.
    """

    def __init__(
        self,
        path: Path,
        *,
        data_dir: Path | None = None,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        retry_pause_s: float = RETRY_PAUSE_S,
    ) -> None:
        self._path = path
        self._data_dir = data_dir if data_dir is not None else path.parent
        self._answer_timeout_s = answer_timeout_s
        self._retry_pause_s = retry_pause_s
        self._ids = itertools.count(1)
        self._socket: socket.socket | None = None
        self._reader = LineReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, method: str, **params: Any) -> Any:
        """Ask, and wait for the answer: the method's result struct of protocol.py.

        A change without a `key` gets a new one. When the connection is lost the same line, and so the same key, is
        sent again. Raises RpcError for params that are wrong (nothing was sent), AdminError, NoServerError and
        LostAnswerError.
        """
        if issubclass(METHODS[method].params, Change):
            params.setdefault("key", new_key())
        key: str | None = params.get("key")
        request_id = next(self._ids)
        try:
            line = encode_request(request_id, method, make_params(method, params))
        except LineTooLongError as error:
            raise ClientError(str(error)) from None
        answer = self._exchange_with_retries(line, key)
        try:
            response = decode_response(answer)
            if response.error is not None:
                data = response.error.data or {}
                raise AdminError(data.get("kind"), response.error.message, response.error.code)
            if response.id != request_id:
                raise ClientError(f"the answer is to request {response.id} and {request_id} was sent")
            return decode_result(method, response.result)
        except (msgspec.ValidationError, RpcError):
            self.close()
            raise ClientError(
                f"what listens at {self._path} answered something else than {method} gives; "
                "is it an authoriser of this version?"
            ) from None

    def _exchange_with_retries(self, line: bytes, key: str | None) -> bytes:
        for attempt in itertools.count():
            try:
                return self._exchange(line)
            except TimeoutError:
                self.close()
                raise LostAnswerError(
                    f"no answer within {self._answer_timeout_s:g} s, and whether it was done is not known"
                    + _ask_again(key),
                    key,
                ) from None
            except NoServerError:
                if attempt == 0:
                    raise  # nothing was sent
                if attempt == LOST_CONNECTION_RETRIES:
                    raise self._lost(key) from None
            except (ConnectionError, EOFError):
                self.close()
                if attempt == LOST_CONNECTION_RETRIES:
                    raise self._lost(key) from None
            except LineTooLongError:
                self.close()
                raise ClientError(f"what listens at {self._path} sends lines that are too long") from None
            time.sleep(self._retry_pause_s)
        raise AssertionError("unreachable")

    def _lost(self, key: str | None) -> LostAnswerError:
        text = "the authoriser went away before it answered, and whether it was done is not known"
        return LostAnswerError(text + _ask_again(key), key)

    def _exchange(self, line: bytes) -> bytes:
        connection = self._connected()
        connection.settimeout(self._answer_timeout_s)
        deadline = time.monotonic() + self._answer_timeout_s
        connection.sendall(line)
        while True:
            data = connection.recv(RECEIVE_BYTES)
            if not data:
                raise EOFError
            lines = self._reader.feed(data)
            if lines:
                return lines[0]
            connection.settimeout(max(0.001, deadline - time.monotonic()))

    def _connected(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.settimeout(CONNECT_TIMEOUT_S)
        try:
            connection.connect(str(self._path))
        except TimeoutError:
            connection.close()
            raise NoServerError(
                f"the authoriser at {self._path} takes no more connections; try again"
            ) from None
        except OSError as error:
            connection.close()
            raise self._no_server(error) from None
        self._socket = connection
        self._reader = LineReader()
        return connection

    def _no_server(self, error: OSError) -> NoServerError:
        data = self._data_dir
        if error.errno == errno.EACCES:
            return NoServerError(
                f"{self._path} belongs to another user; ask as who runs the authoriser, or as one of admin.group"
            )
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            what = f"no socket at {self._path}"
        elif error.errno == errno.ECONNREFUSED:
            what = f"nothing listens at {self._path}"
        else:
            what = f"{self._path}: {error.strerror or error}"
        return NoServerError(
            f"no authoriser is running on {data} ({what}); start one with: authoriser serve --data {data}"
        )


def _ask_again(key: str | None) -> str:
    return f"; ask again with --key {key}, which does it once only" if key is not None else "; ask again"
