"""What the commands that read the journal share: which one it is, by `--config` or `--data`, opened and closed.

These commands need no server. With `--config` they read where its file says, in Cassandra where it has [cassandra].
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from authoriser.cli.errors import CommandError
from authoriser.cli.options import DATA_DEFAULT, DATA_VARIABLE
from authoriser.config import Overrides, load_config

if TYPE_CHECKING:
    from authoriser.journal.slots import Slots

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The authoriser's TOML file: where the journal is. With a table cassandra, there.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar=DATA_VARIABLE,
        help="The data directory of the authoriser.",
        show_default=str(DATA_DEFAULT),
    ),
]


class Place(Struct, frozen=True):
    """A journal to read, and the data directory that belongs to it: snapshots and histories are there."""

    slots: Slots
    data_dir: Path

    @property
    def name(self) -> str:
        """For words: the directory where the journal is in it, else the journal's own."""
        return str(self.data_dir) if self.slots.name.startswith(str(self.data_dir)) else self.slots.name


@contextlib.contextmanager
def reading(config: Path | None, data: Path | None) -> Iterator[Place]:
    """Raises ConfigError, and NoJournalError or CommandError with the one line that says why it can't be read."""
    from authoriser.opening import configured_journal, embedded_journal

    if config is None:
        data_dir = data if data is not None else DATA_DEFAULT
        _refuse_missing(data_dir)
        slots = embedded_journal(data_dir)
    else:
        settings = load_config(config, Overrides(data_dir=str(data) if data is not None else None))
        data_dir = settings.data_dir
        if settings.cassandra is None:
            _refuse_missing(data_dir)
        slots = configured_journal(settings)
    with contextlib.closing(slots):
        yield Place(slots, data_dir)


def _refuse_missing(data_dir: Path) -> None:
    if not data_dir.is_dir():
        raise CommandError(
            f"there is no data directory {data_dir}; --data names one, authoriser serve makes one"
        )
