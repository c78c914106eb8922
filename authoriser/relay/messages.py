"""Batches of the journal as Kafka messages: the event as JSON, CloudEvents' attributes as headers, the account as key.

Headers are those of the CloudEvents Kafka protocol binding 1.0.2, binary content mode. Owns no connection.
"""

import msgspec
from msgspec import Struct

from authoriser.events import event_of
from authoriser.relay.reader import RelayedBatch

CONTENT_TYPE = b"application/json"

Headers = list[tuple[str, bytes]]
"""A list, because the client takes nothing else."""


class Message(Struct, frozen=True, gc=False):
    """One event. `key` is None where it concerns no account."""

    id: str
    key: bytes | None
    value: bytes
    headers: Headers


class MessageMaker:
    """Makes messages for one shard; `source` is their ce_source."""

    def __init__(self, shard: int, source: str) -> None:
        self._shard = shard
        self._encoder = msgspec.json.Encoder()
        self._same: Headers = [
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", b"1.0"),
            ("ce_source", source.encode()),
        ]

    def messages(self, batch: RelayedBatch) -> list[Message]:
        """One a record, in order."""
        made = []
        for number, record in enumerate(batch.records, batch.first_record):
            event = event_of(record, number=number, seq=batch.seq, shard=self._shard)
            account = event.get("account")
            headers = [
                *self._same,
                ("ce_id", event["id"].encode()),
                ("ce_type", event["type"].encode()),
                ("ce_time", event["time"].encode()),
            ]
            key = account.encode() if account else None
            made.append(Message(event["id"], key, self._encoder.encode(event), headers))
        return made
