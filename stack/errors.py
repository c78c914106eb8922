"""How the stack says that it can't."""


class StackError(Exception):
    """Something is missing or did not start. `str()` says what, and what would help, for a person."""


class MissingError(StackError):
    """This machine lacks a program or a package that the stack needs: Java, Maven, a driver."""
