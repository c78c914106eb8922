"""The load, as a process of its own: `python -m benchmarks.load JSON` runs one phase and prints one JSON object.

Owns three phases. `check`: a few hundred messages through the simulator's full checks. `closed`: connections that keep
a window of requests open, which shows what the server can do. `open`: requests that leave when they are due, which
shows how long one waits. Requests are patched templates and replies are sliced (some 4 µs a message, measured with
the server left out); every reply is still matched by STAN and DE37 and must approve.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import trio
from msgspec import Struct

from benchmarks.process import ServerProcessError, cpu_seconds, machine_seconds
from isowire.framing import FRAMINGS
from simulator import messages
from simulator.cards import read_cards
from simulator.checks import answer_of, check_reply
from simulator.errors import SimulatorError
from simulator.messages import STAN_MAX
from simulator.network import Line, dialler
from simulator.openloop import Schedule, drive
from simulator.shop import Mix, Shop
from simulator.tally import Latencies, Latency
from simulator.templates import ReplyReader, Template

Result = TypeVar("Result")

RECEIVE_BYTES = 65_536
DRAIN_S = 30.0
"""How long the end of a phase waits for open replies."""
CHECKED = 300
"""Messages of the check phase: payments, verifications, repeats, reversals."""
FRAMING = FRAMINGS["bin2"]
PAYMENTS = Mix(verification=0, foreign=0, repeat=0, reversal=0, reversal_advice=0)


class Target(Struct, frozen=True):
    """What every phase is run against. CPU of `beside`, name to process id, is measured too."""

    port: int
    server_pid: int
    cards: str
    beside: dict[str, int] = {}


class Check(Struct, frozen=True, tag="check"):
    target: Target
    seed: int


class Closed(Struct, frozen=True, tag="closed"):
    target: Target
    seed: int
    seconds: float
    warm_up_s: float
    connections: int
    window: int
    """Requests open on each connection."""
    answers: str = ""
    """A file for every approval that was answered, as `read_answers` reads it."""


class Open(Struct, frozen=True, tag="open"):
    target: Target
    seed: int
    seconds: float
    rate_per_s: float
    connections: int
    answers: str = ""


Phase = Check | Closed | Open


class Checked(Struct, frozen=True):
    """One pair of messages as they were on the wire, for pyiso8583 to be timed with. Test cards only."""

    messages: int
    request_hex: str
    reply_hex: str


class Measured(Struct, frozen=True):
    """One phase."""

    seconds: float
    """First to last counted: from the end of the warm-up, or the first due, to the end or the last reply."""
    sent: int
    answered: int
    """Within `seconds`."""
    unanswered: int
    latency: Latency
    """Closed: from when it was sent. Open: from when it was due."""
    lateness: Latency | None
    """Of the generator itself: sent after due. None where nothing is due."""
    server_user_s: float
    server_system_s: float
    load_cpu_s: float
    cpu_s: dict[str, float] = {}
    """Of each process beside it, of the whole machine ("machine") and what its host took from it ("steal")."""
    measured_s: float = 0.0
    """How long CPU was counted: an open loop's last replies come after `seconds`."""


class Answered(Struct, frozen=True, array_like=True, gc=False):
    """One approval as the network got it: DE37, DE38, and when it was asked (open loop: due) and answered.

    Times are of `time.perf_counter`, which all processes of a machine share.
    """

    reference: bytes
    approval_code: bytes
    since_s: float
    answered_s: float


class WrongReplyError(Exception):
    """A reply was not the one that was due: nothing measured counts."""


