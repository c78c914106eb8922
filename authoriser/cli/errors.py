"""How commands fail: one line on standard error that starts with "authoriser: ", and an exit code.

2 is for what the user gave, 1 for what went wrong. Owns no command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from authoriser.admin.client import ClientError
from authoriser.admin.rpc import RpcError
from authoriser.config import ConfigError
from authoriser.telemetry.logging import scrubbed_traceback
from authoriser.telemetry.scrub import mask_digit_runs, mask_pans

FAILED = 1
BAD_INPUT = 2
DEBUG_VARIABLE = "AUTHORISER_DEBUG"
_OURS = ("authoriser.", "isowire.", "rules.")


class CommandError(Exception):
    """A command that ends here; every line of `lines` is printed after the program's name."""

    def __init__(self, *lines: str, exit_code: int = FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = exit_code


def bad_input(*lines: str) -> NoReturn:
    raise CommandError(*lines, exit_code=BAD_INPUT)


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
            with quiet_on_closed_pipe():
                code = super().main(args, "authoriser", complete_var, False, windows_expand_args, **extra)
        except Exception as error:  # noqa: BLE001 - the last place that can say it in a line
            sys.exit(report(error))
        sys.exit(code if isinstance(code, int) else 0)


def report(error: Exception) -> int:
    """Print an error as its kind deserves; the exit code."""
    if isinstance(error, CommandError):
        return _say(error.exit_code, *error.lines)
    if isinstance(error, ConfigError):
        return _say(BAD_INPUT, *map(str, error.problems))
    if isinstance(error, RpcError):
        return _say(BAD_INPUT, error.message.removeprefix("params.").removeprefix("params: "))
    if isinstance(error, ClientError):
        return _say(FAILED, str(error))
    if isinstance(error, typer.Abort):
        return _say(FAILED, "stopped")
    if hasattr(
        error, "format_message"
    ):  # ClickException, which some versions of typer carry in a copy of their own
        return _say(BAD_INPUT, *_usage_lines(error))
    if type(error).__module__.startswith(_OURS):
        return _say(FAILED, mask_digit_runs(str(error)))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return _say(FAILED, f"{where}{error.strerror}")
    return _say_unexpected(error)


@contextlib.contextmanager
def quiet_on_closed_pipe() -> Iterator[None]:
    """Whoever read our output has seen enough: that is a normal end."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is buffered would be written again at exit, and fail again; nobody is there to read it.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage_lines(error: Any) -> list[str]:
    """Nothing where the help was printed already. What was typed may hold a card number by mistake."""
    message = " ".join(mask_digit_runs(mask_pans(error.format_message())).split())
    context = getattr(error, "ctx", None)
    if not message:
        return []
    return [message if context is None else f"{message} ({context.command_path} --help tells more)"]


def _say(code: int, *lines: str) -> int:
    for line in lines:
        print(f"authoriser: {line}", file=sys.stderr)  # noqa: T201 - this is where the command line speaks
    return code


def _say_unexpected(error: Exception) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        print(scrubbed_traceback(error), file=sys.stderr)  # noqa: T201 - likewise
    text = mask_digit_runs(f"{type(error).__name__}: {error}")
    return _say(FAILED, f"this is a fault of the program: {text} ({DEBUG_VARIABLE}=1 shows where)")
