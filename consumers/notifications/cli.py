"""`authoriser-notifications`: options and words, and nothing else."""

import os
from collections.abc import Callable
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from authoriser.kafka.client import KafkaSettingsError
from authoriser.kafka.settings import KafkaConfig, a_topic
from consumers.dead_letters import SUFFIX, KafkaDeadLetters
from consumers.notifications.delivery import TOKEN_VARIABLE, Delivery, Patience, StandardOutput, Webhook
from consumers.notifications.program import LOOK_BACK, Notifier
from consumers.reading import Reader, Reading
from consumers.running import BAD_INPUT, BootstrapOption, ConfigOption, GroupOption, TopicOption, fail, run
from consumers.settings import SettingsError, kafka_settings

PROGRAM = "authoriser-notifications"
GROUP_DEFAULT = "authoriser-notifications"


def notifications(
    config: ConfigOption = None,
    bootstrap: BootstrapOption = [],  # noqa: B006 - typer copies it
    topic: TopicOption = None,
    group: GroupOption = GROUP_DEFAULT,
    webhook: Annotated[
        str | None,
        typer.Option(
            "--webhook",
            metavar="URL",
            help=f"POST each text there as JSON; without one they go to standard output. {TOKEN_VARIABLE} in the "
            "environment is sent as bearer token.",
        ),
    ] = None,
    dead_letter_topic: Annotated[
        str | None,
        typer.Option(
            "--dead-letter-topic",
            metavar="NAME",
            help="Where what can't be delivered goes.",
            show_default=f"the topic's name and {SUFFIX}",
        ),
    ] = None,
    attempts: Annotated[
        int, typer.Option("--attempts", min=1, help="How often a webhook is tried.")
    ] = Patience.__struct_defaults__[0],
) -> None:
    """Send one push text for each decision, until SIGTERM or Ctrl-C."""
    try:
        kafka = kafka_settings(config, bootstrap, topic)
        dead = a_topic(dead_letter_topic if dead_letter_topic is not None else kafka.topic + SUFFIX)
    except (SettingsError, ValueError) as error:
        fail(PROGRAM, error, BAD_INPUT)
    if webhook is not None and not webhook.startswith(("http://", "https://")):
        fail(PROGRAM, "--webhook should be an http:// or https:// address", BAD_INPUT)
    delivery = (
        StandardOutput()
        if webhook is None
        else Webhook(webhook, token=os.environ.get(TOKEN_VARIABLE, ""), patience=Patience(attempts=attempts))
    )

    async def work(register: Callable[[Reader], None]) -> None:
        await _work(kafka, group, dead, delivery, register)

    try:
        run(work)
    except (KafkaSettingsError, KafkaError, OSError) as error:
        fail(PROGRAM, str(error) or type(error).__name__)


async def _work(
    kafka: KafkaConfig, group: str, dead: str, delivery: Delivery, register: Callable[[Reader], None]
) -> None:
    letters = await KafkaDeadLetters.open(kafka, dead, PROGRAM)
    try:
        reading = Reading(kafka, group, look_back=LOOK_BACK)
        reader = Reader(reading, Notifier(delivery, letters), PROGRAM)
        register(reader)
        await reader.run()
    finally:
        await letters.close()
        if isinstance(delivery, Webhook):
            await delivery.close()


def main() -> None:
    """The entry point."""
    typer.run(notifications)
