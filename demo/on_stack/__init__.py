"""`make demo-stack`: the demo on a real Cassandra and a real Kafka, with two servers of which one decides.

Like its parent it knows commands, files and sockets alone. `story.py` is the demo from top to bottom; it tells many a
step by the functions of `demo.story`.
"""