class Till:
    """Makes requests and takes replies for all connections of a phase."""

    def __init__(self, cards_file: str, seed: int, answers: str = "") -> None:
        self._answers_file = answers
        self._answers: list[Answered] = []
        self._skew_s = time.perf_counter() - trio.current_time()
        """trio counts from a moment of its own in each process."""
        cards = read_cards(Path(cards_file))
        shop = Shop(cards, PAYMENTS, seed=seed)
        moment = datetime.now(UTC)
        self._templates = [Template.of(shop.next(moment).fields) for _ in cards]
        self._number = 0
        self._second = 0
        self._moment = b""
        self._reference_prefix = b""
        self._reader = ReplyReader()
        self.open: dict[bytes, tuple[float, bytes]] = {}
        """STAN -> since when, DE37."""
        self.latencies = Latencies()
        self.answered = 0
        self.finishing = False
        """No more requests will be made."""
        self.finished = trio.Event()
        """Set when it is finishing and nothing is open."""

    def request(self, since_s: float) -> bytes:
        """The next request's frame; its latency counts from `since_s`."""
        if (second := int(time.time())) != self._second:
            at = datetime.fromtimestamp(second, UTC)
            self._second = second
            self._moment = messages.transmission(at).encode()
            self._reference_prefix = messages.retrieval_reference(at, "").encode()
        self._number += 1
        stan = b"%06d" % (self._number % STAN_MAX + 1)
        self.open[stan] = (since_s, self._reference_prefix + stan)
        template = self._templates[self._number % len(self._templates)]
        return FRAMING.wrap(template.fill(self._moment, stan, self._reference_prefix))

    def take(self, payload: bytes, now_s: float) -> None:
        """Raises WrongReplyError for anything but the approval of an open request."""
        glance = self._reader.read(payload)
        since_s, reference = self.open.pop(glance.stan, (0.0, b""))
        if (glance.mti, glance.response_code, glance.reference) != (b"0110", b"00", reference):
            raise WrongReplyError(
                f"{glance.mti.decode()} STAN {glance.stan.decode()} DE37 {glance.reference.decode()} "
                f"DE39 {glance.response_code.decode()}; 0110 with DE37 {reference.decode()} and DE39 00 was due"
            )
        self.answered += 1
        self.latencies.record(now_s - since_s)
        if self._answers_file:
            skew_s = self._skew_s
            answer = Answered(reference, glance.approval_code, since_s + skew_s, now_s + skew_s)
            self._answers.append(answer)
        if self.finishing and not self.open:
            self.finished.set()

    async def finish(self) -> None:
        """Wait for what is open, DRAIN_S at most."""
        self.finishing = True
        if self.open:
            with trio.move_on_after(DRAIN_S):
                await self.finished.wait()

    def write_answers(self) -> None:
        """What was answered, where its file was asked for."""
        if self._answers_file:
            Path(self._answers_file).write_bytes(msgspec.msgpack.encode(self._answers))


def read_answers(file: Path) -> list[Answered]:
    """Every approval that a phase was answered, those of its warm-up too, in the order of the answers."""
    return msgspec.msgpack.decode(file.read_bytes(), type=list[Answered])


async def closed(phase: Closed) -> Measured:
    """Throughput: every reply makes room for one more request on its connection."""
    till = Till(phase.target.cards, phase.seed, phase.answers)

    async def line(stream: trio.SocketStream) -> None:
        reader = FRAMING.reader(4096)
        now_s = trio.current_time()
        await stream.send_all(b"".join(till.request(now_s) for _ in range(phase.window)))
        waiting = phase.window
        while waiting:
            data = await stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise WrongReplyError("the server closed a connection")
            now_s = trio.current_time()
            frames = reader.feed(bytes(data))
            for frame in frames:
                till.take(frame, now_s)
            waiting -= len(frames)
            if frames and not till.finishing:
                await stream.send_all(b"".join(till.request(now_s) for _ in frames))
                waiting += len(frames)

    async with trio.open_nursery() as nursery:
        streams = [
            await trio.open_tcp_stream("127.0.0.1", phase.target.port) for _ in range(phase.connections)
        ]
        for stream in streams:
            nursery.start_soon(line, stream)
        await trio.sleep(phase.warm_up_s)
        till.latencies, answered = Latencies(), till.answered
        gauge = Gauge(phase.target)
        await trio.sleep(phase.seconds)
        used = gauge.read()
        answered = till.answered - answered
        latency = till.latencies.summary()
        await till.finish()
        nursery.cancel_scope.cancel()
    till.write_answers()
    return Measured(
        seconds=used.seconds,
        sent=answered,
        answered=answered,
        unanswered=len(till.open),
        latency=_some(latency),
        lateness=None,
        server_user_s=used.server_user_s,
        server_system_s=used.server_system_s,
        load_cpu_s=used.load_s,
        cpu_s=used.cpu_s,
        measured_s=used.seconds,
    )


