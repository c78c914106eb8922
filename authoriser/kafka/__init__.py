"""Where Kafka is and how to be let in: the `[kafka]` table, and what the client library makes of it.

Shared by the relay and by consumers. Knows no journal, no event and no topic's content.
"""
