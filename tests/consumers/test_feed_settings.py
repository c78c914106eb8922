"""Where the feed's tables are: by the file that servers use, or by the command line."""

from pathlib import Path

import pytest

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from authoriser.cassandra.session import CassandraConfig, Password
from consumers.feed.settings import feed_settings
from consumers.settings import SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    password.chmod(0o600)
    path = tmp_path / "authoriser.toml"
    path.write_text(
        '[cassandra]\ncontact_points = ["10.0.0.1", "10.0.0.2:9043"]\nlocal_data_centre = "lisbon"\n'
        f'username = "feed"\npassword_file = "{password}"\ntls_ca_file = "ca.pem"\n'
    )
    return path


def test_the_servers_file_says_where_and_who(file: Path) -> None:
    """Nodes, user, password and TLS are the journal's; the keyspace is the feed's own."""
    config = feed_settings(file, [], "authoriser_feed", "")
    assert config == CassandraConfig(
        (("10.0.0.1", 9042), ("10.0.0.2", 9043)),
        "authoriser_feed",
        "lisbon",
        username="feed",
        password=Password("hunter2"),
        tls_ca_file=Path("ca.pem"),
    )
    assert feed_settings(file, [], "authoriser_feed", "porto").local_data_centre == "porto"


def test_the_command_line_goes_over_the_file(file: Path) -> None:
    """Another cluster than the journal's has another user too."""
    assert feed_settings(file, ["10.9.9.9:9042"], "f", "") == CassandraConfig((("10.9.9.9", 9042),), "f")


def test_without_either_it_is_this_machine(tmp_path: Path) -> None:
    """Also where the file speaks of Kafka alone."""
    file = tmp_path / "kafka.toml"
    file.write_text('[kafka]\nbootstrap = ["10.0.0.1:9092"]\n')
    here = CassandraConfig((("127.0.0.1", 9042),), "f")
    assert [feed_settings(None, [], "f", ""), feed_settings(file, [], "f", "")] == [here, here]


def test_what_is_wrong_is_said_by_the_settings_name(file: Path) -> None:
    """In a line, with nothing of the password."""
    (file.parent / "password").chmod(0o644)
    with pytest.raises(
        SettingsError, match=r"cassandra\.password_file .* can be read by every user"
    ) as error:
        feed_settings(file, [], "f", "")
    assert "hunter2" not in str(error.value)
    file.write_text("[cassandra]\nport = 0\n")
    with pytest.raises(SettingsError, match=r"cassandra\.port: 0 should be a whole number"):
        feed_settings(file, [], "f", "")
