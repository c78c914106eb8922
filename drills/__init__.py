"""What is held against each other after a drill: what clients heard, what the log has, what Kafka gave.

`python -m drills.outside` is the program. It reads published formats only (a batch of the journal, an event, a file of
what clients heard) and must know nothing of how decisions are made: that is what it judges.
"""
