"""authoriser.config: defaults, every problem at once, and the command line over the file."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trustme

from authoriser.config import (
    Address,
    AdminConfig,
    Config,
    ConfigError,
    IssuerConfig,
    KeysConfig,
    LinkConfig,
    Overrides,
    TelemetryConfig,
    load_config,
)

DEFAULT_LINK = LinkConfig(
    name="default",
    network="default",
    listen=Address("127.0.0.1", 8583),
    dialect="iso87-ascii",
    framing="bin2",
    reply_deadline_ms=2000,
    frame_length_max_bytes=40960,
    connections_max=4096,
)


@pytest.fixture(autouse=True)
def config_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg"


@pytest.fixture
def problems_of(tmp_path: Path) -> Callable[..., list[str]]:
    def run(text: str, overrides: Overrides | None = None) -> list[str]:
        path = tmp_path / "authoriser.toml"
        path.write_text(text, encoding="utf-8")
        try:
            load_config(path, overrides)
        except ConfigError as error:
            return str(error).split("\n")
        return []

    return run


def test_no_file_gives_the_defaults(config_home: Path) -> None:
    """Without a file there is one link on loopback and everything has a value."""
    expected = Config(
        data_dir=Path("authoriser-data"),
        issuer=IssuerConfig("UTC"),
        keys=KeysConfig(config_home / "authoriser" / "pan-v1.key"),
        links=(DEFAULT_LINK,),
        admin=AdminConfig(Path("authoriser-data/admin.sock")),
        telemetry=TelemetryConfig("auto", "info", None),
    )
    assert expected == load_config()


def test_a_whole_file(tmp_path: Path) -> None:
    """Every key of the file ends up in its struct."""
    path = tmp_path / "authoriser.toml"
    path.write_text("""
data_dir = "/srv/cards"
[issuer]
time_zone = "Europe/Brussels"
[keys]
pan_key_file = "/etc/keys/pan.key"
[[links]]
name = "north"
network = "visa"
listen = "[::1]:9000"
dialect = "iso87-ascii"
framing = "ascii4"
reply_deadline_ms = 1500
frame_length_max_bytes = 4096
connections_max = 8
[[links]]
name = "south"
listen = "payments.example:9000"
[admin]
socket = "/run/authoriser.sock"
[telemetry]
log_format = "json"
log_level = "debug"
metrics_listen = "127.0.0.1:9464"
""")
    north = LinkConfig("north", "visa", Address("::1", 9000), "iso87-ascii", "ascii4", 1500, 4096, 8)
    south = LinkConfig(
        "south", "default", Address("payments.example", 9000), "iso87-ascii", "bin2", 2000, 40960, 4096
    )
    expected = Config(
        data_dir=Path("/srv/cards"),
        issuer=IssuerConfig("Europe/Brussels"),
        keys=KeysConfig(Path("/etc/keys/pan.key")),
        links=(north, south),
        admin=AdminConfig(Path("/run/authoriser.sock")),
        telemetry=TelemetryConfig("json", "debug", Address("127.0.0.1", 9464)),
        file=path,
    )
    assert expected == load_config(path)


def test_every_problem_is_named_at_once(problems_of: Callable[..., list[str]]) -> None:
    """Wrong keys and values of all tables come in one error, each with its place and what would be right."""
    text = """
