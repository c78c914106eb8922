"""The admin socket: a UNIX socket of mode 0600, JSON-RPC 2.0, one request a line, answered in order.

Owns the socket file and its connections. Who asks is known from the kernel (SO_PEERCRED), not from what they say.
"""

import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from authoriser.admin import protocol, rpc
from authoriser.admin.methods import Methods
from authoriser.limits import ADMIN_CONNECTIONS_MAX, READ_MAX_BYTES

log = structlog.get_logger()

_UCRED = struct.Struct("3i")


class AdminSocketError(Exception):
    """The socket can't be made where it is configured; the text says why."""


class AdminServer:
    """Serves `methods` on the socket at `path` until cancelled."""

    def __init__(self, path: Path, methods: Methods, count: Callable[[str], None]) -> None:
        self.path = path
        self._methods = methods
        self._count = count
        self._open = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listener = _listen(self.path)
        task_status.started()
        try:
            await trio.serve_listeners(self._serve, [trio.SocketListener(listener)])
        finally:
            self.path.unlink(missing_ok=True)

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._open >= ADMIN_CONNECTIONS_MAX:
            await stream.aclose()
            return
        self._open += 1
        uid = _peer_uid(stream)
        reader = rpc.LineReader()
        try:
            async with stream:
                while data := await stream.receive_some(READ_MAX_BYTES):
                    for line in reader.feed(data):
                        await stream.send_all(await self._answer(line, uid))
        except rpc.LineTooLongError as error:
            log.warning("admin connection closed", uid=uid, error=str(error))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away; its change stands, and its retry finds it
        finally:
            self._open -= 1

    async def _answer(self, line: bytes, uid: int) -> bytes:
        self._count("admin_requests")
        try:
            request = rpc.decode_request(line)
        except rpc.RpcError as error:
            self._count("admin_errors")
            return rpc.encode_error(error)
        try:
            params = protocol.decode_params(request.method, request.params)
            result = await self._methods.call(request.method, params, uid)
            return rpc.encode_result(request.id, result)
        except rpc.RpcError as error:
            self._count("admin_errors")
            return rpc.encode_error(error, request.id)
        except rpc.LineTooLongError as error:
            self._count("admin_errors")
            too_long = rpc.RpcError(rpc.INTERNAL_ERROR, f"the answer would be {error}; ask for less")
            return rpc.encode_error(too_long, request.id)


def _listen(path: Path) -> trio.socket.SocketType:
    """A listening socket that only this user can reach. A socket file that nobody serves is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() or path.is_symlink():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise AdminSocketError(f"{path} exists and is no socket; move it away or configure admin.socket")
        _refuse_served(path)
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(
        0o177
    )  # the file is born with mode 0600: there is no moment at which others can connect
    try:
        listening.bind(os.fspath(path))
    finally:
        os.umask(before)
    listening.listen(ADMIN_CONNECTIONS_MAX)
    return trio.socket.from_stdlib_socket(listening)


def _refuse_served(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
    raise AdminSocketError(f"another process is serving on {path}")


def _peer_uid(stream: trio.SocketStream) -> int:
    credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
