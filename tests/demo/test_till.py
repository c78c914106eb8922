"""The till's own failures; what it sends is answered in the demo itself."""

import socket
from threading import Thread

import pytest

from demo.life import GUEST
from demo.programs import ProgramFailed
from demo.till import Till


def test_a_server_that_is_not_there_is_named() -> None:
    """Its port, and why."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with pytest.raises(ProgramFailed, match=f"cannot be reached on port {port}: .*refused"):
            Till(port, GUEST)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", "0800 STAN 000001 got no answer: the server closed the connection"),
        (b"\x00\x04ABCD", "0800 STAN 000001 got no answer: pyiso8583 cannot decode it"),
        (b"\x00\x140130" + b"0" * 16, "0800 STAN 000001 was answered by 0130."),
    ],
)
def test_an_answer_that_is_none_fails(answer: bytes, failure: str) -> None:
    """Silence, noise, and the answer to something else: the message is named, and nothing of the card."""

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            line.recv(4096)
            line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=serve, args=(listener,))
        server.start()
        till = Till(listener.getsockname()[1], GUEST)
        with pytest.raises(ProgramFailed, match=failure), till:
            pass
        server.join()
        till.__exit__(None, None, None)
