"""authoriser.keys: the key file, what is refused, and tokens."""

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import pytest

from authoriser.keys import KeyFileError, PanKey, load_or_create_pan_key

PAN = "4000000000000002"
SECRET = bytes(range(32))


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "pan.key"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_a_key_is_made_once_and_read_after(tmp_path: Path) -> None:
    """The second call gets the first one's key; file and folder are the owner's alone, and nothing else is left."""
    path = tmp_path / "deep" / "keys" / "pan.key"
    first = load_or_create_pan_key(path)
    second = load_or_create_pan_key(path)
    modes = [oct(path.stat().st_mode & 0o777), oct(path.parent.stat().st_mode & 0o777)]
    assert (first, 32, ["0o600", "0o700"], ["pan.key"]) == (
        second,
        len(first.secret),
        modes,
        [entry.name for entry in path.parent.iterdir()],
    )


def test_two_keys_differ(tmp_path: Path) -> None:
    """Each file gets random bytes of its own."""
    assert (
        load_or_create_pan_key(tmp_path / "a" / "k").secret
        != load_or_create_pan_key(tmp_path / "b" / "k").secret
    )


def test_the_token_is_hmac_sha256(key_file: Callable[..., Path]) -> None:
    """The standard library's other way to it gives the same bytes."""
    key = load_or_create_pan_key(key_file(SECRET.hex() + "\n"))
    assert hmac.new(SECRET, PAN.encode(), hashlib.sha256).digest() == key.token(PAN)


def test_the_fingerprint_tells_keys_apart() -> None:
    """Same key, same fingerprint; another key, another; and it is no token."""
    one, same, other = PanKey(1, SECRET), PanKey(1, SECRET), PanKey(1, SECRET[::-1])
    assert (one.fingerprint, 16) == (same.fingerprint, len(one.fingerprint))
    assert one.fingerprint != other.fingerprint


def test_the_repr_shows_the_version_only() -> None:
    """Neither a log nor a traceback gives the secret away."""
    assert repr(PanKey(1, SECRET)) == "PanKey(version=1)"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_file_that_others_may_read_is_refused(key_file: Callable[..., Path], mode: int) -> None:
    """The error says how to put it right."""
    path = key_file(SECRET.hex(), mode)
    with pytest.raises(KeyFileError) as caught:
        load_or_create_pan_key(path)
    expected = f"the key file {path} can be read by other users (mode 0{mode:o}); make it yours alone: chmod 600 {path}"
    assert expected == str(caught.value)


def test_a_folder_that_any_user_may_write_is_refused(key_file: Callable[..., Path]) -> None:
    """Else somebody could put another key in the place of this one."""
    path = key_file(SECRET.hex())
    path.parent.chmod(0o777)
    with pytest.raises(
        KeyFileError, match=r"any user can replace files in .*; take that right away: chmod o-w"
    ):
        load_or_create_pan_key(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [(SECRET[:31].hex(), "has 31 bytes"), ("", "has 0 bytes"), ((SECRET * 3).hex(), "has 96 bytes"),
     ("not a key", "something else than hexadecimal"), ("é" * 32, "something else than hexadecimal")],
)  # fmt: skip
def test_a_key_that_is_none_is_refused_and_not_shown(
    key_file: Callable[..., Path], text: str, found: str
) -> None:
    """Too short, too long or not hexadecimal; the error holds nothing of the file's content, and the file stays."""
    path = key_file(text)
    with pytest.raises(KeyFileError) as caught:
        load_or_create_pan_key(path)
    message = str(caught.value)
    assert (True, False, text) == (found in message, bool(text) and text in message, path.read_text())


def test_a_folder_in_place_of_the_key(tmp_path: Path) -> None:
    """What is no file is refused in words."""
    (tmp_path / "k").mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match="is not a regular file"):
        load_or_create_pan_key(tmp_path / "k")


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    """A file where a folder should be is an error in words, not an OSError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="can't be"):
        load_or_create_pan_key(tmp_path / "file" / "pan.key")
