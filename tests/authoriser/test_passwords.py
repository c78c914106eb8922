"""The one reader of passwords: what a file may be, and that no text of ours holds any of it."""

import os
from pathlib import Path

import pytest

from authoriser.passwords import PASSWORD_MAX_BYTES, PasswordError, read_password

VARIABLE = "A_PASSWORD"


def read(path: Path | None) -> str:
    return read_password("u", path, setting="x.file", user_setting="x.user", variable=VARIABLE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_a_files_line_is_the_password(file: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """Without its end, with the blanks in it; a group may read it. What the environment says does not count."""
    monkeypatch.setenv(VARIABLE, "from outside")
    file.write_text(" two words\r\n")
    file.chmod(mode)
    assert read(file) == " two words"


def test_without_a_file_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there; where it does not, the words name user and both places."""
    monkeypatch.setenv(VARIABLE, "from outside")
    assert read(None) == "from outside"
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(PasswordError) as error:
        read(None)
    assert str(error.value) == (
        'x.user is "u" and there is no password; set x.file or the environment\'s A_PASSWORD'
    )


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601])
def test_a_file_that_is_open_to_all_is_refused(file: Path, mode: int) -> None:
    """With its mode and what to do."""
    file.write_text("hunter2\n")
    file.chmod(mode)
    with pytest.raises(PasswordError) as error:
        read(file)
    assert str(error.value) == f"x.file {file} can be read by every user (mode {mode:04o}); chmod o= {file}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"  \n",
        b"hunter2\nhunter3\n",
        b"\xff\xfe",
        b"hunter2\x00",
        b"h" * (PASSWORD_MAX_BYTES + 1),
    ],
    ids=["empty", "a line", "blanks", "two lines", "no text", "a NUL", "too long"],
)
def test_what_is_no_line_of_text_is_refused(file: Path, content: bytes) -> None:
    """A key, a binary, or a file of several passwords would be refused by the server, and nobody would know why."""
    file.write_bytes(content)
    with pytest.raises(PasswordError) as error:
        read(file)
    assert str(error.value) == f"x.file {file} holds no password: one line of text is expected"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """Not there, a folder, or a pipe that nobody writes to, which is not waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    said = []
    for path in (tmp_path / "none", tmp_path, pipe):
        with pytest.raises(PasswordError) as error:
            read(path)
        said.append(str(error.value).replace(str(path), "PATH"))
    assert said == [
        "x.file PATH can't be read: No such file or directory",
        "x.file PATH is not a regular file",
        "x.file PATH is not a regular file",
    ]
