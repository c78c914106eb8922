"""The simulator's errors: each message is for a person, and none holds a card number."""


class SimulatorError(Exception):
    """Something the person who started the simulator can put right. The message says what."""


class LineLostError(SimulatorError):
    """A connection ended while it was still wanted. The message says how."""
