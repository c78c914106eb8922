"""TLS of the network's side: contexts from PEM files, and what went wrong in words.

Knows no message. Certificates are checked as the authoriser's links ask for, from the other side.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trio

from simulator.errors import SimulatorError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files, None where there is none. Without any, lines are plain."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    name: str = ""
    """Where we connect: the name that the issuer's certificate must have; "" is the host."""

    @property
    def wanted(self) -> bool:
        return self.ca is not None or self.certificate is not None

    def context(self, *, listens: bool) -> ssl.SSLContext:
        """Where we listen, `ca` says whose client certificates are asked for. Raises SimulatorError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if listens else ssl.PROTOCOL_TLS_CLIENT)
        if listens and self.certificate is None:
            raise SimulatorError("--listen with TLS needs --tls-certificate and --tls-key")
        if (self.certificate is None) != (self.key is None):
            raise SimulatorError("--tls-certificate and --tls-key go together")
        try:
            if self.certificate is not None and self.key is not None:
                context.load_cert_chain(self.certificate, self.key, password="")
            if self.ca is not None:
                context.load_verify_locations(self.ca)
                context.verify_mode = ssl.CERT_REQUIRED
            elif not listens:
                context.load_default_certs()
        except ssl.SSLError as problem:
            raise SimulatorError(f"--tls-...: {problem.reason or 'not a PEM file'}") from None
        except OSError as problem:
            raise SimulatorError(f"--tls-...: {problem.strerror}") from None
        return context


async def secured(
    stream: trio.SocketStream, context: ssl.SSLContext | None, *, server_side: bool, name: str = ""
) -> trio.abc.Stream:
    """The stream under TLS, shaken hands on; as it is without a context. Raises SimulatorError, the stream closed."""
    if context is None:
        return stream
    tls = trio.SSLStream(
        stream, context, server_hostname=name or None, server_side=server_side, https_compatible=True
    )
    try:
        await tls.do_handshake()
    except (trio.BrokenResourceError, trio.ClosedResourceError) as problem:
        await trio.aclose_forcefully(stream)
        cause = problem.__cause__
        why = cause.reason if isinstance(cause, ssl.SSLError) else "the connection ended"
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message
        raise SimulatorError(f"TLS failed: {why}") from None
    return tls
