"""P5: a freeze that the command line acknowledged governs the next authorisation, and survives SIGKILL."""

import json
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PAN = "4000000000001232"
CSV = f"pan,expiry,account,currency,credit_minor\n{PAN},4912,acc-1,EUR,100000\n"


def purchase(stan: int) -> dict[str, str]:
    return {
        "t": "0100",
        "2": PAN,
        "3": "000000",
        "4": "000000001000",
        "7": "1123010203",
        "11": f"{stan:06}",
        "32": "123456",
        "37": f"63270{stan:07}",
        "49": "978",
    }


@pytest.mark.slow
async def test_a_freeze_holds_at_once_and_after_a_kill(
    server: Any, dial: Callable[[], Awaitable[Any]], tmp_path: Any
) -> None:
    """Approved, frozen through the CLI by PAN on standard input: 62, after SIGKILL 62, lifted: approved again."""
    server.start()
    (tmp_path / "cards.csv").write_text(CSV)
    server.run("import", str(tmp_path / "cards.csv"))
    line = await dial()
    answers = [(await line.ask(purchase(1)))["39"]]
    frozen = server.run("card", "freeze", "-", "--json", text=f"{PAN}\n")
    answers.append((await line.ask(purchase(2)))["39"])
    server.kill()
    server.start()
    line = await dial()
    answers.append((await line.ask(purchase(3)))["39"])
    server.run("card", "unfreeze", json.loads(frozen.stdout)["card"]["card_id"])
    answers.append((await line.ask(purchase(4)))["39"])
    assert answers == ["00", "62", "62", "00"]
    assert PAN not in frozen.stdout + frozen.stderr + server.log()
    assert PAN.encode() not in b"".join(
        path.read_bytes() for path in server.data.rglob("*") if path.is_file()
    )


@pytest.mark.slow
async def test_sigterm_answers_what_is_in_flight_and_exits_0(
    server: Any, dial: Callable[[], Awaitable[Any]], tmp_path: Any
) -> None:
    """The drained journal ends with the epoch's end, and the next start has nothing to mark or replay."""
    server.start()
    (tmp_path / "cards.csv").write_text(CSV)
    server.run("import", str(tmp_path / "cards.csv"))
    line = await dial()
    for stan in range(1, 21):
        await line.send(purchase(stan))
    replies = [(await line.receive())["39"] for _ in range(20)]
    code = server.stop(signal.SIGTERM)
    events = server.events()
    assert (code, replies, events[-1]["type"]) == (0, ["00"] * 20, "epoch.ended")
    server.start()
    assert server.events()[-1]["previous_ended_clean"] is True


@pytest.mark.slow
def test_a_second_server_on_the_same_data_is_refused(server: Any) -> None:
    """One writer a directory: the second one says so in one line, and exits 1."""
    server.start()
    second = server.run("serve", "--listen", "127.0.0.1:0", check=False)
    assert second.returncode == 1
    assert second.stderr.startswith("authoriser: another process is serving from ")