data_dri = "x"
[issuer]
time_zone = "Europe/Brusels"
[[links]]
name = "a b"
[[links]]
framing = "bin3"
reply_deadline_ms = 49
connections_max = 0
listen = "127.0.0.1"
[telemetry]
log_level = "inof"
metrics_listen = "0.0.0.0:9464"
"""
    expected = [
        (
            'issuer.time_zone: "Europe/Brusels" should be an IANA time zone, such as "UTC" or "Europe/Brussels"; '
            "did you mean Europe/Brussels?"
        ),
        "links[0].name: \"a b\" should be 1 to 32 letters, digits, '_', '.' or '-', starting with a letter or digit",
        (
            'links[1].framing: "bin3" is not known; allowed: ascii4, bcd2, bin2, bin2-etx, bin2-inclusive, '
            "bin2-tpdu, bin4, hex4, visa-base1; did you mean bin4?"
        ),
        'links[1].listen: "127.0.0.1" should be "HOST:PORT", such as "127.0.0.1:8583" or "[::1]:8583"',
        "links[1].reply_deadline_ms: 49 should be a whole number from 50 to 60000 milliseconds",
        "links[1].connections_max: 0 should be a whole number from 1 to 65535 connections",
        'telemetry.log_level: "inof" is not known; allowed: debug, info, warning, error; did you mean info?',
        (
            'telemetry.metrics_listen: "0.0.0.0:9464" is open to other machines and metrics have no password; serve '
            'them on loopback, such as "127.0.0.1:9464", and let an agent on this machine collect them'
        ),
        (
            "data_dri: no such key; allowed: data_dir, issuer, keys, admin, telemetry, links, cassandra, kafka, "
            "cache_accounts_max; did you mean data_dir?"
        ),
    ]
    assert expected == problems_of(text)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("reply_deadline_ms = 60001", "60001 should be a whole number from 50 to 60000 milliseconds"),
        ("reply_deadline_ms = true", "true should be a whole number from 50 to 60000 milliseconds"),
        ("reply_deadline_ms = 2000.0", "2000.0 should be a whole number from 50 to 60000 milliseconds"),
        (
            "frame_length_max_bytes = 65536",
            "65536 should be a whole number from 64 to 65535 bytes, which framing bin2 can say",
        ),
        (
            "network = 5",
            "5 should be 1 to 32 letters, digits, '_', '.' or '-', starting with a letter or digit",
        ),
        ('dialect = "iso87-asci"', '"iso87-asci" is no dialect; allowed: '),
        (
            'dialect = "nowhere.toml"',
            '"nowhere.toml" is no file that can be found from the working directory',
        ),
        ('lissen = "x"', "no such key; allowed: framing, name, network, listen, dialect, "),
        (
            "framing = []",
            "[] is not known; allowed: ascii4, bcd2, bin2, bin2-etx, bin2-inclusive, bin2-tpdu, bin4, hex4, visa-base1",
        ),
    ],
)
def test_a_wrong_line_of_a_link(problems_of: Callable[..., list[str]], line: str, problem: str) -> None:
    """Each is named under the link it stands in, and alone."""
    (found,) = problems_of(f"[[links]]\n{line}\n")
    expected = f"links[0].{line.partition(' = ')[0]}: {problem}"
    assert expected == found[: len(expected)]


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:1", Address("0.0.0.0", 1)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::]:65535", Address("::", 65535)),
        ("[0:0::1]:8583", Address("::1", 8583)),
        ("acquirer-1.example:8583", Address("acquirer-1.example", 8583)),
    ],
)
def test_listen_addresses_that_are_right(listen: str, expected: object) -> None:
    """IPv4, IPv6 in brackets, names, and port 0."""
    assert expected == load_config(overrides=Overrides(listen=listen)).links[0].listen


@pytest.mark.parametrize(
    "listen",
    ["", ":8583", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8a", "1.2.3:1", "256.0.0.1:1",
     "::1:8583", "[::1]", "[x]:1", "a b:1", "-a:1", "127.0.0.1:٣"],
)  # fmt: skip
def test_listen_addresses_that_are_wrong(listen: str) -> None:
    """Each is one problem that quotes the value."""
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=Overrides(listen=listen))
    (problem,) = caught.value.problems
    assert (problem.where, problem.message.startswith(f'"{listen}" ')) == ("--listen", True)


def test_an_address_prints_as_it_is_written() -> None:
    """IPv6 gets its brackets back."""
    assert [str(Address("127.0.0.1", 1)), str(Address("::1", 2))] == ["127.0.0.1:1", "[::1]:2"]


def test_links_need_names_and_addresses_of_their_own(problems_of: Callable[..., list[str]]) -> None:
    """A double name or address names the earlier link; a wildcard takes the port on every address."""
    text = """