class _Outlet:
    """A connection's way out: to the kernel at once, and behind what waits where it takes no more.

    A task that is woken for each request would cost more than all the rest of it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._behind = bytearray()
        self._is_behind = trio.Event()

    def put(self, data: bytes) -> None:
        """Raises WrongReplyError where the connection is gone."""
        taken = 0 if self._behind else self._taken(data)
        if taken < len(data):
            self._behind += data[taken:]
            self._is_behind.set()

    def _taken(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            raise WrongReplyError("the server closed a connection") from None

    async def write(self) -> None:
        """For ever: what the kernel did not take at once."""
        while True:
            await self._is_behind.wait()
            while self._behind:
                await trio.lowlevel.wait_writable(self._descriptor)
                del self._behind[: self._taken(self._behind)]
            self._is_behind = trio.Event()


async def open_loop(phase: Open) -> Measured:
    """Latency: evenly spaced over the connections in turn, whatever was answered."""
    till = Till(phase.target.cards, phase.seed, phase.answers)
    lateness = Latencies()
    outlets: list[_Outlet] = []
    last_answer_s = 0.0

    def put(number: int, due_s: float) -> None:
        lateness.record(trio.current_time() - due_s)
        outlets[number % phase.connections].put(till.request(due_s))

    async def read(stream: trio.SocketStream) -> None:
        nonlocal last_answer_s
        reader = FRAMING.reader(4096)
        while data := await stream.receive_some(RECEIVE_BYTES):
            last_answer_s = trio.current_time()
            for frame in reader.feed(bytes(data)):
                till.take(frame, last_answer_s)
        raise WrongReplyError("the server closed a connection")

    async with trio.open_nursery() as nursery:
        for _ in range(phase.connections):
            stream = await trio.open_tcp_stream("127.0.0.1", phase.target.port)
            outlets.append(_Outlet(stream.socket.fileno()))
            nursery.start_soon(outlets[-1].write)
            nursery.start_soon(read, stream)
        gauge = Gauge(phase.target)
        start_s = trio.current_time() + 0.01
        count = round(phase.rate_per_s * phase.seconds)
        await drive(Schedule(start_s, phase.rate_per_s, count), put)
        await till.finish()
        used = gauge.read()
        nursery.cancel_scope.cancel()
    till.write_answers()
    return Measured(
        seconds=max(last_answer_s - start_s, 1e-9),
        sent=count,
        answered=till.answered,
        unanswered=len(till.open),
        latency=_some(till.latencies.summary()),
        lateness=lateness.summary(),
        server_user_s=used.server_user_s,
        server_system_s=used.server_system_s,
        load_cpu_s=used.load_s,
        cpu_s=used.cpu_s,
        measured_s=used.seconds,
    )


async def check(phase: Check) -> Checked:
    """Every answer of a small mix held against every rule of the network. Raises WrongReplyError."""
    shop = Shop(
        read_cards(Path(phase.target.cards)),
        Mix(verification=10, foreign=5, repeat=10, reversal=10, reversal_advice=5),
        seed=phase.seed,
    )
    sample: tuple[bytes, bytes] | None = None
    async with trio.open_nursery() as nursery:
        line = Line(await dialler("127.0.0.1", phase.target.port)(), FRAMING)
        nursery.start_soon(line.run)
        await line.manage(messages.SIGN_ON, stan=shop.next_stan(), at=datetime.now(UTC), patience_s=DRAIN_S)
        for _ in range(CHECKED):
            planned = shop.next(datetime.now(UTC))
            reply = await line.ask(planned.fields, patience_s=DRAIN_S)
            wrong = check_reply(planned.fields, reply, planned.earlier)
            if wrong:
                raise WrongReplyError("; ".join(str(each) for each in wrong))
            if planned.fields["t"] == "0100" and reply["39"] == "00":
                sample = (messages.encode(planned.fields), messages.encode(reply))
            shop.learn(planned, answer_of(reply))
        await line.close()
    if sample is None:
        raise WrongReplyError(f"none of {CHECKED} messages was approved")
    return Checked(CHECKED, sample[0].hex(), sample[1].hex())


class Used(Struct, frozen=True):
    """CPU seconds, and the seconds that went by. `cpu_s` as in `Measured`."""

    server_user_s: float
    server_system_s: float
    load_s: float
    cpu_s: dict[str, float]
    seconds: float


class Gauge:
    """CPU of the server, of what runs beside it and of this process, from now on."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = self._look()
        self._started_s = time.perf_counter()

    def read(self) -> Used:
        now, before = self._look(), self._before
        return Used(
            server_user_s=now.server_user_s - before.server_user_s,
            server_system_s=now.server_system_s - before.server_system_s,
            load_s=now.load_s - before.load_s,
            cpu_s={name: used - before.cpu_s[name] for name, used in now.cpu_s.items()},
            seconds=time.perf_counter() - self._started_s,
        )

    def _look(self) -> Used:
        user_s, system_s = cpu_seconds(self._target.server_pid)
        beside = {name: sum(cpu_seconds(pid)) for name, pid in self._target.beside.items()}
        busy_s, steal_s = machine_seconds()
        return Used(
            user_s, system_s, time.process_time(), beside | {"machine": busy_s, "steal": steal_s}, 0.0
        )


def _some(latency: Latency | None) -> Latency:
    if latency is None:
        raise WrongReplyError("nothing was answered")
    return latency


async def run(phase: Phase) -> Checked | Measured:
    """One phase. Raises WrongReplyError, bare or in groups."""
    match phase:
        case Check():
            return await check(phase)
        case Closed():
            return await closed(phase)
        case Open():
            return await open_loop(phase)


def in_process(phase: Phase, kind: type[Result]) -> Result:
    """One phase in a process of its own. Raises ServerProcessError with what it said."""
    # DE7 counts seconds: the next phase's first request must not be a repeat of the last one's.
    time.sleep(1.0)
    command = [sys.executable, "-m", "benchmarks.load", msgspec.json.encode(phase).decode()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerProcessError(f"the load generator gave up: {done.stderr.strip()}")
    return msgspec.json.decode(done.stdout, type=kind)


def main() -> None:
    """The phase is the only argument, as JSON."""
    phase = msgspec.json.decode(sys.argv[1], type=Check | Closed | Open)
    try:
        result = trio.run(run, phase)
    except* (WrongReplyError, SimulatorError) as problems:
        sys.exit("; ".join(str(each) for each in problems.exceptions))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")


if __name__ == "__main__":
    main()
