"""Lines that the issuer dials: backoff, sign-on, echo, and the end, on a clock that jumps."""

from typing import Any

import pytest
import trio
import trio.testing
from links_bench import NOW, Bench, End, answer

from authoriser import limits
from authoriser.dialler import Backoff
from isowire import FRAMINGS


def test_the_wait_doubles_to_a_bound() -> None:
    """From half a second to thirty, and the first again after `reset`."""
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_s() for _ in range(9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_half_of_the_wait_is_up_to_chance() -> None:
    """So that a hundred lines lost in one moment do not come back in one."""
    draws = iter([0.0, 0.5, 1.0])
    backoff = Backoff(lambda: next(draws))
    assert [backoff.next_s() for _ in range(3)] == [0.25, 0.75, 2.0]


async def test_a_line_signs_on(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, logs: list[dict[str, Any]]
) -> None:
    """An 0800 with DE70 001 and the moment in DE7; its 0810 makes the line up, and it is said once."""
    dialler = bench.start(nursery)
    end = await bench.network.end()
    asked = await end.receive()
    assert asked is not None
    assert asked == {"t": "0800", "7": "1122103045", "11": asked["11"], "70": "001"}
    (view,) = dialler.view(10)
    assert (view.state, dialler.up, dialler.down) == ("signing on", 0, 1)
    await end.send(answer(asked))
    await trio.testing.wait_all_tasks_blocked()
    (view,) = dialler.view(10)
    assert (view.number, view.peer, view.state, view.problem, view.reconnects) == (
        1, "network.example:8583", "signed on", "", 0,
    )  # fmt: skip
    assert (dialler.up, dialler.down, bench.line().signed_on) == (1, 0, True)
    assert [
        {"event": "line signed on", "link": "north", "connection": 1, "peer": "network.example:8583",
         "log_level": "info"}
    ] == logs  # fmt: skip
    assert bench.counts() == {"connections_dialled": 1, "frames": 1}


async def test_codes_and_fields_are_the_dialects(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, tmp_path: Any
) -> None:
    """A network with its own codes and an institution in DE33 gets them, in a frame of its own framing."""
    from msgspec.structs import replace

    from isowire import Codec, load_dialect

    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "iso87-ascii"\nname = "mine"\n[management]\nsign_on = "071"\nfields = { 33 = "400112" }\n'
    )
    dialect = load_dialect(file)
    bench.link = replace(bench.link, dialect=dialect, codec=Codec(dialect), framing=FRAMINGS["bin2-tpdu"])
    bench.start(nursery)
    end = await bench.network.end()
    data = await end.stream.receive_some()
    length, tpdu, payload = int.from_bytes(data[:2], "big"), data[2:7], data[7:]
    assert (length, tpdu) == (len(payload) + 5, bytes.fromhex("6000000000"))
    message = Codec(dialect).decode(bytes(payload))
    fields = dict(message.fields)
    assert fields.pop("11").isdigit()
    assert (message.mti, fields) == ("0800", {"7": "1122103045", "33": "400112", "70": "071"})


async def test_a_network_that_is_away_is_dialled_with_longer_and_longer_waits(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, logs: list[dict[str, Any]]
) -> None:
    """At 0, 0.5, 1.5, 3.5 s and so on; each time a line of the log says why and when the next try is."""
    bench.network.away = True
    dialler = bench.start(nursery)
    await trio.sleep(100)
    times = [0.0]
    for wait in (0.5, 1, 2, 4, 8, 16, 30, 30):
        times.append(times[-1] + wait)
    assert bench.network.dialled_at == pytest.approx(times)
    (view,) = dialler.view(10)
    assert (view.state, view.problem) == ("waiting", "Connection refused")
    assert bench.counts() == {"dial_failures": 9}
    assert logs[0] == {
        "event": "line not up", "link": "north", "connection": 1, "peer": "network.example:8583",
        "problem": "Connection refused", "hint": "dialled again in 0.5 s", "log_level": "warning",
    }  # fmt: skip


