"""What is printed can be copied, and fits."""

from demo.picture import bars
from demo.screen import command_lines


def test_a_short_command_is_one_line() -> None:
    """As it is typed; an argument with blanks is quoted."""
    assert ["$ kill -KILL 17"] == command_lines(["kill", "-KILL", "17"], 78)
    assert ["$ a --reason 'left in a taxi'"] == command_lines(["a", "--reason", "left in a taxi"], 78)


def test_a_long_command_is_broken_between_options() -> None:
    """An option keeps its value beside it, and a shell takes the lines as one."""
    command = ["sim", "shop", "--cards", "cards.csv", "--reconnect", "--connect", "127.0.0.1:8583"]
    expected = ["$ sim shop --cards cards.csv \\", "    --reconnect \\", "    --connect 127.0.0.1:8583"]
    assert expected == command_lines(command, 32)


def test_bars_are_relative_to_the_highest_and_blank_for_nothing() -> None:
    assert bars([8, 4, 0, 1]) == "█▅ ▂"
    assert bars([0, 0]) == "  "
    assert bars([]) == ""
