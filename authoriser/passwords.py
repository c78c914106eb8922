"""The password of a server that we use: from a file that not every user can read, or from the environment.

Owns what such a file may be. A password goes to the library that needs it and nowhere else: no text of ours holds one.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

PASSWORD_MAX_BYTES = 4_096


class PasswordError(Exception):
    """The password can't be had; the text names the setting, says why, and holds nothing of the password."""


def read_password(username: str, path: Path | None, *, setting: str, user_setting: str, variable: str) -> str:
    """The password of `username`: one line of `path`, or of the environment's `variable` where that is None.

    `setting` and `user_setting` are what the configuration calls `path` and `username`. Raises PasswordError.
    """
    if path is not None:
        return _in_file(path, setting)
    password = os.environ.get(variable, "")
    if not password:
        raise PasswordError(
            f'{user_setting} is "{username}" and there is no password; set {setting} or the environment\'s {variable}'
        )
    return password


def _in_file(path: Path, setting: str) -> str:
    try:
        # A pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            text = os.read(descriptor, PASSWORD_MAX_BYTES + 1) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PasswordError(f"{setting} {path} can't be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise PasswordError(f"{setting} {path} is not a regular file")
    if mode & stat.S_IRWXO:
        raise PasswordError(
            f"{setting} {path} can be read by every user (mode {stat.S_IMODE(mode):04o}); chmod o= {path}"
        )
    try:
        password = text.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password.strip() or not password.isprintable() or len(text) > PASSWORD_MAX_BYTES:
        raise PasswordError(f"{setting} {path} holds no password: one line of text is expected")
    return password
