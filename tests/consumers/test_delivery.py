"""The webhook: what is posted, what is tried again, what is given up, and that a secret stays one."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("httpx")

from consumers.notifications.delivery import Patience, StandardOutput, Undeliverable, Webhook
from consumers.notifications.texts import Notification

NOTIFICATION = Notification(
    id="0-000000000007",
    type="card.authorisation.approved",
    time="2027-01-15T08:00:00.000Z",
    account="alice",
    card_id="card_1",
    reason="approved",
    text="25.50 EUR at Grocer, Brussels.",
)
SHORT = Patience(attempts=3, pause_first_s=0.001, pause_max_s=0.01, answer_max_s=5.0)
TOKEN = "correct horse"


class Receiver:
    """An HTTP server that answers with `statuses` in turn, the last one for ever, and keeps what came."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.retry_after = ""
        self.got: list[tuple[dict[str, str], Any]] = []
        self.held = 0
        """The number of the request that is not answered before `let_go` is set, counted from 1."""
        self.let_go = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(
                    ({name.lower(): text for name, text in self.headers.items()}, json.loads(body))
                )
                if len(receiver.got) == receiver.held:
                    receiver.let_go.wait()
                statuses = receiver.statuses
                self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
                self.send_header("content-length", "0")
                if receiver.retry_after:
                    self.send_header("retry-after", receiver.retry_after)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/push"

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def deliver(url: str, token: str = "") -> None:
    async def run() -> None:
        webhook = Webhook(url, token=token, patience=SHORT)
        try:
            await webhook.deliver(NOTIFICATION)
        finally:
            await webhook.close()

    asyncio.run(run())


def test_a_webhook_gets_the_whole_notification(receiver: Receiver) -> None:
    """JSON, with the event's id as the key by which a receiver drops a second one, and the token where there is one."""
    deliver(receiver.url, TOKEN)
    ((headers, body),) = receiver.got
    assert body == {
        "id": "0-000000000007",
        "type": "card.authorisation.approved",
        "time": "2027-01-15T08:00:00.000Z",
        "account": "alice",
        "card_id": "card_1",
        "reason": "approved",
        "text": "25.50 EUR at Grocer, Brussels.",
    }
    assert {name: headers[name] for name in ("content-type", "idempotency-key", "authorization")} == {
        "content-type": "application/json",
        "idempotency-key": "0-000000000007",
        "authorization": f"Bearer {TOKEN}",
    }


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(receiver: Receiver, status: int) -> None:
    """Twice refused for now, then taken: three attempts with one key."""
    receiver.statuses = [status, status, 200]
    deliver(receiver.url)
    assert [headers["idempotency-key"] for headers, _body in receiver.got] == ["0-000000000007"] * 3


def test_a_receiver_may_ask_for_a_pause(receiver: Receiver) -> None:
    """Retry-After is followed, up to the longest pause that we make."""
    receiver.statuses, receiver.retry_after = [503, 200], "3600"
    deliver(receiver.url)
    assert len(receiver.got) == 2


def test_attempts_come_to_an_end(receiver: Receiver) -> None:
    """After the last one it is undeliverable, and the words say how it ended."""
    receiver.statuses = [503]
    with pytest.raises(Undeliverable, match=r"^3 attempts, the last ended with status 503$"):
        deliver(receiver.url)
    assert len(receiver.got) == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 422])
def test_a_refusal_is_not_tried_again(receiver: Receiver, status: int) -> None:
    """The receiver will say the same again; a redirect is not followed with a token in hand."""
    receiver.statuses = [status]
    with pytest.raises(Undeliverable, match=f"^refused with status {status}$"):
        deliver(receiver.url)
    assert len(receiver.got) == 1


def test_a_receiver_that_is_away_is_tried_again(receiver: Receiver) -> None:
    """Nobody listens: the words name the failure, and neither address nor token."""
    receiver.close()
    with pytest.raises(Undeliverable) as error:
        deliver(receiver.url, TOKEN)
    assert str(error.value) == "3 attempts, the last ended with ConnectError"


def test_standard_output_has_a_line_each() -> None:
    """JSON lines, whole when they are written."""
    stream = io.StringIO()
    asyncio.run(StandardOutput(stream).deliver(NOTIFICATION))
    assert stream.getvalue() == (
        '{"id":"0-000000000007","type":"card.authorisation.approved","time":"2027-01-15T08:00:00.000Z",'
        '"account":"alice","card_id":"card_1","reason":"approved","text":"25.50 EUR at Grocer, Brussels."}\n'
    )
