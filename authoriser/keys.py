"""The key under which card numbers are looked up: made on first use, kept outside the data directory.

Owns the key file and the tokens made with it. Knows nothing of cards; a token says nothing of its PAN to whoever has no
key, and with key and tokens every PAN can be found by trying, so the key must not lie where the data lies.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

PAN_KEY_VERSION = 1
"""Stands beside every token, so that a later key can take over card by card."""
KEY_LENGTH_MIN_BYTES = 32
"""As long as the hash of HMAC-SHA256 (RFC 2104, section 3: less than that weakens it)."""
KEY_LENGTH_MAX_BYTES = 64
"""One block of SHA-256; a longer key is hashed first and gains nothing."""
FINGERPRINT_LENGTH_BYTES = 8
_FINGERPRINT_OF = b"authoriser: fingerprint of a pan key"


class KeyFileError(Exception):
    """The key file can't be used; the message says what to do and holds nothing of the key."""


@dataclass(frozen=True, slots=True)
class PanKey:
    """A versioned secret; its repr shows the version only."""

    version: int
    secret: bytes = field(repr=False)

    def token(self, pan: str) -> bytes:
        """HMAC-SHA256 of the PAN's digits, 32 bytes: the same card always, and no way back without the key."""
        return hmac.digest(self.secret, pan.encode("ascii"), "sha256")

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits to keep beside the tokens, so that another key is noticed before it finds no card."""
        return hmac.digest(self.secret, _FINGERPRINT_OF, "sha256")[:FINGERPRINT_LENGTH_BYTES].hex()


def load_or_create_pan_key(path: Path) -> PanKey:
    """The key in the file, made with 32 random bytes where there is none. Raises KeyFileError.

    A key that was made is on disk before this returns. Of two processes that make it at once, both get the
    first one's.
    """
    try:
        return load_pan_key(path)
    except FileNotFoundError:
        pass
    try:
        _create(path)
        return load_pan_key(path)
    except OSError as error:
        raise KeyFileError(f"the key file {path} can't be made: {error.strerror}") from None


def load_pan_key(path: Path) -> PanKey:
    """The key in the file. Raises FileNotFoundError, and KeyFileError for a file that should not be trusted."""
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )  # a pipe would wait for a writer
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFileError(f"the key file {path} can't be read: {error.strerror}") from None
    try:
        _refuse_untrusted(path, os.fstat(descriptor).st_mode)
        text = os.read(descriptor, 4 * KEY_LENGTH_MAX_BYTES)
    finally:
        os.close(descriptor)
    return PanKey(PAN_KEY_VERSION, _secret_in(text, path))


def _secret_in(text: bytes, path: Path) -> bytes:
    try:
        secret = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        raise KeyFileError(
            f"the key file {path} holds something else than hexadecimal digits; restore it from where you keep keys"
        ) from None
    if not KEY_LENGTH_MIN_BYTES <= len(secret) <= KEY_LENGTH_MAX_BYTES:
        raise KeyFileError(
            f"the key in {path} has {len(secret)} bytes and should have {KEY_LENGTH_MIN_BYTES} to "
            f"{KEY_LENGTH_MAX_BYTES} (two hexadecimal digits each); restore it from where you keep keys"
        )
    return secret


def _refuse_untrusted(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"the key file {path} is not a regular file")
    if mode & 0o077:
        raise KeyFileError(
            f"the key file {path} can be read by other users (mode {stat.S_IMODE(mode):04o}); "
            f"make it yours alone: chmod 600 {path}"
        )
    folder_mode = path.parent.stat().st_mode
    if folder_mode & stat.S_IWOTH and not folder_mode & stat.S_ISVTX:
        raise KeyFileError(
            f"any user can replace files in {path.parent}, so its key can't be trusted; take that right away: "
            f"chmod o-w {path.parent}"
        )


def _create(path: Path) -> None:
    """A whole key file or none: written aside, synced, then linked under its name, which fails if it exists."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_LENGTH_MIN_BYTES).hex().encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            return
    finally:
        aside.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
