"""What the consumers' command lines share: options, logging, signals, and how a failure is said."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from authoriser.kafka.client import quieten_library
from authoriser.telemetry.logging import set_up_logging
from consumers.reading import Reader

FAILED, BAD_INPUT = 1, 2

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The authoriser's TOML file, with a table kafka."),
]
BootstrapOption = Annotated[
    list[str],
    typer.Option("--bootstrap", metavar="HOST:PORT", help="A broker; may be given several times."),
]
TopicOption = Annotated[
    str | None,
    typer.Option("--topic", metavar="NAME", help="The events' topic.", show_default="authoriser.events"),
]
GroupOption = Annotated[
    str,
    typer.Option("--group", metavar="NAME", help="The consumer group, whose members share the partitions."),
]


def fail(program: str, error: Exception | str, code: int = FAILED) -> NoReturn:
    for line in str(error).splitlines():
        sys.stderr.write(f"{program}: {line}\n")
    raise typer.Exit(code)


def run(work: Callable[[Callable[[Reader], None]], Awaitable[None]]) -> None:
    """Run `work` until it ends; the reader that it registers is stopped by SIGTERM and SIGINT."""
    set_up_logging()
    quieten_library()

    async def whole() -> None:
        def register(reader: Reader) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, reader.stop)

        await work(register)

    asyncio.run(whole())
