"""What a value of the configuration has to be, and the words that say so.

Addresses, ranges, names, and tables read key by key. Owns no key and no default of the configuration itself:
`authoriser.config` puts these together.
"""

from __future__ import annotations

import difflib
import grp
import ipaddress
import os
import pwd
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

T = TypeVar("T")

ADDRESS_EXAMPLE = "127.0.0.1:8583"
UID_MAX = 4_294_967_294
"""32 bits, of which the last one means nobody."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\Z")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: `where` as in `links[1].framing`, and a sentence with what would be right."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class Address(msgspec.Struct, frozen=True):
    """Where a listener binds. `host` is an IP address or a host name, without brackets; port 0 is any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class WrongValueError(ValueError):
    """A value that is not right; the sentence starts with the value and goes on with what would be right."""

    def __init__(self, found: object, expected: str) -> None:
        super().__init__(f"{shown(found)} {expected}")


class Table:
    """One table of the document, read key by key; what nobody asked for is wrong."""

    def __init__(self, values: object, where: str, problems: list[Problem]) -> None:
        self._where = where
        self.problems = problems
        self._known: list[str] = []
        self.values: Mapping[str, Any] = {}
        if isinstance(values, dict):
            self.values = values
        else:
            name = where.partition("[")[0]
            header = f"[[{name}]]" if "[" in where or name == "links" else f"[{name}]"
            problems.append(Problem(where, f"{shown(values)} should be a table: {header}"))

    def place(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def take(self, key: str, default: T, check: Callable[[object], T]) -> T:
        """The checked value of a key, or its default when it is absent or wrong (and then a problem is noted)."""
        self._known.append(key)
        if key not in self.values:
            return default
        return checked(self.place(key), self.values[key], default, check, self.problems)

    def settle(self, key: str, raw_default: object, fallback: T, check: Callable[[object], T]) -> T:
        """As take(), for a default that has to pass the check too, because it hangs on other values."""
        self._known.append(key)
        return checked(self.place(key), self.values.get(key, raw_default), fallback, check, self.problems)

    def overridden(
        self, key: str, override: str | None, option: str, default: T, check: Callable[[object], T]
    ) -> T:
        """The command line's value where there is one; what is wrong with either is named where it stands."""
        value = self.take(key, default, check)
        return value if override is None else checked(option, override, value, check, self.problems)

    def table(self, key: str) -> Table:
        self._known.append(key)
        return Table(self.values.get(key, {}), self.place(key), self.problems)

    def known(self, key: str) -> None:
        self._known.append(key)

    def refuse_the_rest(self) -> None:
        for key in self.values:
            if key not in self._known:
                allowed = f"no such key; {allowed_are(self._known)}{did_you_mean(key, self._known)}"
                self.problems.append(Problem(self.place(key), allowed))


def checked(
    where: str, value: object, default: T, check: Callable[[object], T], problems: list[Problem]
) -> T:
    try:
        return check(value)
    except WrongValueError as wrong:
        problems.append(Problem(where, str(wrong)))
        return default


def parse_address(text: object) -> Address:
    """HOST:PORT, with an IPv6 address in brackets. Raises ValueError saying what would be right."""
    right = f'should be "HOST:PORT", such as "{ADDRESS_EXAMPLE}" or "[::1]:8583"'
    if not isinstance(text, str):
        raise WrongValueError(text, right)
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise WrongValueError(text, right)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise WrongValueError(text, right + ", with a port of 0 (any free one) to 65535")
    if host.startswith("[") and host.endswith("]"):
        try:
            return Address(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        except ValueError:
            raise WrongValueError(text, "has no IPv6 address in its brackets; " + right) from None
    if ":" in host:
        raise WrongValueError(text, f'needs brackets around its IPv6 address: "[{host}]:{port}"')
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return Address(str(ipaddress.IPv4Address(host)), int(port))
        except ValueError:
            raise WrongValueError(text, "has no IPv4 address before the port; " + right) from None
    if not _HOST_NAME.match(host):
        raise WrongValueError(text, right)
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def one_of(allowed: tuple[Any, ...]) -> Callable[[object], Any]:
    def check(value: object) -> Any:
        if value not in allowed:
            raise WrongValueError(
                value, f"is not known; {allowed_are(allowed)}{did_you_mean(value, allowed)}"
            )
        return value

    return check


def integer(least: int, most: int, unit: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise WrongValueError(value, f"should be a whole number from {least} to {most} {unit}")
        return value

    return check


def a_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.match(value):
        raise WrongValueError(
            value, "should be 1 to 32 letters, digits, '_', '.' or '-', starting with a letter or digit"
        )
    return value


def a_path(value: object) -> Path:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise WrongValueError(value, "should be a path, as text that is not empty")
    return Path(os.path.expanduser(value))  # noqa: PTH111 - Path.expanduser raises without a home


def a_group(value: object) -> str:
    """A group of this machine by its name; "" is none."""
    if not isinstance(value, str):
        raise WrongValueError(value, "should be the name of a group, as text")
    if value:
        try:
            grp.getgrnam(value)
        except KeyError:
            raise WrongValueError(value, "is no group of this machine") from None
    return value


def users(value: object) -> tuple[str | int, ...]:
    """A list of user names, uids and groups ("@treasury"). Raises WrongValueError for one that this machine lacks."""
    right = 'should be a list of user names, uids and groups, such as ["ann", 1001, "@treasury"]'
    if not isinstance(value, list):
        raise WrongValueError(value, right)
    for user in value:
        if isinstance(user, bool) or not isinstance(user, str | int):
            raise WrongValueError(user, right)
        if isinstance(user, int):
            if not 0 <= user <= UID_MAX:
                raise WrongValueError(user, f"is no uid; they go from 0 to {UID_MAX}")
        elif user.startswith("@"):
            try:
                grp.getgrnam(user[1:])
            except KeyError:
                raise WrongValueError(user, "names no group of this machine") from None
        else:
            try:
                pwd.getpwnam(user)
            except KeyError:
                raise WrongValueError(user, "is no user of this machine") from None
    return tuple(value)


def a_time_zone(value: object) -> str:
    right = 'should be an IANA time zone, such as "UTC" or "Europe/Brussels"'
    if not isinstance(value, str):
        raise WrongValueError(value, right)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from zoneinfo import available_timezones

        raise WrongValueError(value, right + did_you_mean(value, sorted(available_timezones()))) from None
    return value


def allowed_are(names: Iterable[object]) -> str:
    return "allowed: " + ", ".join(map(str, names))


def did_you_mean(value: object, names: Iterable[object]) -> str:
    near = difflib.get_close_matches(str(value), [str(name) for name in names], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: object) -> str:
    """A value as TOML would have it, and short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