[[links]]
listen = "127.0.0.1:9000"
[[links]]
listen = "127.0.0.1:9000"
[[links]]
name = "third"
listen = "0.0.0.0:9000"
"""
    expected = [
        'links[1].name: "default" is the name of links[0] too; each link needs a name of its own',
        'links[1].listen: "127.0.0.1:9000" is taken by links[0]; each link needs an address of its own',
        'links[2].listen: "0.0.0.0:9000" is taken by links[0]; each link needs an address of its own',
        'links[2].listen: "0.0.0.0:9000" is taken by links[1]; each link needs an address of its own',
    ]
    assert expected == problems_of(text)


def test_two_links_may_both_take_any_free_port(problems_of: Callable[..., list[str]]) -> None:
    """Port 0 is another port each time, so it is no double."""
    assert (
        problems_of('[[links]]\nname="a"\nlisten="127.0.0.1:0"\n[[links]]\nname="b"\nlisten="127.0.0.1:0"\n')
        == []
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("links = []", "links: is empty; give one [[links]] table, or leave it out for the default"),
        ("[links]\nname = 'x'", "links: should be a list of tables, each with the header [[links]]"),
        ("links = [5]", "links[0]: 5 should be a table: [[links]]"),
        ("issuer = 5", "issuer: 5 should be a table: [issuer]"),
        ("data_dir = ''", 'data_dir: "" should be a path, as text that is not empty'),
    ],
)
def test_wrong_shapes(problems_of: Callable[..., list[str]], text: str, expected: object) -> None:
    """A table that is none, and a list that is none, are named with the header that would be right."""
    assert [expected] == problems_of(text)


def test_a_file_that_is_not_toml(problems_of: Callable[..., list[str]]) -> None:
    """The parser's line and column are kept."""
    (problem,) = problems_of("data_dir = \n")
    assert problem.endswith("authoriser.toml: is not TOML: Invalid value (at line 1, column 12)")


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    """The byte is named."""
    path = tmp_path / "x.toml"
    path.write_bytes(b'data_dir = "\xff"')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"{path}: is not UTF-8 at byte 12" == str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is an error, because who names one wants it."""
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.toml")
    assert f"{tmp_path / 'none.toml'}: no such file" == str(caught.value)


def test_overrides_stand_over_the_file(tmp_path: Path) -> None:
    """Data directory, address, dialect and framing of the command line win; what follows from them follows."""
    path = tmp_path / "x.toml"
    path.write_text('data_dir = "a"\n[[links]]\nlisten = "127.0.0.1:1"\nnetwork = "visa"\n')
    config = load_config(path, Overrides("b", "127.0.0.1:2", "iso87-ascii", "ascii4"))
    link = LinkConfig("default", "visa", Address("127.0.0.1", 2), "iso87-ascii", "ascii4", 2000, 9999, 4096)
    assert (Path("b"), Path("b/admin.sock"), (link,)) == (config.data_dir, config.admin.socket, config.links)


def test_overrides_are_checked_like_the_file() -> None:
    """Each wrong option is named as an option."""
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=Overrides("", "nowhere", "iso99", "bin5"))
    expected = ["--data", "--framing", "--listen", "--dialect"]
    assert expected == [problem.where for problem in caught.value.problems]


def test_overrides_speak_of_the_only_link(problems_of: Callable[..., list[str]]) -> None:
    """With two links nobody knows which one --listen means."""
    text = '[[links]]\nname = "a"\nlisten = "127.0.0.1:1"\n[[links]]\nname = "b"\n'
    expected = ["--listen: changes the only link, and the file has 2; change it in the file"]
    assert expected == problems_of(text, Overrides(listen="127.0.0.1:5"))


def test_the_frame_length_must_fit_the_framing(problems_of: Callable[..., list[str]]) -> None:
    """A file's length that bin2 could say is wrong once the command line asks for ascii4."""
    expected = [
        (
            "links[0].frame_length_max_bytes: 40960 should be a whole number from 64 to 9999 bytes, "
            "which framing ascii4 can say"
        )
    ]
    assert expected == problems_of("[[links]]\nframe_length_max_bytes = 40960\n", Overrides(framing="ascii4"))


def test_the_key_file_may_not_lie_in_the_data_directory(problems_of: Callable[..., list[str]]) -> None:
    """Else a backup of the data would hold the key too."""
    expected = [
        (
            'keys.pan_key_file: "d/keys/pan.key" lies in the data directory; whoever has a backup of it would have '
            "the key too"
        )
    ]
    assert expected == problems_of('data_dir = "d"\n[keys]\npan_key_file = "d/keys/pan.key"\n')


def test_a_socket_path_that_the_system_can_not_bind(problems_of: Callable[..., list[str]]) -> None:
    """The default socket of a deep data directory is found too long before anything starts."""
    (problem,) = problems_of(f'data_dir = "/{"d" * 120}"\n')
    expected = "of 132 bytes and the system takes 107; choose a shorter admin.socket or data directory"
    assert (problem[:14], problem.endswith(expected)) == ("admin.socket: ", True)


def test_a_profile_is_one_of_the_reason_tables(tmp_path: Path, problems_of: Callable[..., list[str]]) -> None:
    """Without one, the dialect's word goes."""
    path = tmp_path / "authoriser.toml"
    path.write_text('[[links]]\nprofile = "visa-like"\n', encoding="utf-8")
    assert load_config(path).links[0].profile == "visa-like"
    assert load_config().links[0].profile == ""
    assert problems_of('[[links]]\nprofile = "visa"\n') == [
        'links[0].profile: "visa" is not known; allowed: generic, visa-like, mastercard-like; did you mean visa-like?'
    ]


