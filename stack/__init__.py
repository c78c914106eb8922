"""A real Apache Cassandra and a real Apache Kafka on this machine, by one command: `python -m stack up`.

For development, the demo and tests. Everything listens on loopback only, and everything it makes lies in one folder.
Knows nothing of the authoriser. Tests start servers of their own with `Stack(directory)` as a context manager.
"""

from stack.errors import StackError
from stack.servers import Stack, Wanted

__all__ = ["Stack", "StackError", "Wanted"]
