"""The admin socket: a UNIX socket, JSON-RPC 2.0, one request a line, answered in order.

Owns the socket file (mode 0600, or 0660 with a group), its connections, and that nobody asks what their role does not
allow. Who asks is known from the kernel (SO_PEERCRED), not from what they say.
"""

import grp
import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog
import trio

from authoriser.admin import protocol, rpc
from authoriser.admin.roles import Peer, Role, Roles
from authoriser.limits import ADMIN_CONNECTIONS_MAX, READ_MAX_BYTES

log = structlog.get_logger()

_UCRED = struct.Struct("3i")


class AdminSocketError(Exception):
    """The socket can't be made where it is configured; the text says why."""


class Callee(Protocol):
    """Whoever has the methods."""

    async def call(self, method: str, params: Any, uid: int) -> Any:
        """The result struct of `method`. Raises RpcError for what cannot be done, with the reason."""
        ...


class AdminServer:
    """Serves `methods` on the socket at `path` until cancelled. Members of `group` may connect too, "" is nobody."""

    def __init__(
        self,
        path: Path,
        methods: Callee,
        count: Callable[[str], None],
        *,
        roles: Roles | None = None,
        group: str = "",
    ) -> None:
        self.path = path
        self._methods = methods
        self._count = count
        self._roles = roles if roles is not None else Roles()
        self._group = group
        self._open = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listener = _listen(self.path, self._group)
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
        peer = await self._peer(stream)
        reader = rpc.LineReader()
        try:
            async with stream:
                while data := await stream.receive_some(READ_MAX_BYTES):
                    for line in reader.feed(data):
                        await stream.send_all(await self._answer(line, peer))
        except rpc.LineTooLongError as error:
            log.warning("admin connection closed", uid=peer.uid, error=str(error))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away; its change stands, and its retry finds it
        finally:
            self._open -= 1

    async def _peer(self, stream: trio.SocketStream) -> Peer:
        """Who is at the other end, for as long as it is connected. On a thread: a directory may be slow to say."""
        return await trio.to_thread.run_sync(self._roles.peer, _peer_uid(stream), abandon_on_cancel=True)

    async def _answer(self, line: bytes, peer: Peer) -> bytes:
        self._count("admin_requests")
        try:
            request = rpc.decode_request(line)
        except rpc.RpcError as error:
            self._count("admin_errors")
            return rpc.encode_error(error)
        try:
            params = _permitted(request, peer)
            result = await self._methods.call(request.method, params, peer.uid)
            return rpc.encode_result(request.id, result)
        except rpc.RpcError as error:
            self._count("admin_errors")
            return rpc.encode_error(error, request.id)
        except rpc.LineTooLongError as error:
            self._count("admin_errors")
            too_long = rpc.RpcError(rpc.INTERNAL_ERROR, f"the answer would be {error}; ask for less")
            return rpc.encode_error(too_long, request.id)


def _permitted(request: rpc.Request, peer: Peer) -> Any:
    """The params of what this peer may ask. Somebody without a role learns nothing, not even the methods' names."""
    method = protocol.METHODS.get(request.method)
    refusal = peer.refusal(method.role if method is not None else Role.VIEWER)
    if refusal is not None:
        raise protocol.application_error("forbidden", refusal)
    params = protocol.decode_params(request.method, request.params)
    if isinstance(params, protocol.Look) and params.actor is None:
        return msgspec.structs.replace(params, actor=peer.name)
    return params


def _listen(path: Path, group: str) -> trio.socket.SocketType:
    """A listening socket that this user, and the group if any, can reach. A file that nobody serves is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() or path.is_symlink():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise AdminSocketError(f"{path} exists and is no socket; move it away or configure admin.socket")
        _refuse_served(path)
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The file is born with mode 0600: there is no moment at which others can connect.
    before = os.umask(0o177)
    try:
        listening.bind(os.fspath(path))
    finally:
        os.umask(before)
    if group:
        try:
            _open_to(path, group)
        except AdminSocketError:
            listening.close()
            path.unlink(missing_ok=True)
            raise
    listening.listen(ADMIN_CONNECTIONS_MAX)
    return trio.socket.from_stdlib_socket(listening)


def _open_to(path: Path, group: str) -> None:
    """Mode 0660 with a group. Who of it may do what is for the roles to say."""
    try:
        number = grp.getgrnam(group).gr_gid
        os.chown(path, -1, number)
        path.chmod(0o660)
    except (KeyError, PermissionError):
        raise AdminSocketError(
            f"{path} can't be given to the group {group}: it has to exist, and the server's user has to be a member"
        ) from None
    folder = path.parent.stat()
    through = stat.S_IXGRP if folder.st_gid == number else stat.S_IXOTH
    if not folder.st_mode & through:
        log.warning("the group can't reach the admin socket: its folder is closed to it", path=str(path))


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
