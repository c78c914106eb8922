"""The relay: a process of its own that tails the journal of one shard into Kafka, every record once and in order.

`supervisor` alone belongs to the server's process and runs in trio; the rest is asyncio, as aiokafka is.
"""
