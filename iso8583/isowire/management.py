"""Network management in one dialect: the codes of DE70, and what else stands in an 0800 of our own.

Must not know who sends what when; `management_file` reads the table of a dialect's file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Management:
    """What DE70 says, three digits each, and the fields (by number) that every 0800 of ours carries besides."""

    sign_on: str = "001"
    sign_off: str = "002"
    echo: str = "301"
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
