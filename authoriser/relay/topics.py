"""The topics: made where they are missing, and refused where they would lose or shuffle events.

Owns their settings. What an operator changed afterwards for good reasons (retention, replicas) is left alone.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from authoriser.kafka.settings import KafkaConfig
from authoriser.limits import EVENT_MAX_BYTES
from authoriser.relay.position import Halt

HOUR_MS = 3_600_000
FOR_EVER = "-1"

log = structlog.get_logger()


def event_topic_settings(config: KafkaConfig) -> dict[str, str]:
    hours = config.retention_hours
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(hours * HOUR_MS) if hours else FOR_EVER,
        "retention.bytes": FOR_EVER,
        "min.insync.replicas": str(config.min_insync_replicas),
        "max.message.bytes": str(EVENT_MAX_BYTES),
    }


def position_topic_settings(config: KafkaConfig) -> dict[str, str]:
    return {"cleanup.policy": "compact", "min.insync.replicas": str(config.min_insync_replicas)}


def topic_problem(name: str, *, partitions: int, shard: int, policy: str, wanted_policy: str) -> str:
    """What makes a topic that is there unfit; "" if it will do."""
    if partitions <= shard:
        return (
            f"topic {name} has {partitions} partitions and shard {shard} needs partition {shard}; "
            "a shard's partition is fixed, so give it at least one a shard"
        )
    if policy != wanted_policy:
        why = "would drop events" if wanted_policy == "delete" else "would forget the position"
        return f"topic {name} has cleanup.policy={policy}, which {why}; set it to {wanted_policy}"
    return ""


async def ensure_topics(admin: AIOKafkaAdminClient, config: KafkaConfig, shard: int) -> None:
    """Make what is missing and check what is there. Raises Halt for an unfit topic, KafkaError."""
    for name, settings in (
        (config.topic, event_topic_settings(config)),
        (config.position_topic, position_topic_settings(config)),
    ):
        partitions = await partitions_of(admin, name)
        if partitions is None:
            await _make(admin, config, name, max(config.partitions, shard + 1), settings)
            continue
        there = await settings_of(admin, name)
        problem = topic_problem(
            name,
            partitions=partitions,
            shard=shard,
            policy=there.get("cleanup.policy", ""),
            wanted_policy=settings["cleanup.policy"],
        )
        if not problem and partitions < config.partitions:
            problem = (
                f"topic {name} has {partitions} partitions and kafka.partitions says {config.partitions}"
            )
        if problem:
            raise Halt("topic_unfit", problem)


async def partitions_of(admin: AIOKafkaAdminClient, name: str) -> int | None:
    """How many there are; None where there is no such topic."""
    (topic,) = await admin.describe_topics([name])
    error = for_code(topic["error_code"])
    if error is UnknownTopicOrPartitionError:
        return None
    if topic["error_code"]:
        raise error(name)
    return len(topic["partitions"])


async def settings_of(admin: AIOKafkaAdminClient, name: str) -> Mapping[str, str]:
    """By name, as the broker writes them."""
    found: dict[str, str] = {}
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]):
        for resource in response.resources:
            code, message, _kind, _name, entries = resource
            if code:
                raise for_code(code)(message)
            found |= {entry[0]: entry[1] for entry in entries}
    return found


async def _make(
    admin: AIOKafkaAdminClient, config: KafkaConfig, name: str, partitions: int, settings: dict[str, str]
) -> None:
    topic = NewTopic(name, partitions, config.replication_factor, topic_configs=settings)
    response: Any = await admin.create_topics([topic])
    for made in response.topic_errors:
        error = for_code(made[1])
        if error is InvalidReplicationFactorError:
            raise Halt(
                "topic_unfit",
                f"topic {name} can't be made with kafka.replication_factor {config.replication_factor}: "
                "there are fewer brokers",
            )
        if made[1] and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {made[2]}" if len(made) > 2 else name)
    log.info("a topic was made", detail=name, count=partitions)
