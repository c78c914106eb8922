"""`simulator ...`: the command line. Reads arguments, starts a run, says what came of it.

Exit codes: 0 every answer was right; 1 some were wrong, nothing was answered, or every connection was lost for good;
2 it could not start (arguments, files, no server).
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import msgspec
import trio
import typer

from isowire.framing import FRAMINGS
from simulator.cards import make_cards, read_cards, write_cards
from simulator.doorstep import Doorstep
from simulator.errors import SimulatorError
from simulator.lines import LinePolicy
from simulator.messages import STAN_MAX
from simulator.network import Dial, dialler, framing_named
from simulator.record import Record, Repeats, read_record
from simulator.session import Order, Session, Source
from simulator.shop import Mix, Shop
from simulator.tally import Summary
from simulator.tls import TlsFiles
from simulator.view import View, console

OK, WRONG, UNUSABLE = 0, 1, 2

PORT_MAX = 65_535
CONNECTIONS_MAX = 1_000
"""More than any network opens, and below the usual limit of 1,024 open files."""
RATE_MAX_PER_S = 20_000.0
"""The shop builds and checks about 8,000 messages a second on one core; the benchmark's generator does more."""

SWITCH_INTERVAL_S = 0.0005
"""The live table is drawn by a thread: what is due then waits half a millisecond for it instead of Python's five."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The card network's side of the wire: shops that pay, and checks of every answer.",
)

Connect = Annotated[str, typer.Option("--connect", metavar="HOST:PORT", help="Where the authoriser listens.")]
Listen = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="Wait here for the authoriser to connect, in place of --connect.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", metavar="FILE", help="TLS: who may have signed the authoriser's certificate."),
]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-certificate", metavar="FILE", help="TLS: the network's certificate.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="TLS: the key of it.")]
TlsName = Annotated[
    str, typer.Option("--tls-name", metavar="HOST", help="TLS: the name in the authoriser's certificate.")
]
CardsFile = Annotated[
    Path, typer.Option("--cards", metavar="FILE", help="The cards: the file that was imported.")
]
FramingName = Annotated[
    str, typer.Option("--framing", help=f"How messages are framed: {', '.join(FRAMINGS)}.")
]
Connections = Annotated[int, typer.Option("--connections", min=1, max=CONNECTIONS_MAX)]
Rate = Annotated[float, typer.Option("--rate", min=0.01, max=RATE_MAX_PER_S, help="Messages a second.")]
EchoEvery = Annotated[float, typer.Option("--echo-every", min=0.1, help="Seconds between echo tests.")]
Timer = Annotated[
    int, typer.Option("--timer-ms", min=1, help="The network's timer: a later answer counts as late.")
]
Patience = Annotated[
    float, typer.Option("--patience", min=0.1, help="Seconds that the end waits for open answers.")
]
Log = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help="Append a JSON line for each exchange.")
]
Reconnect = Annotated[bool, typer.Option("--reconnect", help="Dial again when a connection is lost.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")]


@app.callback()
def _root() -> None:
    """Keep `simulator shop` a subcommand."""


@app.command()
def shop(  # noqa: PLR0913 - typer makes an option of each
    *,
    cards: CardsFile,
    connect: Connect = "127.0.0.1:8583",
    listen: Listen = "",
    framing: FramingName = "bin2",
    connections: Connections = 1,
    rate: Rate = 50.0,
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="How long.")] = 10.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same shoppers.")] = 1,
    mix: Annotated[
        str,
        typer.Option(
            "--mix",
            metavar="KIND=PERCENT,...",
            help="Shares of verification, foreign, repeat, reversal, reversal_advice, increment, completion, advice, "
            "refund, inquiry. The rest are payments.",
        ),
    ] = "",
    first_stan: Annotated[
        int, typer.Option("--first-stan", min=0, max=STAN_MAX, help="Where DE11 starts; 0: by the clock.")
    ] = 0,
    echo_every: EchoEvery = 10.0,
    timer_ms: Timer = 2500,
    patience: Patience = 5.0,
    log: Log = None,
    reconnect: Reconnect = False,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls_name: TlsName = "",
    as_json: AsJson = False,
) -> None:
    """Shoppers pay with the cards of an import file; every answer is checked."""
    with _refusing():
        peer = _peer(connect, listen, TlsFiles(tls_ca, tls_certificate, tls_key, tls_name))
        known = read_cards(cards)
        source = Shop(known, Mix.parse(mix), seed=seed, first_stan=first_stan or _stan_by_clock())
        order = Order(
            rate_per_s=rate,
            seconds=seconds,
            framing=framing_named(framing),
            lines=LinePolicy(count=connections, reconnect=reconnect, echo_every_s=echo_every),
            timer_ms=timer_ms,
            patience_s=patience,
        )
        summary = _run("simulator shop", source, order, peer, log, as_json=as_json)
    raise typer.Exit(_exit_code(summary))


@app.command()
def repeat(  # noqa: PLR0913 - typer makes an option of each
    record: Annotated[Path, typer.Argument(metavar="LOG", help="What `simulator shop --log` wrote.")],
    *,
    cards: CardsFile,
    connect: Connect = "127.0.0.1:8583",
    listen: Listen = "",
    framing: FramingName = "bin2",
    connections: Connections = 1,
    rate: Rate = 500.0,
    echo_every: EchoEvery = 10.0,
    timer_ms: Timer = 2500,
    patience: Patience = 5.0,
    log: Log = None,
    reconnect: Reconnect = False,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls_name: TlsName = "",
    as_json: AsJson = False,
) -> None:
    """Repeat everything on record: each must get the answer it first got, a crash in between or not."""
    with _refusing():
        peer = _peer(connect, listen, TlsFiles(tls_ca, tls_certificate, tls_key, tls_name))
        source = Repeats(read_record(record), read_cards(cards), first_stan=_stan_by_clock())
        if not len(source):
            raise SimulatorError(f"{record} holds no exchange to repeat")
        order = Order(
            rate_per_s=rate,
            seconds=len(source) / rate,
            framing=framing_named(framing),
            lines=LinePolicy(count=connections, reconnect=reconnect, echo_every_s=echo_every),
            timer_ms=timer_ms,
            patience_s=patience,
        )
        summary = _run("simulator repeat", source, order, peer, log, as_json=as_json)
    raise typer.Exit(_exit_code(summary))


@app.command()
def cards(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The import file to write.")],
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000)] = 1000,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    currency: Annotated[str, typer.Option("--currency", help="One or more codes, e.g. EUR,GBP.")] = "EUR",
    expiry: Annotated[str, typer.Option("--expiry", metavar="YYMM")] = "3012",
) -> None:
    """Make an import file of test cards, each with an account and some money."""
    with _refusing():
        try:
            made = make_cards(count, seed=seed, currencies=currency.split(","), expiry=expiry)
            with file.open("w", encoding="utf-8", newline="") as out:
                write_cards(made, out)
        except ValueError:
            raise SimulatorError(
                f"--currency: {currency!r} is not a list of ISO 4217 codes such as EUR,GBP"
            ) from None
        except OSError as problem:
            raise SimulatorError(f"cannot write {file}: {problem.strerror}") from None


def main() -> None:
    """The entry point."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    app()


