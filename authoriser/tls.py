"""TLS, of links and towards Cassandra and Kafka: what its files make, and what went wrong in words.

Owns which versions and checks there are. Knows no socket: `tls_line` moves the bytes. A line's certificates are checked
anew each time that it is had; there are no session tickets.
"""

import contextlib
import ssl
from pathlib import Path

from msgspec import Struct

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsFilesError(ValueError):
    """A file that does not serve. `key` is its key in the configuration; `str()` says what is wrong with it."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class TlsConfig(Struct, frozen=True):
    """What the configuration says. Paths are PEM files; None is none."""

    certificate_file: Path | None = None
    private_key_file: Path | None = None
    ca_file: Path | None = None
    """Whose certificates a peer may have. None: where we listen, no certificate is asked for; where we connect, the
    authorities that this machine trusts."""
    server_name: str = ""
    """Where we connect: the name that the network's certificate must have."""
    minimum_version: str = "1.2"


class Tls:
    """Makes the TLS side of each line of one link."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, server_name: str = "") -> None:
        self._context = context
        self._server_side = server_side
        self._server_name = server_name or None

    def session(self) -> "Session":
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(
            incoming, outgoing, server_side=self._server_side, server_hostname=self._server_name
        )
        return Session(tls, incoming, outgoing)


class Session:
    """One line's: bytes of the wire go into `incoming` and come out of `outgoing`."""

    __slots__ = ("incoming", "outgoing", "tls")

    def __init__(self, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self.tls = tls
        self.incoming = incoming
        self.outgoing = outgoing


def make_tls(config: TlsConfig, *, listens: bool, host: str = "") -> Tls:
    """Reads the files. `host` is what is dialled, for a network whose certificate has that name.

    Raises TlsFilesError.
    """
    context = tls_context(config, listens=listens)
    return Tls(context, server_side=listens, server_name="" if listens else config.server_name or host)


def tls_context(config: TlsConfig, *, listens: bool) -> ssl.SSLContext:
    """Of a server, or of a client that checks the server's certificate and its name. Raises TlsFilesError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if listens else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = VERSIONS[config.minimum_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    if listens:
        context.num_tickets = 0
    _load_ours(context, config)
    if config.ca_file is not None:
        _load_theirs(context, config.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    elif not listens:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _load_ours(context: ssl.SSLContext, config: TlsConfig) -> None:
    certificate, key = config.certificate_file, config.private_key_file
    if certificate is None or key is None:
        return
    _require_readable("certificate_file", certificate)
    _require_readable("private_key_file", key)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except _EncryptedKeyError:
        raise TlsFilesError("private_key_file", "is encrypted; it should be without a passphrase") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsFilesError("private_key_file", f"is not the key of {certificate}") from None
        key_wrong = _is_pem(certificate, "CERTIFICATE")
        if key_wrong:
            raise TlsFilesError("private_key_file", "should be a PEM file with a private key") from None
        raise TlsFilesError("certificate_file", "should be a PEM file with a certificate") from None


def _load_theirs(context: ssl.SSLContext, ca_file: Path) -> None:
    _require_readable("ca_file", ca_file)
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise TlsFilesError("ca_file", "should be a PEM file with the certificates of authorities") from None


class _EncryptedKeyError(Exception):
    pass


def _no_passphrase() -> str:
    """Without this, OpenSSL would ask on the terminal."""
    raise _EncryptedKeyError


def _require_readable(key: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TlsFilesError(key, f"can't be read: {error.strerror}") from None


def _is_pem(path: Path, what: str) -> bool:
    with contextlib.suppress(OSError):
        return f"-----BEGIN {what}-----".encode() in path.read_bytes()
    return False


_REASONS = {
    "HTTP_REQUEST": "the peer does not speak TLS",
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS",
    "UNKNOWN_PROTOCOL": "the peer does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "the peer does not speak TLS",
    "RECORD_LAYER_FAILURE": "the peer does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "the peer speaks no version of TLS that is new enough",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer wants another version of TLS",
    "NO_SHARED_CIPHER": "the peer has no cipher in common with us",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate, and this link asks for one",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not trust the authority of our certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "the peer could not verify our signature",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer refuses our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer refuses our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the peer says that our certificate is revoked",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer asks for a certificate of ours, and none is configured",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the peer refuses the handshake: it may want a certificate of ours, or another cipher"
    ),
}
"""OpenSSL's names for what can be put right by somebody."""


def words(error: ssl.SSLError) -> str:
    """What went wrong, for an operator. Nothing that the peer wrote is in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not good: {error.verify_message}"
    return words_of(error.reason or "")


def words_of(reason: str) -> str:
    """The same for OpenSSL's name of it."""
    return _REASONS.get(reason, f"TLS failed: {reason.lower().replace('_', ' ') or 'no reason was given'}")
