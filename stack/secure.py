"""Servers that ask who is there: TLS both ways, and a user with a password.

Owns the folder with the keys that are shown and the user that is made. Who makes the keys is the caller's business.
"""

import ssl
from pathlib import Path

import msgspec

from stack.errors import StackError

USER = "authoriser"
SERVER_FILE, AUTHORITY_FILE, PASSWORD_FILE = "server.pem", "ca.pem", "password"
FIRST_USER, FIRST_PASSWORD = "cassandra", "cassandra"
"""Whom a new Cassandra knows; it makes the other."""


class Secure(msgspec.Struct, frozen=True):
    """A folder with SERVER_FILE (a key in PKCS #8 and its certificates), AUTHORITY_FILE (who signed the servers' and
    their clients') and PASSWORD_FILE (of USER).
    """

    folder: str

    @property
    def server(self) -> str:
        return f"{self.folder}/{SERVER_FILE}"

    @property
    def authority(self) -> str:
        return f"{self.folder}/{AUTHORITY_FILE}"

    def password(self) -> str:
        return (Path(self.folder) / PASSWORD_FILE).read_text(encoding="utf-8").strip()

    def check(self) -> None:
        """Raises StackError, naming what is missing."""
        for name in (SERVER_FILE, AUTHORITY_FILE, PASSWORD_FILE):
            if not (Path(self.folder) / name).is_file():
                raise StackError(f"{self.folder} has no {name}; docs/stack.md says what is expected there.")

    def context(self) -> ssl.SSLContext:
        """Of a client that the servers let in: it shows their own certificate."""
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(self.server)
        return context
