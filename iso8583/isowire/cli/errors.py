"""How commands fail: one line on standard error that starts with "isowire: ", and an exit code.

2 is for what the user gave, 1 for a message or a dialect that is not what it should be. Owns no command.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

FINE: Final = 0
NOT_RIGHT: Final = 1
"""Does not decode, is not equal, is no dialect; or the program failed."""
BAD_INPUT: Final = 2

_LONG_RUN = re.compile(r"[0-9](?:[ ./_-]?[0-9]){8,}")
"""Nine digits and more may be of a card number, which someone typed where a file's name goes."""


class CommandError(Exception):
    """A command that ends here, saying so in a line."""

    def __init__(self, line: str, *, exit_code: int = BAD_INPUT) -> None:
        super().__init__(line)
        self.exit_code = exit_code


def bad_input(line: str) -> NoReturn:
    raise CommandError(line)


def mask_digits(text: str) -> str:
    """The text with every long run of digits replaced, and on one line."""
    return " ".join(_LONG_RUN.sub("[digits]", text).split())


def warn(line: str) -> None:
    print(f"isowire: {line}", file=sys.stderr)  # noqa: T201 - this is where the command line speaks


class OneLineErrors(TyperGroup):
    """The top group: errors in one line and no boxes, no values of locals, no digits that a shell gave by mistake."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,  # noqa: ARG002 - its name in words is the same however it was started
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002, ARG002 - typer's signature; it always stands alone
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002
        **extra: Any,
    ) -> Any:
        """Run, and exit with the command's code."""
        try:
            with _quiet_on_closed_pipe():
                code = super().main(args, "isowire", complete_var, False, windows_expand_args, **extra)
        except Exception as error:  # noqa: BLE001 - the last place that can say it in a line
            sys.exit(_report(error))
        sys.exit(code if isinstance(code, int) else FINE)


def _report(error: Exception) -> int:
    """Print an error as its kind deserves; the exit code."""
    if isinstance(error, CommandError):
        warn(str(error))
        return error.exit_code
    if isinstance(error, typer.Abort):
        warn("stopped")
        return NOT_RIGHT
    if hasattr(error, "format_message"):  # a ClickException; some versions of typer carry a copy of their own
        _report_usage(error)
        return BAD_INPUT
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        warn(mask_digits(where + error.strerror))
        return BAD_INPUT
    warn(mask_digits(f"this is a fault of the program: {type(error).__name__}: {error}"))
    return NOT_RIGHT


def _report_usage(error: Any) -> None:
    message = mask_digits(error.format_message())
    if message:  # else the help was printed already
        context = getattr(error, "ctx", None)
        warn(message if context is None else f"{message} ({context.command_path} --help tells more)")


@contextlib.contextmanager
def _quiet_on_closed_pipe() -> Iterator[None]:
    """Whoever read our output has seen enough: that is a normal end."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is buffered would be written again at exit, and fail again; nobody is there to read it.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