def test_a_link_that_connects(tmp_path: Path) -> None:
    """Two lines to a network, echoed over after half a minute unless said otherwise."""
    path = tmp_path / "authoriser.toml"
    path.write_text("[[links]]\nrole = 'connect'\nconnect = 'network.example:9000'\nlines = 2\n")
    (link,) = load_config(path).links
    expected = msgspec.structs.replace(
        DEFAULT_LINK, connect=Address("network.example", 9000), lines=2, echo_idle_ms=30_000
    )
    assert (expected, "connect", Address("network.example", 9000)) == (link, link.role, link.address)


def test_two_links_may_connect_to_one_address(problems_of: Callable[..., list[str]]) -> None:
    """Only listeners are in each other's way."""
    one = "[[links]]\nname = '{}'\nrole = 'connect'\nconnect = '127.0.0.1:9000'\n"
    assert problems_of(one.format("a") + one.format("b")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "role = 'dial'",
            'links[0].role: "dial" is not known; allowed: listen, connect',
        ),
        (
            "role = 'connect'",
            'links[0].connect: is missing; a link of role "connect" needs the network\'s address',
        ),
        (
            "role = 'connect'\nconnect = '10.0.0.5:0'",
            'links[0].connect: "10.0.0.5:0" should have the port at which the network listens, 1 to 65535',
        ),
        (
            "role = 'connect'\nconnect = '10.0.0.5:1'\nlisten = '127.0.0.1:1'",
            'links[0].listen: is for a link of role "listen", and this one\'s is "connect"',
        ),
        ("lines = 2", 'links[0].lines: is for a link of role "connect", and this one\'s is "listen"'),
        (
            "echo_idle_ms = 99",
            "links[0].echo_idle_ms: 99 should be a whole number from 100 to 3600000 milliseconds, or 0 for no echo",
        ),
        (
            "[links.tls]",
            (
                "links[0].tls.certificate_file: is missing; a link that listens shows a certificate, and needs "
                "private_key_file too"
            ),
        ),
        (
            "[links.tls]\ncertificate_file = '/nowhere/c.pem'",
            "links[0].tls.private_key_file: is missing; certificate_file needs it beside it",
        ),
        (
            "[links.tls]\ncertificate_file = '/nowhere/c.pem'\nprivate_key_file = '/nowhere/k.pem'",
            'links[0].tls.certificate_file: "/nowhere/c.pem" can\'t be read: No such file or directory',
        ),
        (
            "role = 'connect'\nconnect = '10.0.0.5:1'\n[links.tls]\nca_file = '/dev/null'",
            'links[0].tls.ca_file: "/dev/null" should be a PEM file with the certificates of authorities',
        ),
        (
            "role = 'connect'\nconnect = '10.0.0.5:1'\n[links.tls]\nminimum_version = '1.1'",
            'links[0].tls.minimum_version: "1.1" is not known; allowed: 1.2, 1.3; did you mean 1.3?',
        ),
        (
            "role = 'connect'\nconnect = '10.0.0.5:1'\n[links.tls]\nca = 'x'",
            (
                "links[0].tls.ca: no such key; allowed: certificate_file, private_key_file, ca_file, server_name, "
                "minimum_version"
            ),
        ),
    ],
)
def test_what_is_wrong_with_who_connects(
    problems_of: Callable[..., list[str]], text: str, problem: str
) -> None:
    """Each alone, with its place and what would be right."""
    (found,) = problems_of(f"[[links]]\n{text}\n")
    assert problem == found[: len(problem)]


def test_keys_that_do_not_serve(problems_of: Callable[..., list[str]], tmp_path: Path) -> None:
    """Another certificate's key, and one with a passphrase, are said before anything is served."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    authority = trustme.CA()
    one, other = authority.issue_cert("one.example"), authority.issue_cert("other.example")
    certificate, key, locked = tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "locked.pem"
    certificate.write_bytes(one.cert_chain_pems[0].bytes())
    key.write_bytes(other.private_key_pem.bytes())
    locked.write_bytes(
        load_pem_private_key(one.private_key_pem.bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
        )
    )
    text = f"[[links]]\n[links.tls]\ncertificate_file = '{certificate}'\nprivate_key_file = '%s'\n"
    place = "links[0].tls.private_key_file"
    assert problems_of(text % key) == [f'{place}: "{key}" is not the key of {certificate}']
    assert problems_of(text % locked) == [
        f'{place}: "{locked}" is encrypted; it should be without a passphrase'
    ]
    assert problems_of(text % certificate) == [
        f'{place}: "{certificate}" should be a PEM file with a private key'
    ]
