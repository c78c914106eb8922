"""JSON-RPC 2.0, one object a line: framing, envelopes and errors, shared by client and server.

Sans-I/O. Knows nothing of accounts or cards; `protocol.py` says what the methods are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from authoriser.limits import ADMIN_LINE_MAX_BYTES

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
APPLICATION_ERROR = -32000
"""The request was well-formed and the answer is no; `data.kind` says which no."""

Id = int | str


class RpcError(Exception):
    """An error to answer with. `kind` is one of protocol.Kind for application errors, else None.

    `request_id` is None where the line's id could not be read.
    """

    def __init__(
        self, code: int, message: str, kind: str | None = None, request_id: Id | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = kind
        self.request_id = request_id


class LineTooLongError(Exception):
    """A line went over ADMIN_LINE_MAX_BYTES; where the next one starts is not known any more."""


class Request(msgspec.Struct, frozen=True):
    """A request whose envelope is right. `params` is still JSON."""

    id: Id
    method: str
    params: msgspec.Raw


class Response(msgspec.Struct, frozen=True):
    """A response; either `error` is None or `result` is to be ignored."""

    id: Id | None
    result: msgspec.Raw
    error: ErrorObject | None


class ErrorObject(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: dict[str, Any] | None = None


class _RequestEnvelope(msgspec.Struct, frozen=True):
    id: Id
    method: str
    jsonrpc: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class _ResponseEnvelope(msgspec.Struct, frozen=True):
    id: Id | None
    jsonrpc: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorObject | None = None


class _IdOnly(msgspec.Struct, frozen=True):
    id: Id | None = None


_requests = msgspec.json.Decoder(_RequestEnvelope)
_responses = msgspec.json.Decoder(_ResponseEnvelope)
_ids = msgspec.json.Decoder(_IdOnly)
_encoder = msgspec.json.Encoder()


def decode_request(line: bytes) -> Request:
    """One line without its end -> Request. Raises RpcError (-32700 or -32600), with the id where it could be read."""
    try:
        envelope = _requests.decode(line)
    except msgspec.ValidationError as error:
        raise RpcError(INVALID_REQUEST, _request_should_be(str(error)), request_id=_id_of(line)) from None
    except (msgspec.DecodeError, RecursionError):
        raise RpcError(
            PARSE_ERROR, "the line is not JSON; send one JSON-RPC 2.0 request object a line"
        ) from None
    if envelope.jsonrpc != "2.0":
        raise RpcError(INVALID_REQUEST, 'jsonrpc should be "2.0"', request_id=envelope.id)
    return Request(envelope.id, envelope.method, envelope.params)


def decode_response(line: bytes) -> Response:
    """One line without its end -> Response. Raises RpcError(-32700) for what is no response."""
    try:
        envelope = _responses.decode(line)
    except (msgspec.DecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "the answer is not a JSON-RPC 2.0 response") from None
    return Response(envelope.id, envelope.result, envelope.error)


def encode_request(request_id: Id, method: str, params: object) -> bytes:
    """A line with its end. Raises LineTooLongError."""
    return _line({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def encode_result(request_id: Id, result: object) -> bytes:
    """A line with its end. Raises LineTooLongError."""
    return _line({"jsonrpc": "2.0", "id": request_id, "result": result})


def encode_error(error: RpcError, request_id: Id | None = None) -> bytes:
    """A line with its end; the id is the given one, else the error's own, else null."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.kind is not None:
        body["data"] = {"kind": error.kind}
    answered = request_id if request_id is not None else error.request_id
    return _line({"jsonrpc": "2.0", "id": answered, "error": body})


class LineReader:
    """Cuts one connection's bytes into lines without their ends; blank lines are skipped."""

    def __init__(self, line_length_max_bytes: int = ADMIN_LINE_MAX_BYTES) -> None:
        self._most = line_length_max_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Every whole line, in order. Raises LineTooLongError; after that the reader is of no more use."""
        searched_from = len(self._rest)
        self._rest += data
        if self._rest.find(b"\n", searched_from) < 0:
            self._check(len(self._rest))
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in (*lines, rest):
            self._check(len(line))
        return [line for line in lines if line.strip()]

    def _check(self, length: int) -> None:
        if length > self._most:
            raise LineTooLongError(f"a line of more than {self._most} bytes")


def _line(message: Mapping[str, Any]) -> bytes:
    line = _encoder.encode(message)
    if len(line) > ADMIN_LINE_MAX_BYTES:
        raise LineTooLongError(f"a line of {len(line)} bytes; at most {ADMIN_LINE_MAX_BYTES} can be sent")
    return line + b"\n"


def _id_of(line: bytes) -> Id | None:
    try:
        return _ids.decode(line).id
    except (msgspec.DecodeError, RecursionError):
        return None


def _request_should_be(problem: str) -> str:
    if "got `array`" in problem and "`$" not in problem:
        return "send one request object a line; batches are not served"
    if "missing required field `id`" in problem:
        return "id is missing; every request is answered, so each needs an id (a number or text)"
    return f'should be {{"jsonrpc": "2.0", "id": ..., "method": "...", "params": {{...}}}}: {problem}'
