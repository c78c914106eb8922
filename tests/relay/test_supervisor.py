"""The server's side of the relay: a child that is started, woken, listened to, started again, and told to stop.

The children here are small programs of the tests, as what matters is how they end.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from authoriser import limits
from authoriser.relay.exits import EXIT_FENCED, EXIT_HALTED
from authoriser.relay.supervisor import RelaySupervisor

PATIENCE_S = 30

TELL = """
import os, sys
def tell(state, seq=0, record=0, detail=""):
    os.write(1, b'{"state":"%s","seq":%d,"record":%d,"detail":"%s"}\\n'
             % (state.encode(), seq, record, detail.encode()))
def lives():  # how often this program was started
    with open(sys.argv[1], "ab") as file:
        file.write(b".")
    return os.path.getsize(sys.argv[1])
"""


async def nothing() -> None:
    await trio.lowlevel.checkpoint()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RelaySupervisor]:
    def make(program: str, confirm: Callable[[], Awaitable[None]] = nothing) -> RelaySupervisor:
        command = [sys.executable, "-c", TELL + program, str(tmp_path / "lives")]
        return RelaySupervisor(command, durable=lambda: 10, confirm=confirm)

    return make


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not true():
            await trio.sleep(0.01)


async def test_what_the_child_tells_is_the_status(make: Callable[..., RelaySupervisor]) -> None:
    """State, batch and detail as told; the lag is what is durable less what the child has relayed."""
    supervisor = make("tell('relaying', 4, 7); os.read(0, 1)")
    assert supervisor.status().lag is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.relaying)
        status = supervisor.status()
        nursery.cancel_scope.cancel()
    assert (status.state, status.lag, status.seq, status.detail, status.restarts) == ("relaying", 3, 4, "", 0)


async def test_a_commit_wakes_the_child(make: Callable[..., RelaySupervisor]) -> None:
    """A byte on its standard input for each; a child that reads none of them holds nobody up."""
    supervisor = make(
        "tell('relaying'); os.read(0, 1); tell('relaying', 1, 10); import time; time.sleep(600)"
    )
    supervisor.wake()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.relaying)
        for _ in range(200_000):  # more than a pipe takes
            supervisor.wake()
        await until(lambda: supervisor.lag == 0)
        assert supervisor.pid is not None
        os.kill(supervisor.pid, 9)
        nursery.cancel_scope.cancel()


async def test_a_child_that_ends_is_started_again(make: Callable[..., RelaySupervisor]) -> None:
    """Whatever it died of: the third life is the one that works."""
    supervisor = make("lives() < 3 and sys.exit(1); tell('relaying', 4, 7); os.read(0, 1)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.relaying)
        assert supervisor.status().restarts == 2
        nursery.cancel_scope.cancel()


async def test_a_fenced_child_waits_for_ownership(make: Callable[..., RelaySupervisor]) -> None:
    """Another relay has the shard: none is started before the journal has confirmed that the shard is still ours."""
    confirmed = trio.Event()
    supervisor = make(
        f"lives() < 2 and sys.exit({EXIT_FENCED}); tell('relaying', 4, 7); os.read(0, 1)", confirmed.wait
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.status().state == "fenced")
        assert supervisor.status().restarts == 0
        confirmed.set()
        await until(lambda: supervisor.relaying)
        assert supervisor.status().restarts == 1
        nursery.cancel_scope.cancel()


async def test_a_halted_child_keeps_its_words(
    make: Callable[..., RelaySupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status says why it halted; it looks again after a while, in case the cause is gone."""
    program = f"lives() < 2 and (tell('relaying', detail='journal_gap: one'), sys.exit({EXIT_HALTED}))"
    supervisor = make(f"{program}; tell('relaying', 4, 7); os.read(0, 1)")
    monkeypatch.setattr(limits, "RELAY_HALTED_S", 0.5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.status().state == "halted")
        assert supervisor.status().detail == "journal_gap: one"
        await until(lambda: supervisor.relaying)
        nursery.cancel_scope.cancel()


async def test_stopping_lets_the_child_finish(make: Callable[..., RelaySupervisor], tmp_path: Path) -> None:
    """Its standard input ends; it has done its last work when the supervisor is gone."""
    done = tmp_path / "done"
    supervisor = make(
        f"tell('relaying'); [None for _ in iter(lambda: os.read(0, 1), b'')]; open({str(done)!r}, 'w')"
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.relaying)
        nursery.cancel_scope.cancel()
    assert done.exists()


async def test_a_child_that_does_not_listen_is_killed(
    make: Callable[..., RelaySupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time is over; no process stays behind."""
    monkeypatch.setattr(limits, "RELAY_DRAIN_S", 0.1)
    monkeypatch.setattr(limits, "RELAY_END_MARGIN_S", 0.1)
    supervisor = make("tell('relaying'); import time; time.sleep(600)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await until(lambda: supervisor.relaying)
        pid = supervisor.pid
        nursery.cancel_scope.cancel()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_an_abandoned_child_is_killed_at_once(make: Callable[..., RelaySupervisor]) -> None:
    """One that hangs too, and none comes after it: its successor is at work. No process stays behind."""
    supervisor = make("tell('relaying'); import time; time.sleep(600)")
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await until(lambda: supervisor.relaying)
            pid = supervisor.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            supervisor.abandon()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert supervisor.status().restarts == 0


async def test_a_child_that_is_only_just_started_is_abandoned_too(
    make: Callable[..., RelaySupervisor],
) -> None:
    """Before anybody knows its number: it is killed as soon as it has one."""
    supervisor = make("tell('relaying'); import time; time.sleep(600)")
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await trio.lowlevel.checkpoint()
            assert supervisor.pid is None
            supervisor.abandon()
    assert supervisor.pid is None
    assert supervisor.status().restarts == 0
