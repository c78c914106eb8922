"""The relay as the server's child: started once the shard is owned, woken after commits, started again when it ends.

Runs in the server, so in trio; the relay itself is another process. Owns the child, its pipes and what `status` says of
it. Two pipes are all they share: a byte on the child's standard input says that there is a new batch, its end says
stop (also when this process dies); the child's standard output has its progress.
"""

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
import trio

from authoriser import limits
from authoriser.admin.protocol import RelayStatus
from authoriser.config import Config
from authoriser.owner import ShardOwner
from authoriser.relay.exits import EXIT_FENCED, EXIT_HALTED
from authoriser.telemetry.metrics import Counters

log = structlog.get_logger()

LINE_MAX_BYTES = 65_536
HEALTHY_S = 30.0
"""A child that ran so long gets the short pause when it ends."""


class _Told(msgspec.Struct, frozen=True):
    """A line of the child: `relay.Progress`."""

    state: str
    seq: int
    record: int
    detail: str


class RelaySupervisor:
    """Runs `command`, again and again. `durable` gives the journal's last record; `confirm` returns once the shard is
    known to be this process's still.
    """

    def __init__(
        self, command: Sequence[str], *, durable: Callable[[], int], confirm: Callable[[], Awaitable[None]]
    ) -> None:
        self._command = command
        self._durable = durable
        self._confirm = confirm
        self._pipe: int | None = None
        self._process: trio.Process | None = None
        self._abandoned = False
        self._told = _Told("starting", 0, 0, "")
        self._known = False
        """Whether any child said yet how far Kafka is."""
        self._starts = 0
        self.pid: int | None = None

    def status(self) -> RelayStatus:
        told = self._told
        return RelayStatus(
            state=told.state,
            lag=self.lag if self._known else None,
            seq=told.seq,
            detail=told.detail,
            restarts=max(self._starts - 1, 0),
            pid=self.pid,
        )

    @property
    def lag(self) -> int:
        """Durable records that are not in Kafka yet, as far as the child has told."""
        return max(self._durable() - self._told.record, 0)

    @property
    def relaying(self) -> bool:
        return self._told.state == "relaying"

    def wake(self) -> None:
        """There is a new batch. A pipe that is full has wake-ups enough in it."""
        if self._pipe is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._pipe, b"\n")

    def abandon(self) -> None:
        """The shard is another's, and so is what is left to relay: the child ends at once, and no other is started."""
        self._abandoned = True
        if self._process is not None:
            self._process.kill()

    async def run(self) -> None:
        """Until cancelled; then the child is told to stop, and has a moment to relay what is durable."""
        pause = limits.RELAY_BACKOFF_FIRST_S
        while True:
            began = trio.current_time()
            code = await self._live()
            if self._abandoned:
                return
            if trio.current_time() - began > HEALTHY_S:
                pause = limits.RELAY_BACKOFF_FIRST_S
            if code == EXIT_HALTED:
                # Somebody may have put it right by then: a relay that starts looks at everything again first.
                await self._rest("halted", limits.RELAY_HALTED_S)
                continue
            if code == EXIT_FENCED:
                self._say("fenced")
                await self._confirm()
            await self._rest("fenced" if code == EXIT_FENCED else "waiting", pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, limits.RELAY_BACKOFF_MAX_S)

    async def _live(self) -> int:
        """One child's life; its exit code."""
        theirs, ours = os.pipe()
        os.set_blocking(ours, False)
        try:
            process = await trio.lowlevel.open_process(self._command, stdin=theirs, stdout=subprocess.PIPE)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._pipe, self._process, self.pid = ours, process, process.pid
        self._starts += 1
        if self._abandoned:
            process.kill()
        try:
            await self._listen(process)
            code = await process.wait()
        finally:
            self._pipe, self.pid = None, None
            os.close(ours)
            with trio.CancelScope(shield=True):
                await _ended(process)
            self._process = None
        log.warning("the relay ended", detail=self._told.detail, count=code)
        return code

    async def _listen(self, process: trio.Process) -> None:
        assert process.stdout is not None
        rest = b""
        async for chunk in process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                with contextlib.suppress(msgspec.MsgspecError):  # whatever else it printed
                    self._told = msgspec.json.decode(line, type=_Told)
                    self._known = self._known or self.relaying
            rest = rest[-LINE_MAX_BYTES:]

    async def _rest(self, state: str, seconds: float) -> None:
        self._say(state)
        await trio.sleep(seconds)

    def _say(self, state: str) -> None:
        self._told = msgspec.structs.replace(self._told, state=state)


async def _ended(process: trio.Process) -> None:
    """It has been told; one that does not listen is killed. What it leaves half done its successor ends."""
    with trio.move_on_after(limits.RELAY_DRAIN_S + limits.RELAY_END_MARGIN_S):
        await process.wait()
        return
    process.kill()
    await process.wait()


def supervise(
    config: Config, owner: ShardOwner, counters: Counters, nursery: trio.Nursery
) -> RelaySupervisor | None:
    """Start the relay of the owner's shard in the nursery; None where the configuration has no [kafka]."""
    if config.kafka is None:
        return None
    assert config.file is not None, "[kafka] stands in a file only"
    options = [
        "--config",
        str(config.file),
        "--data",
        str(config.data_dir),
        "--shard",
        str(owner.state.shard),
    ]
    relay = RelaySupervisor(
        [sys.executable, "-m", "authoriser", "relay", *options, "--supervised"],
        durable=lambda: owner.commit.durable_record_no,
        confirm=owner.commit.barrier,
    )
    counters.watch("relay_lag_records", lambda: relay.lag)
    counters.watch("relay_relaying", lambda: relay.relaying)
    owner.after_commit(relay.wake)
    nursery.start_soon(relay.run)
    return relay
