"""Ports: the usual one where it is free on every address, else any that is."""

import socket
from collections.abc import Container, Sequence

TRIES = 50


def is_free(host: str, port: int) -> bool:
    """Whether a listener could bind there now. A port in TIME_WAIT counts as free, as it does for Java."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_port(hosts: Sequence[str], usual: int, taken: Container[int] = ()) -> int:
    """`usual` if it is free on all `hosts` and not among `taken`, else another port that is.

    All nodes of a cluster use one number on addresses of their own.
    """
    if usual not in taken and all(is_free(host, usual) for host in hosts):
        return usual
    for _ in range(TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((hosts[0], 0))
            port = int(probe.getsockname()[1])
        if port not in taken and all(is_free(host, port) for host in hosts):
            return port
    raise OSError(f"no port is free on all of {', '.join(hosts)}")
