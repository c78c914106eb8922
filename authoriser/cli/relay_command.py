"""`authoriser relay`: the process that tails the journal into Kafka. Owns the command's options and words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authoriser.cli.errors import CommandError, bad_input
from authoriser.cli.options import DATA_VARIABLE
from authoriser.cli.show import print_line
from authoriser.config import Config, Overrides, load_config
from authoriser.places import SHARD

if TYPE_CHECKING:
    from authoriser.kafka.settings import KafkaConfig


def relay(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="A TOML file with a [kafka] table.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DIR", envvar=DATA_VARIABLE, help="The data directory of the authoriser."
        ),
    ] = None,
    shard: Annotated[int, typer.Option("--shard", metavar="N", min=0, help="The shard to relay.")] = SHARD,
    resume_after: Annotated[
        int | None,
        typer.Option(
            "--resume-after",
            metavar="BATCH",
            min=0,
            help="Don't relay: write down that relays go on after this batch of the journal, and end. For a relay that "
            "halted; docs/kafka.md says when.",
        ),
    ] = None,
    *,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Relay the journal's events to Kafka until SIGTERM or Ctrl-C; each event once, in order.

    A server whose configuration has [kafka] runs this by itself. Exit codes: 65 an operator must look, 75 another relay
    has taken over.
    """
    settings = load_config(config, Overrides(data_dir=data))
    require_kafka(settings, config)
    from authoriser.telemetry.logging import set_up_logging

    set_up_logging(settings.telemetry.log_format, settings.telemetry.log_level)
    try:
        from authoriser.relay.process import run_relay
    except ImportError:
        raise no_client() from None
    if resume_after is not None:
        _resume_after(settings, shard, resume_after)
        return
    raise typer.Exit(run_relay(settings, shard, supervised=supervised))


def require_kafka(settings: Config, file: Path) -> KafkaConfig:
    if settings.kafka is None:
        bad_input(f"{file} has no [kafka] table; it should name the brokers: [kafka] and bootstrap = [...]")
    return settings.kafka


def no_client() -> CommandError:
    return CommandError("the Kafka client is not installed; install it with: pip install 'authoriser[stack]'")


def _resume_after(settings: Config, shard: int, seq: int) -> None:
    from aiokafka.errors import KafkaError

    from authoriser.kafka.client import KafkaSettingsError
    from authoriser.relay.position import Halt
    from authoriser.relay.process import set_position

    try:
        position = set_position(settings, shard, seq)
    except (Halt, KafkaSettingsError) as error:
        raise CommandError(str(error)) from None
    except (KafkaError, OSError) as error:
        raise CommandError(f"Kafka: {type(error).__name__}: {error}") from None
    print_line(f"relays of shard {shard} go on after batch {position.seq}, record {position.record}")
