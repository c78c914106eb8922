"""Cassandra: a session for trio, the schema and its versions, and the checks that refuse an unsafe server.

The only place that imports the driver (the extra `stack`) is `authoriser.cassandra.session`.
"""
