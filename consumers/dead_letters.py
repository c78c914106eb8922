"""The dead-letter topic: messages that could not be dealt with, as they came, with the reason in a header.

Owns its producer. A message that can't be kept is not done with: the error goes up, and it comes again.
"""

from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from authoriser.kafka.client import client_options
from authoriser.kafka.settings import KafkaConfig
from consumers.incoming import Message

REASON_HEADER = "dead-letter-reason"
SUFFIX = ".dead-letters"


class KafkaDeadLetters:
    """Made by `open`. Raises KafkaError throughout."""

    def __init__(self, topic: str, producer: Any) -> None:
        self._topic = topic
        self._producer = producer

    @classmethod
    async def open(cls, config: KafkaConfig, topic: str, client_id: str) -> Self:
        """Make the topic if it is missing, with the events' replicas and no end to its retention."""
        options = client_options(config, client_id)
        admin = AIOKafkaAdminClient(**options)
        try:
            await admin.start()
            if topic not in await admin.list_topics():
                settings = {"retention.ms": "-1", "min.insync.replicas": str(config.min_insync_replicas)}
                wanted = NewTopic(topic, 1, config.replication_factor, topic_configs=settings)
                made: Any = await admin.create_topics([wanted])
                for outcome in made.topic_errors:
                    error = for_code(outcome[1])
                    if outcome[1] and error is not TopicAlreadyExistsError:
                        raise error(topic)
        finally:
            await admin.close()
        producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
        await producer.start()
        return cls(topic, producer)

    async def bury(self, message: Message, why: str) -> None:
        headers = [*message.headers, (REASON_HEADER, why.encode())]
        await self._producer.send_and_wait(
            self._topic, message.value or b"", key=message.key, headers=headers
        )

    async def close(self) -> None:
        await self._producer.stop()
