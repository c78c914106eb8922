"""The [cassandra] table: defaults, what contradicts itself, and where its password may be."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from authoriser.config import Address, CassandraSection, ConfigError, load_config
from authoriser.config_cassandra import PASSWORD_VARIABLE, password_of
from authoriser.passwords import PasswordError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def section_of(tmp_path: Path) -> Callable[[str], CassandraSection | None]:
    def run(text: str) -> CassandraSection | None:
        path = tmp_path / "authoriser.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path).cassandra

    return run


@pytest.fixture
def problems_of(section_of: Callable[[str], CassandraSection | None]) -> Callable[[str], list[str]]:
    def run(text: str) -> list[str]:
        try:
            section_of(f"[cassandra]\n{text}")
        except ConfigError as error:
            return str(error).split("\n")
        return []

    return run


def test_without_the_table_the_journal_is_embedded(
    section_of: Callable[[str], CassandraSection | None],
) -> None:
    """Nothing about Cassandra is nothing: no defaults, no connection."""
    assert section_of("") is None


def test_an_empty_table_is_a_node_on_this_machine(
    section_of: Callable[[str], CassandraSection | None],
) -> None:
    """Every key has a default that suits `make stack`."""
    assert section_of("[cassandra]") == CassandraSection(
        contact_points=(Address("127.0.0.1", 9042),),
        keyspace="authoriser",
        local_data_centre="",
        durability="commitlog",
        username="",
        password_file=None,
        tls_ca_file=None,
        tls_cert_file=None,
        tls_key_file=None,
        heartbeat_ms=500,
        lease_ms=3000,
        follower_listens=False,
    )


def test_a_whole_table(section_of: Callable[[str], CassandraSection | None]) -> None:
    """Every key ends up in its field; `port` is for the contact points that name none."""
    text = """
[cassandra]
contact_points = ["10.0.0.1", "db.example:9043", "[::1]"]
port = 9142
keyspace = "cards"
local_data_centre = "lisbon"
durability = "replicated"
username = "authoriser"
password_file = "/etc/authoriser/cassandra.password"
tls_ca_file = "/etc/authoriser/ca.pem"
tls_cert_file = "/etc/authoriser/cert.pem"
tls_key_file = "/etc/authoriser/key.pem"
heartbeat_ms = 250
lease_ms = 2000
follower_listens = true
"""
    assert section_of(text) == CassandraSection(
        contact_points=(Address("10.0.0.1", 9142), Address("db.example", 9043), Address("::1", 9142)),
        keyspace="cards",
        local_data_centre="lisbon",
        durability="replicated",
        username="authoriser",
        password_file=Path("/etc/authoriser/cassandra.password"),
        tls_ca_file=Path("/etc/authoriser/ca.pem"),
        tls_cert_file=Path("/etc/authoriser/cert.pem"),
        tls_key_file=Path("/etc/authoriser/key.pem"),
        heartbeat_ms=250,
        lease_ms=2000,
        follower_listens=True,
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "contact_points = []",
            'cassandra.contact_points: [] should be a list of hosts, such as ["10.0.0.1", "10.0.0.2:9042"]',
        ),
        (
            'keyspace = "Cards"',
            'cassandra.keyspace: "Cards" should be 1 to 48 small letters, digits or _, a letter first',
        ),
        (
            'durability = "commit-log"',
            'cassandra.durability: "commit-log" is not known; allowed: commitlog, replicated; did you mean commitlog?',
        ),
        (
            "lease_ms = 1000",
            "cassandra.lease_ms: 1000 should be at least 3 times heartbeat_ms: 1500 or more",
        ),
        ("follower_listens = 1", "cassandra.follower_listens: 1 should be true or false"),
        (
            'password_file = "/etc/p"',
            "cassandra.username: is missing, and password_file is given",
        ),
        (
            'tls_cert_file = "/etc/c"',
            (
                "cassandra.tls_cert_file: and tls_key_file go together: the certificate that this process shows, "
                "and its key"
            ),
        ),
        (
            'password = "hunter2"',
            (
                "cassandra.password: no such key; allowed: port, contact_points, keyspace, local_data_centre, "
                "durability, username, password_file, tls_ca_file, tls_cert_file, tls_key_file, heartbeat_ms, "
                "lease_ms, follower_listens; did you mean password_file?"
            ),
        ),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(
    problems_of: Callable[[str], list[str]], line: str, problem: str
) -> None:
    """One line a problem, and no value of a password in any."""
    assert problems_of(line) == [problem]


def test_the_page_for_operators_shows_every_key(tmp_path: Path) -> None:
    """The file in docs/cassandra.md is a right one, and has all that there is to say of Cassandra."""
    page = (ROOT / "docs" / "cassandra.md").read_text(encoding="utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "authoriser.toml"
    path.write_text(text, encoding="utf-8")
    assert load_config(path).cassandra is not None
    shown = set(tomllib.loads(text)["cassandra"])
    assert shown == {*CassandraSection.__struct_fields__, "port"}


def with_user(password_file: Path | None = None) -> CassandraSection:
    return CassandraSection((Address("127.0.0.1", 9042),), username="u", password_file=password_file)


def test_a_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's word where one is named, without the line's end; else the variable's. No user, no password."""
    path = tmp_path / "password"
    path.write_text("from the file\n")
    path.chmod(0o600)
    monkeypatch.setenv(PASSWORD_VARIABLE, "from outside")
    assert password_of(with_user(path)) == "from the file"
    assert password_of(with_user()) == "from outside"
    assert password_of(CassandraSection((Address("127.0.0.1", 9042),))) == ""


def test_a_missing_password_is_said_by_the_settings_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who, and the two places where it may be."""
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(PasswordError) as error:
        password_of(with_user())
    assert str(error.value) == (
        'cassandra.username is "u" and there is no password; set cassandra.password_file or the environment\'s '
        "AUTHORISER_CASSANDRA_PASSWORD"
    )