def _run(
    title: str,
    source: Source,
    order: Order,
    peer: tuple[str, Dial | Doorstep],
    log: Path | None,
    *,
    as_json: bool,
) -> Summary:
    """Do the run and print what came of it. Raises SimulatorError where it cannot start."""
    where, dial = peer
    view = View(console(), f"{title} {where}", quiet=as_json)
    with Record(log) if log else nullcontext() as record:
        session = Session(order, source, dial, record=record, say=view.say)
        summary = trio.run(_watched, session, view)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(summary)).decode() + "\n")
    view.end(summary)
    return summary


def _exit_code(summary: Summary) -> int:
    return WRONG if summary.failed or not summary.answered else OK


async def _watched(session: Session, view: View) -> Summary:
    """The run, shown while it goes on."""
    problem: SimulatorError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(view.show, session)
        try:
            summary = await session.run()
        except SimulatorError as why:
            problem = why
        nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem
    return summary


def _peer(connect: str, listen: str, tls: TlsFiles) -> tuple[str, Dial | Doorstep]:
    """How to come to the authoriser, and where, for people. Raises SimulatorError."""
    context = tls.context(listens=bool(listen)) if tls.wanted else None
    if listen:
        return listen, Doorstep(*_address(listen, "--listen"), context)
    return connect, dialler(*_address(connect, "--connect"), context, tls.name)


def _address(text: str, option: str) -> tuple[str, int]:
    """Of HOST:PORT, [::1]:PORT too. Raises SimulatorError."""
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 1 <= int(port) <= PORT_MAX):
        raise SimulatorError(f"{option}: {text!r} is not HOST:PORT, such as 127.0.0.1:8583")
    return host.strip("[]"), int(port)


def _stan_by_clock() -> int:
    """Two networks started at different moments then number differently, and do not repeat each other by accident."""
    return int(time.time() * 1000) % STAN_MAX + 1


@contextmanager
def _refusing() -> Iterator[None]:
    """What a person can put right is said in a line on standard error, with exit code 2."""
    try:
        yield
    except SimulatorError as problem:
        sys.stderr.write(f"simulator: {problem}\n")
        raise typer.Exit(UNUSABLE) from None
    except KeyboardInterrupt:
        sys.stderr.write("simulator: interrupted\n")
        raise typer.Exit(UNUSABLE) from None