async def test_a_host_that_does_not_answer_is_given_up(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """After DIAL_MAX_S; the next try waits as after any other failure."""
    dialler = bench.start(nursery)

    async def nothing(_host: str, _port: int) -> Any:
        bench.network.dialled_at.append(trio.current_time())
        await trio.sleep_forever()

    dialler._dial = nothing
    await trio.sleep(limits.DIAL_MAX_S + 1)
    (view,) = dialler.view(10)
    assert (view.problem, bench.network.dialled_at) == ("no answer within 10 s", [0.0, 10.5])


async def signed_on(bench: Bench) -> End:
    end = await bench.network.end()
    asked = await end.receive()
    assert asked is not None
    assert asked["70"] == "001"
    await end.send(answer(asked))
    await trio.testing.wait_all_tasks_blocked()
    return end


async def test_the_wait_is_the_first_again_after_a_sign_on_that_held(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A line lost after SIGN_ON_HELD_S is dialled after half a second; one lost at once waits longer each time."""
    dialler = bench.start(nursery)
    waits = []
    end = await signed_on(bench)
    for held_s in (0.0, 0.0, 0.0, limits.SIGN_ON_HELD_S, 0.0):
        await trio.sleep(held_s)
        await end.stream.aclose()
        lost_at = trio.current_time()
        end = await signed_on(bench)
        waits.append(round(trio.current_time() - lost_at, 3))
    assert waits == [0.5, 1.0, 2.0, 0.5, 1.0]
    (view,) = dialler.view(10)
    assert (view.state, view.reconnects, bench.counts()["reconnects"]) == ("signed on", 5, 5)


async def test_a_refused_sign_on_ends_the_line(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """DE39 says why; the line is dialled again later."""
    dialler = bench.start(nursery)
    end = await bench.network.end()
    asked = await end.receive()
    assert asked is not None
    await end.send(answer(asked, "91"))
    assert await end.receive() is None
    await end.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    (view,) = dialler.view(10)
    assert (view.state, view.problem) == ("waiting", "sign-on was answered with DE39 91; 00 would be right")
    assert bench.counts() == {
        "connections_dialled": 1, "connections_closed": 1, "frames": 1, "sign_on_failures": 1,
    }  # fmt: skip
    await signed_on(bench)


async def test_a_sign_on_that_nobody_answers_ends_the_line(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """After MANAGEMENT_WAIT_S."""
    dialler = bench.start(nursery)
    end = await bench.network.end()
    await end.receive()
    assert await end.receive() is None
    await end.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    (view,) = dialler.view(10)
    assert (view.state, view.problem) == ("waiting", "sign-on was not answered within 5 s")


@pytest.mark.parametrize("wrong", [{"11": "999999"}, {"7": "1122103046"}, {"70": "301"}, {"t": "0830"}])
async def test_an_answer_to_something_else_is_counted_and_answers_nothing(
    bench: Bench,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
    wrong: dict[str, str],
) -> None:
    """An 0810 with another DE11, DE7 or DE70 is dropped; the right one behind it signs on, and its copy is dropped."""
    bench.start(nursery)
    end = await bench.network.end()
    asked = await end.receive()
    assert asked is not None
    await end.send(answer(asked) | wrong)
    await trio.testing.wait_all_tasks_blocked()
    assert not bench.line().signed_on
    assert bench.counts("connections_dialled", "frames") == {"responses_dropped": 1}
    await end.send(answer(asked))
    await end.send(answer(asked))
    await trio.testing.wait_all_tasks_blocked()
    assert bench.line().signed_on
    assert bench.counters.counts["responses_dropped"] == 2


async def test_what_comes_before_sign_on_is_answered(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The network may sign on and echo to us first, as on a line that it dialled."""
    bench.start(nursery)
    end = await bench.network.end()
    asked = await end.receive()
    echo = {"t": "0800", "7": "1122103000", "11": "000001", "70": "301"}
    await end.send(echo)
    assert await end.receive() == answer(echo)
    assert asked is not None
    await end.send(answer(asked))
    await trio.testing.wait_all_tasks_blocked()
    assert bench.line().signed_on


async def test_an_idle_line_is_echoed_over(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """DE70 301 each time that nothing was heard for `echo_idle_s`; anything that is heard puts it off."""
    bench.start(nursery)
    end = await signed_on(bench)
    echo = await end.receive()
    assert echo is not None
    assert (echo["70"], trio.current_time()) == ("301", pytest.approx(30.0))
    await end.send(answer(echo))
    await trio.sleep(20)
    await end.stream.send_all(b"\0\0")  # a keep-alive
    echo = await end.receive()
    assert (echo is not None, trio.current_time()) == (True, pytest.approx(80.0))
    assert bench.counts()["keepalives"] == 1


async def test_two_missed_echoes_in_a_row_end_the_line(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Each is waited for, MANAGEMENT_WAIT_S; then the line is dialled again, at once as its sign-on had held."""
    dialler = bench.start(nursery)
    end = await signed_on(bench)
    first = await end.receive()
    second = await end.receive()
    assert first is not None
    assert second is not None
    assert (first["70"], second["70"], first["11"] != second["11"]) == ("301", "301", True)
    assert await end.receive() is None
    await end.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    (view,) = dialler.view(10)
    assert (view.state, view.problem) == ("waiting", "2 echoes in a row were not answered")
    assert bench.counts()["echoes_missed"] == 2
    await signed_on(bench)
    assert bench.network.dialled_at == pytest.approx([0.0, 40.5])


async def test_a_missed_echo_is_forgotten_when_something_is_heard(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """One missed, then traffic, then one missed: the line stays."""
    bench.start(nursery)
    end = await signed_on(bench)
    for _ in range(3):
        await end.receive()
        await trio.sleep(limits.MANAGEMENT_WAIT_S)
        echo = await end.receive()
        assert echo is not None
        await end.send(answer(echo))
    assert (bench.counts()["echoes_missed"], len(bench.dialler.lines)) == (3, 1)


async def test_a_refused_echo_has_the_line_dialled_and_signed_on_anew(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The network is there and no longer knows that we signed on."""
    dialler = bench.start(nursery)
    end = await signed_on(bench)
    echo = await end.receive()
    assert echo is not None
    await end.send(answer(echo, "91"))
    assert await end.receive() is None
    await end.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    (view,) = dialler.view(10)
    assert view.problem == "echo was answered with DE39 91; 00 would be right"
    await signed_on(bench)


async def test_stop_signs_off_and_then_ends_the_line(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """DE70 002; what comes before its answer is still answered; then our side ends, and `ended` returns."""
    dialler = bench.start(nursery)
    end = await signed_on(bench)
    dialler.stop()
    off = await end.receive()
    assert off is not None
    assert off["70"] == "002"
    (view,) = dialler.view(10)
    assert view.state == "signing off"
    echo = {"t": "0800", "7": "1122103000", "11": "000001", "70": "301"}
    await end.send(echo)
    assert await end.receive() == answer(echo)
    await end.send(answer(off))
    assert await end.receive() is None
    await end.stream.aclose()
    await dialler.ended()
    assert (dialler.lines, len(bench.network.dialled_at)) == ({}, 1)


@pytest.mark.parametrize("state", ["signing on", "signed on", "waiting"])
async def test_stop_ends_a_dialler_whatever_it_does(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, state: str
) -> None:
    """A network that answers nothing holds up the end by no more than the wait for a sign-off and for lingering."""
    bench.network.away = state == "waiting"
    dialler = bench.start(nursery)
    if state == "signed on":
        await signed_on(bench)
    await trio.testing.wait_all_tasks_blocked()
    assert dialler.view(10)[0].state == state
    began = trio.current_time()
    dialler.stop()
    await dialler.ended()
    assert trio.current_time() - began <= limits.SIGN_OFF_WAIT_S + limits.LINGER_MAX_S + 0.1
    assert dialler.view(10)[0].state == "ended"


async def test_each_line_is_kept_up_by_itself(
    bench: Bench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Of three lines one is lost and comes back; the others stay, and no DE11 was used twice."""
    dialler = bench.start(nursery, lines=3)
    ends = [await bench.network.end() for _ in range(3)]
    asked = [await end.receive() for end in ends]
    assert len({message["11"] for message in asked if message is not None}) == 3
    for end, message in zip(ends, asked, strict=True):
        assert message is not None
        await end.send(answer(message))
    await trio.testing.wait_all_tasks_blocked()
    assert (dialler.up, dialler.down) == (3, 0)
    await ends[1].stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert (dialler.up, dialler.down) == (2, 1)
    await signed_on(bench)
    assert (dialler.up, dialler.down) == (3, 0)
    assert sorted(view.reconnects for view in dialler.view(10)) == [0, 0, 1]


def test_numbers_go_round() -> None:
    """DE11 has six digits, and 000000 is none."""
    from authoriser.line_keeper import Stans

    stans = Stans(NOW)
    stans._last = 999_998
    assert [stans.next() for _ in range(3)] == ["999999", "000001", "000002"]
